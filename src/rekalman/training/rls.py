"""Training of recursive least squares: lags and forgetting chosen on held-out data, weights to begin with."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.core.trajectory import Trajectory
from rekalman.data import Sequences
from rekalman.data.scales.volume import log_volume
from rekalman.filters.recursive_least_squares import RecursiveLeastSquares
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.fitting.verbs import filter_paths, one_step
from rekalman.forecasting import Labels
from rekalman.learners.em.projection import Series
from rekalman.learners.start.ridge_ar import HELD_OUT, RidgeAR, Rows, lagged, regular
from rekalman.numerics.precision import modelling_dtype, modelling_precision
from rekalman.training.ridge_ar import chosen_autoregression, most_lags, series_of

if TYPE_CHECKING:
    from rekalman.methods.naive.rls import RLS
    from rekalman.methods.request import TrainingRequest

FORGETTING = (1.0, 0.995, 0.98, 0.95)
"""Forgetting factors that are compared: of all steps, and of the last 200, 50 and 20."""
FEWEST = 10
"""Windows before the held-out part with fewer of which nothing is compared: then nothing is forgotten."""
MOST_WEIGHTS = 40
"""So many lags times columns are tried at most: each step inverts a matrix of that size."""


def train_rls(method: RLS, request: TrainingRequest, standardiser: Any) -> Fit:
    """Choose lags and forgetting factor, and where the weights begin.

    The number of lags and the penalty are those of `ridge-ar`; the forgetting factor is the one under which
    the last fifth of each series is most likely, by a filter whose prior knows what comes before. The prior
    of the filter is then the ridge regression on all data. It is worth as many samples as it has weights,
    which is few, since the filter goes through these data again before it forecasts.

    Args:
        method: the options.
        request: the series, in raw units.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: there are too few windows.
    """
    data, began = request.data, time.perf_counter()
    rows = standardiser.rows(data)
    prepared = rows.apply(data)
    series, observed = series_of(prepared)
    early = [(y[: _head(y)], u[: _head(y)]) for y, u in series]
    seen = [each[: _head(each)] for each in observed]
    most = max(1, min(most_lags(early), MOST_WEIGHTS // prepared.observations))
    lags = method.lags or _chosen(series, observed, None, most)[0].lags
    candidates = FORGETTING if method.forgetting is None else (float(method.forgetting),)
    trials: list[tuple[float, float]] = []
    if len(candidates) > 1 and len(lagged(early, None, lags).targets) >= FEWEST:
        start = _prior(*chosen_autoregression(early, seen, lags), early, seen)
        trials = [(each, _late_score(_forgets(start, each), prepared)) for each in candidates]
    forgetting = max(trials, key=lambda pair: pair[1])[0] if trials else candidates[0]
    chosen, complete = _chosen(series, observed, lags, most)
    algorithm = _forgets(_prior(chosen, complete, series, observed), forgetting)
    path = filter_paths(algorithm, prepared, jax.random.key(0))
    if not complete:
        algorithm = _with_noise(algorithm, path, prepared)
        path = filter_paths(algorithm, prepared, jax.random.key(0))
    volume = log_volume(rows, data).sum()
    entries = int(np.asarray(prepared.mask).sum())
    return Fit(
        algorithm=algorithm,
        standardiser=standardiser,
        history=History(
            log_likelihood=np.array([float(np.asarray(path.log_evidence).sum() - volume)]),
            trials=tuple(
                (f"forgetting factor {each:g}", score)
                for each, score in sorted(trials, key=lambda pair: -pair[1])
            ),
            stopped="converged",
            seconds=time.perf_counter() - began,
            entries=entries,
            criteria=(
                ("lags", float(lags)),
                ("forgetting factor", forgetting),
                ("penalty", chosen.ridge.penalty),
            ),
        ),
        seed=request.seed,
        labels=Labels.of(data),
        input_names=(),
        kind=method.title(),
    )


def _head(rows: np.ndarray) -> int:
    """Number of steps before the held-out ones."""
    return len(rows) - int(HELD_OUT * len(rows))


def _chosen(
    series: list[Series], observed: list[np.ndarray], lags: int | None, most: int
) -> tuple[RidgeAR, bool]:
    """The regression of so many lags, or of those that predict held-out data best, `most` at most."""
    chosen, complete = chosen_autoregression(series, observed, lags)
    if chosen.lags > most and lags is None:
        return chosen_autoregression(series, observed, most)
    return chosen, complete


def _prior(
    chosen: RidgeAR, complete: bool, series: list[Series], observed: list[np.ndarray]
) -> RecursiveLeastSquares:
    """The filter that begins with a ridge regression, worth as many samples as there are weights."""
    ridge, lags = chosen.ridge, chosen.lags
    rows: Rows = lagged(series, observed if complete else None, lags)
    X = np.hstack([rows.features, np.ones((len(rows.features), 1))])
    count, size = X.shape
    penalty = np.append(np.repeat(np.arange(1.0, lags + 1), len(ridge.intercept)) ** 2, 0.0)
    information = X.T @ X / count + np.diag(ridge.penalty * penalty)
    # Columns that move together leave directions of which the data say nothing.
    information += 1e-10 * np.diag(np.diagonal(information))
    errors = ridge.errors(rows)
    freedom = max(count - ridge.freedom, 1.0)
    with modelling_precision():
        dtype = modelling_dtype()
        return RecursiveLeastSquares(
            weights=jnp.asarray(np.vstack([ridge.weights.T, ridge.intercept]), dtype),
            information=jnp.asarray(size * information, dtype),
            noise=jnp.asarray(regular(errors.T @ errors / freedom), dtype),
            errors=jnp.asarray(size, dtype),
            forgetting=jnp.ones((), dtype),
        )


def _forgets(algorithm: RecursiveLeastSquares, factor: float) -> RecursiveLeastSquares:
    """The same with another forgetting factor."""
    with modelling_precision():
        dtype = algorithm.weights.dtype
        return dataclasses.replace(algorithm, forgetting=jnp.asarray(factor, dtype))


def _late_score(algorithm: RecursiveLeastSquares, prepared: Sequences) -> float:
    """Log density of the last part of each series, in nats per value."""
    nats = np.asarray(filter_paths(algorithm, prepared, jax.random.key(0)).log_evidence, np.float64)
    lengths = np.asarray(prepared.lengths)
    at = np.arange(nats.shape[1])
    heads = lengths - (HELD_OUT * lengths).astype(int)
    late = (at >= heads[:, None]) & (at < lengths[:, None])
    entries = (np.asarray(prepared.mask) & late[..., None]).sum()
    return float(np.where(late, nats, 0.0).sum() / max(entries, 1))


def _with_noise(
    algorithm: RecursiveLeastSquares, path: Trajectory, prepared: Sequences
) -> RecursiveLeastSquares:
    """The filter with the noise under which its errors have the variance that it predicts."""
    mean, var, _ = one_step(path, prepared)
    error = np.where(np.asarray(prepared.mask), np.asarray(prepared.values) - mean, np.nan)
    factor = float(np.nanmean(error * error / var))
    with modelling_precision():
        return dataclasses.replace(algorithm, noise=algorithm.noise * factor)
