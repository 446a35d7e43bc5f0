"""Training of an echo state network: a search over its scales, its readout, the noise of its innovations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.innovations import Innovations
from rekalman.fitting.progress import progress_bar
from rekalman.fitting.result import Fit
from rekalman.learners.protocol import Progress
from rekalman.learners.reservoir.held_out import Part, bound_of, parted
from rekalman.learners.reservoir.learned import Prepared, learn_readout, with_weights
from rekalman.learners.reservoir.search import Found, Settings, search
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.networks.predictors.predictor import Predictor
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.training.predictors.as_fit import innovations, noise_factor_of, predictor_fit

if TYPE_CHECKING:
    from rekalman.methods.request import TrainingRequest
    from rekalman.methods.reservoirs.esn import ESN

HELD_OUT = 0.2
"""Share of each series, at its end, on which settings are compared."""
MOST_WASHOUT, WASHOUT_SHARE = 100, 10
"""The washout is a tenth of the longest series, at most 100 steps."""
MOST_UNITS, FEWEST_UNITS, ROWS_PER_UNIT = 300, 20, 4
DRAWS = 100
"""Series that a forecast follows."""
SEARCHED_STEPS, SEARCHED_SERIES = 4000, 20
"""A search looks at the last steps of the first series only; the readout is learned from all."""


def washout_of(washout: int | None, longest: int) -> int:
    """The first steps of each series from which nothing is learned.

    Args:
        washout: what was asked for, or None.
        longest: number of steps of the longest series.
    """
    return min(MOST_WASHOUT, longest // WASHOUT_SHARE) if washout is None else washout


def units_of(units: int | None, entries: int) -> int:
    """Number of units: a quarter of the rows, from 20 to 300, unless something is asked for."""
    usual = min(MOST_UNITS, max(FEWEST_UNITS, entries // ROWS_PER_UNIT))
    return usual if units is None else units


def train_esn(method: ESN, request: TrainingRequest, standardiser: Standardiser | Panel) -> Fit:
    """Choose the scales of a network, learn its readout, and judge its innovations on held-out rows.

    The settings are those under which the last fifth of each series is most likely; the noise is that of the
    errors there of a readout that knows the rest. The readout that is kept knows all.

    Args:
        method: the options.
        request: the series, in raw units.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: too few rows remain after the washout.
    """
    data, since = request.data, time.perf_counter()
    prepared = standardiser.rows(data).apply(data)
    series = Prepared.of(prepared)
    washout = washout_of(method.washout, int(series.lengths.max()))
    units = units_of(method.units, int(series.lengths.sum()))
    bound = bound_of(series.values)

    def make(settings: Settings, seed: int) -> Reservoir:
        return Reservoir.create(
            data.observations,
            units=units,
            inputs=data.n_inputs,
            density=method.density,
            topology=method.topology,
            squares=method.squares,
            bound=bound,
            seed=seed,
            **settings._asdict(),
        )

    with progress_bar(request.progress, prefix=request.prefix) as bar:
        fitted = search(
            make,
            latest(series, washout, method.horizon),
            fixed=method.fixed,
            penalty=method.penalty,
            budget=method.search_seconds,
            seed=request.seed,
            report=lambda done, total: bar and bar("networks", Progress(done, total, 0.0)),
        )
    network = make(fitted.settings, fitted.seed)
    trained = with_innovations(network, prepared, series, washout, fitted.penalty)
    return predictor_fit(
        trained,
        request,
        standardiser,
        method.title(),
        since=since,
        filtering=drawing,
        trials=shown_trials(fitted),
        criteria=(
            ("units", float(units)),
            *((name.replace("_", " "), value) for name, value in fitted.settings._asdict().items()),
            ("penalty", fitted.penalty),
            ("washout", float(washout)),
            ("networks", float(fitted.networks)),
        ),
    )


def drawing(predictor: Predictor) -> Innovations:
    """The filter of a predictor, whose forecasts are drawn."""
    return Innovations(predictor, draws=DRAWS)


def latest(series: Prepared, washout: int, horizon: int) -> Part:
    """What a search looks at: the last steps of the first series."""
    start = np.maximum(series.lengths - SEARCHED_STEPS, 0)[:SEARCHED_SERIES]
    lengths = np.minimum(series.lengths, SEARCHED_STEPS)[:SEARCHED_SERIES]
    steps = min(series.values.shape[1], SEARCHED_STEPS)
    at = np.minimum(start[:, None] + np.arange(steps), series.values.shape[1] - 1)
    values, mask = (np.take_along_axis(a[: len(at)], at[..., None], 1) for a in series[:2])
    inputs = None
    if series.inputs is not None:
        inputs = np.take_along_axis(series.inputs[: len(at)], at[..., None], 1)
    return parted(values, mask, inputs, lengths, washout, HELD_OUT, horizon)


def with_innovations(
    network: LinearReadout, prepared: Sequences, series: Prepared, washout: int, penalty: float
) -> LinearReadout:
    """The network with the readout of all rows, and the noise of one that did not know the last ones.

    Args:
        network: whose readout is learned.
        prepared: standardised series.
        series: the same as arrays.
        washout: first steps of each series that are no targets.
        penalty: of the readout, as a share of the number of rows.

    Raises:
        RekalError: too few rows count.
    """
    heads = series.heads(HELD_OUT)
    early = learn_readout(network, series, washout, penalty, heads)[0]
    errors = innovations(Innovations(early), prepared)
    late = np.arange(errors.shape[1]) >= np.maximum(heads, washout)[:, None]
    factor = noise_factor_of(errors, late)
    final, ridge = learn_readout(network, series, washout, penalty)
    opening = opening_of(innovations(Innovations(final), prepared)[:, :washout], factor)
    return with_weights(final, ridge.weights, factor, opening)


def opening_of(
    errors: Float[np.ndarray, "batch steps obs"], factor: Float[np.ndarray, "obs obs"]
) -> Float[np.ndarray, " opening"]:
    """How much larger errors are at the first steps, when a predictor does not know yet what came before.

    The root mean square of the errors in units of their later deviation, over all series and over steps near
    each other, which falls from step to step and ends at 1.

    Args:
        errors: one-step errors of the washout, NaN where nothing was observed.
        factor: of the covariance of later errors.
    """
    square = np.square(errors) / np.square(factor).sum(1)
    seen = np.isfinite(square)
    steps = np.arange(square.shape[1])
    by_step, counts = np.where(seen, square, 0.0).sum((0, 2)), seen.sum((0, 2))
    fitted = np.ones(len(steps) + 1)
    for t in steps:
        near = (steps >= t - t // 3) & (steps <= t + t // 3)
        fitted[t] = max(by_step[near].sum() / max(counts[near].sum(), 1), 1.0)
    return np.sqrt(np.maximum.accumulate(fitted[::-1])[::-1])


def shown_trials(fitted: Found) -> tuple[tuple[str, float], ...]:
    """The five best points of a search, for the history of a fit."""
    names = ("radius", "leak", "input", "bias")
    shown = []
    for settings, score in fitted.trials[:5]:
        text = ", ".join(f"{n} {v:.2g}" for n, v in zip(names, settings, strict=True))
        shown.append((text, score))
    return tuple(shown)
