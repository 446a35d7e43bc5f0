"""From a trained one-step predictor to a `Fit`: the covariance of its innovations, its history, its units."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Bool, Float

from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.innovations import Innovations
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.fitting.verbs import filter_paths, one_step
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.predictor import Predictor
from rekalman.numerics.precision import precision_of
from rekalman.training.as_fit import nats_of_scales

if TYPE_CHECKING:
    from rekalman.methods.request import TrainingRequest

ROWS_PER_COLUMN = 10
"""Rows for each column with fewer of which innovations are taken to be uncorrelated."""
LEAST_VARIANCE = 1e-12
"""Of an innovation, in standardised units: a deviation of a millionth of that of the data."""


def innovations(
    filtering: Innovations, prepared: Sequences
) -> Float[np.ndarray, "batch steps obs"]:
    """One-step errors in standardised units, NaN where nothing was observed.

    Args:
        filtering: the filter of the predictor.
        prepared: standardised series.
    """
    with precision_of(filtering):
        path = filter_paths(filtering, prepared, jax.random.key(0))
        mean = one_step(path, prepared)[0]
    mask = np.asarray(prepared.mask)
    return np.where(mask, np.where(mask, np.asarray(prepared.values), 0.0) - mean, np.nan)


def noise_factor_of(
    errors: Float[np.ndarray, "batch steps obs"],
    counted: Bool[np.ndarray, "batch steps"] | None = None,
) -> Float[np.ndarray, "obs obs"]:
    """A lower triangular factor of the covariance of innovations.

    Rows after a missing entry, whose error is not that of a known state, are left out where enough others are
    there; with few rows the columns are taken to be uncorrelated.

    Args:
        errors: one-step errors, NaN where nothing was observed.
        counted: steps that are counted, such as those that were held out of the training; None = all.

    Raises:
        RekalError: a column has no error to count.
    """
    p = errors.shape[-1]
    rows = np.all(np.isfinite(errors), axis=-1)
    known = rows & np.concatenate([rows[:, :1], rows[:, :-1]], 1)
    part = np.ones(rows.shape, bool) if counted is None else counted
    sure = errors[known & part]
    if len(sure) >= ROWS_PER_COLUMN * p:
        return np.linalg.cholesky(sure.T @ sure / len(sure) + LEAST_VARIANCE * np.eye(p))
    square = np.square(errors[part])
    entries = np.isfinite(square).sum(0)
    if not entries.all():
        raise RekalError(
            f"column {int(np.argmin(entries))} has no observed value to judge the network by: give longer "
            "series"
        )
    return np.diag(np.sqrt(np.nansum(square, 0) / entries + LEAST_VARIANCE))


def predictor_fit(
    predictor: Predictor,
    request: TrainingRequest,
    standardiser: Standardiser | Panel,
    kind: str,
    *,
    since: float,
    filtering: Callable[[Predictor], Innovations] = Innovations,
    trials: tuple[tuple[str, float], ...] = (),
    criteria: tuple[tuple[str, float], ...] = (),
    warnings: tuple[str, ...] = (),
    stopped: str = "converged",
) -> Fit:
    """A trained predictor with its units, and the likelihood of the training data.

    Args:
        predictor: in standardised units, the noise of its innovations included.
        request: the data in raw units, and the seed.
        standardiser: from raw to standardised units.
        kind: name of the method.
        since: `time.perf_counter()` at the beginning of the training.
        filtering: makes the filter.
        trials: (name, held-out log-likelihood in nats per observed entry) of candidates, the one taken first.
        criteria: names and values of what was chosen.
        warnings: what speaks against the model, a sentence each.
        stopped: a key of `rekalman.fitting.history.REASONS`.

    Raises:
        RekalError: the predictor breaks down on its training data.
    """
    data, algorithm = request.data, filtering(predictor)
    prepared = standardiser.rows(data).apply(data)
    with precision_of(algorithm):
        path = filter_paths(algorithm, prepared, jax.random.key(0))
    total = float(np.asarray(path.log_evidence).sum()) - nats_of_scales(standardiser, data)
    return Fit(
        algorithm=algorithm,
        standardiser=standardiser,
        history=History(
            log_likelihood=np.array([total]),
            trials=trials,
            stopped=stopped,
            seconds=time.perf_counter() - since,
            entries=int(np.asarray(data.mask).sum()),
            criteria=criteria,
            warnings=warnings,
        ),
        seed=request.seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
    )
