"""Training of vector autoregressions: ridge regression in closed form, then the exact filter."""

from __future__ import annotations

import time

import equinox as eqx
import numpy as np

from rekalman.core.beliefs import GaussianPath
from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.fitting.trained import Trained
from rekalman.learners.batch import Batch, as_batch, check_batch_memory
from rekalman.learners.em.projection import Series, as_series
from rekalman.learners.protocol import Iterations, TrainResult
from rekalman.learners.start.companion import companion
from rekalman.learners.start.ridge_ar import RidgeAR, lagged, ridge_ar
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_dtype, modelling_precision, precision_of

MOST_LAGS, MOST_STATES = 24, 108
"""So many lags are tried, or as many as leave so many states."""
ROWS_PER_FEATURE = 3  # rows of the regression, at least, for each coefficient of an output


def train_ridge_ar(
    prepared: Sequences, lags: int | None, penalty: float | None, following: Filtering
) -> Trained:
    """Fit a vector autoregression, and follow it by a filter.

    Rows of the regression are windows without a gap, if need be of fewer lags; where these are too few, gaps
    are interpolated. What that makes too easy the filter tells, which knows what was observed: its
    innovations say how large those of the model are.

    Args:
        prepared: data in the units of the model.
        lags: their number, or None for that which predicts held-out data best.
        penalty: of the regression, or None for that under which rows left out are most likely.
        following: what filters the model.

    Raises:
        RekalError: there are too few windows, or the filter cannot filter the model.
    """
    since = time.perf_counter()
    series, observed = series_of(prepared)
    chosen, complete = chosen_autoregression(series, observed, lags, penalty)
    model = model_of(chosen, series)
    following.of(model)  # refused before the work, not after
    batch = as_batch(prepared, model)
    check_batch_memory(model.states, batch)
    path = _filtered(model, batch)
    if not complete:
        model = _with_noise(model, path)
        path = _filtered(model, batch)
    value = float(np.asarray(path.log_evidence).sum())
    seconds, entries = time.perf_counter() - since, int(np.asarray(prepared.mask).sum())
    history = Iterations.by_likelihood(np.array([value]), "converged", seconds, entries)
    held_out = sorted(chosen.candidates, key=lambda pair: -pair[1])
    return Trained(
        TrainResult(model, history),
        following,
        trials=tuple((lags_of(each), score) for each, score in held_out),
        criteria=(("lags", float(chosen.lags)), ("penalty", chosen.ridge.penalty)),
    )


def series_of(prepared: Sequences) -> tuple[list[Series], list[np.ndarray]]:
    """Outputs and inputs of each series, gaps interpolated, and which outputs were observed."""
    lengths = np.asarray(prepared.lengths)
    inputs = None if prepared.inputs is None else np.asarray(prepared.inputs)
    mask = np.asarray(prepared.mask)
    series = as_series(np.asarray(prepared.values), mask, inputs, lengths)
    return series, [seen[:length] for seen, length in zip(mask, lengths, strict=True)]


def chosen_autoregression(
    series: list[Series],
    observed: list[np.ndarray],
    lags: int | None = None,
    penalty: float | None = None,
) -> tuple[RidgeAR, bool]:
    """The regression, and whether all its rows were observed.

    Args:
        series: outputs and inputs of each series, gaps interpolated.
        observed: True where an output was observed.
        lags: their number, or None.
        penalty: of the regression, or None.

    Raises:
        RekalError: there are too few windows.
    """
    tried = range(most_lags(series), 0, -1) if lags is None else (lags,)
    most = next((each for each in tried if enough(series, observed, each)), None)
    complete, most = most is not None, most or tried[0]
    rows = lagged(series, observed, most, gaps=True).features
    seen = observed if complete or len(rows) >= ROWS_PER_FEATURE * rows.shape[1] else None
    chosen = ridge_ar(series, seen, gaps=not complete, lags=lags, most=most, penalty=penalty)
    return chosen, complete


def most_lags(series: list[Series]) -> int:
    """The largest number of lags that is tried: rows and states are not to be too few and too many."""
    y, u = series[0]
    width = y.shape[1] + u.shape[1]
    steps, longest = sum(len(y) for y, _ in series), max(len(y) for y, _ in series)
    few = min(MOST_LAGS, MOST_STATES // width, steps // (ROWS_PER_FEATURE * width), longest // 4)
    return max(1, few)


def enough(series: list[Series], observed: list[np.ndarray], lags: int) -> bool:
    """Whether enough windows have no gap."""
    rows = lagged(series, observed, lags)
    count, features = rows.features.shape
    windows = sum(max(0, len(y) - lags) for y, _ in series)
    return count == windows or count >= max(ROWS_PER_FEATURE * features, 0.5 * windows)


def model_of(chosen: RidgeAR, series: list[Series]) -> LinearGaussian:
    """The model of an autoregression, in the precision of models."""
    y, u = (np.vstack([each[k] for each in series]) for k in (0, 1))
    with modelling_precision():
        return companion(
            chosen.ridge.weights,
            chosen.ridge.intercept,
            chosen.ridge.cov,
            chosen.lags,
            y.mean(0),
            np.where(y.var(0) > 0, y.var(0), 1.0),
            u.mean(0),
            largest=1 - 0.1 / len(y),
            rounding=16 * y.shape[1] * chosen.lags * float(np.finfo(modelling_dtype()).eps),
        )


def _filtered(model: LinearGaussian, batch: Batch) -> GaussianPath:
    """What the exact filter says of the training data."""
    rows = (batch.values, batch.mask, batch.inputs)
    return filter_batch(Kalman(model), *rows, lengths=placed(np.asarray(batch.valid).sum(1)))


def _with_noise(model: LinearGaussian, path: GaussianPath) -> LinearGaussian:
    """The model with noise under which the filter's innovations have the variance that it predicts."""
    white = np.asarray(path.white)[np.asarray(path.white) != 0]
    scale = float((white * white).mean()) if white.size else 1.0
    with precision_of(model):
        return eqx.tree_at(lambda m: m.Q, model, model.Q * scale)


def lags_of(count: int) -> str:
    """So many lags, in words."""
    return f"{count} lag{'' if count == 1 else 's'}"
