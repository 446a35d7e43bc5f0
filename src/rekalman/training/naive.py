r"""Naive forecasts as linear models: their Kalman filters give the textbook rules exactly.

Of each column `y` with one variance `s^2` to be found:

* random walk, `x_t = x_{t-1} + w_t`, `y_t = x_t`, `w ~ N(0, s^2)`: the last value is held, with variance
  `h s^2` so many steps `h` ahead;
* random walk with drift, `x_t = x_{t-1} + b + w_t`, `b` constant with a flat law: the filter estimates `b`
  by the mean of all steps, `(y_t - y_1) / (t - 1)`, and the variance is `s^2 h (1 + h / (t - 1))`
  (Hyndman and Athanasopoulos 2021, Forecasting, 5.5);
* constant, `x_t = x_{t-1}`, `y_t = x_t + v_t`, `v ~ N(0, s^2)`, flat law of the first: the mean of all values
  so far, with variance `s^2 (1 + 1 / t)`;
* seasonal random walk, `y_t = y_{t-L} + w_t`: the states are the last `L` values.

`s^2` is the mean square of the errors that the rule makes in the training data, with one degree of freedom
less where a mean was estimated. Where a value is missing, errors are counted over the time that went by.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.evaluation.baselines import squared_moves
from rekalman.evaluation.holding import moves
from rekalman.filters.choice import Filtering
from rekalman.fitting.trained import Trained
from rekalman.foundation.errors import RekalError
from rekalman.learners.protocol import Iterations, TrainResult
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian


class NaiveModel(NamedTuple):
    """The model of one column with unit variance of its errors.

    Attributes:
        A: transition of a step `(states, states)`.
        F: the same in continuous time, per unit of time, or None.
        noisy: variance of the process noise of each state `(states,)`.
        observed: variance of the observation noise.
        lag: steps between the values whose difference is the error; 0 is the distance from the mean.
        drift: whether the mean of the steps is estimated, too.
    """

    A: Float[np.ndarray, "states states"]
    F: Float[np.ndarray, "states states"] | None
    noisy: Float[np.ndarray, " states"]
    observed: float
    lag: int
    drift: bool = False

    @property
    def states(self) -> int:
        """Number of states of a column."""
        return len(self.A)


def random_walk() -> NaiveModel:
    """The last value is held."""
    return NaiveModel(np.eye(1), np.zeros((1, 1)), np.ones(1), 0.0, 1)


def random_walk_with_drift() -> NaiveModel:
    """The last value, and the mean step so far."""
    slope = np.array([[0.0, 1.0], [0.0, 0.0]])
    return NaiveModel(np.eye(2) + slope, slope, np.array([1.0, 0.0]), 0.0, 1, drift=True)


def constant() -> NaiveModel:
    """The mean of all values so far."""
    return NaiveModel(np.eye(1), np.zeros((1, 1)), np.zeros(1), 1.0, 0)


def seasonal_walk(period: int) -> NaiveModel:
    """The last value of the same season is held.

    Args:
        period: steps of a season.
    """
    return NaiveModel(np.roll(np.eye(period), 1, axis=0), None, np.eye(period)[0], 0.0, period)


def error_scales(prepared: Sequences, naive: NaiveModel) -> Float[np.ndarray, "batch obs"]:
    """Standard deviation of the errors of the rule in each series and column.

    Raises:
        RekalError: a column has too few values, or its errors are zero throughout.
    """
    squares, count = _squared_errors(prepared, naive)
    return _deviation(squares, count, prepared)


def train_naive(prepared: Sequences, naive: NaiveModel, following: Filtering) -> Trained:
    """The model with the variances of standardised data.

    Args:
        prepared: the series in the units of the model.
        naive: the rule.
        following: what filters the model.

    Raises:
        RekalError: as for `error_scales`, or the filter cannot filter it.
    """
    began = time.perf_counter()
    squares, count = _squared_errors(prepared, naive)
    deviation = _deviation(squares.sum(0, keepdims=True), count.sum(0, keepdims=True), prepared)[0]
    model = _joined(naive, deviation**2, prepared)
    entries = int(np.asarray(prepared.mask).sum())
    history = Iterations.by_likelihood(
        np.zeros(0), "converged", time.perf_counter() - began, entries
    )
    return Trained(TrainResult(model, history), following)


def _joined(
    naive: NaiveModel, variance: Float[np.ndarray, " obs"], prepared: Sequences
) -> LinearGaussian | LinearContinuous:
    """The model of all columns, each with its variance."""
    obs = len(variance)
    block = lambda matrix: np.kron(np.eye(obs), matrix)  # noqa: E731
    Q = np.kron(np.diag(variance), np.diag(naive.noisy))
    C, R = block(np.eye(naive.states)[:1]), naive.observed * np.diag(variance)
    if prepared.dt is None:
        return LinearGaussian.create(block(naive.A), C, Q, R, initial="diffuse")
    assert naive.F is not None  # refused by the check of the method
    return LinearContinuous.create(
        block(naive.F), C, Q, R, initial="diffuse", interval=prepared.interval or 1.0
    )


def _squared_errors(
    prepared: Sequences, naive: NaiveModel
) -> tuple[Float[np.ndarray, "batch obs"], Float[np.ndarray, "batch obs"]]:
    """Sums of squared errors of each series and column, and their degrees of freedom."""
    if naive.lag == 0:
        seen = np.asarray(prepared.mask)
        values = np.where(seen, np.asarray(prepared.values, np.float64), 0.0)
        count = seen.sum(1).astype(float)
        mean = values.sum(1) / np.maximum(count, 1)
        return (np.where(seen, values - mean[:, None], 0.0) ** 2).sum(1), count - 1
    if not naive.drift:
        squares, number = squared_moves(prepared, np.asarray(prepared.lengths), naive.lag)
        return squares, number.astype(float)
    moved, elapsed = moves(prepared)
    used = np.isfinite(moved)
    moved, elapsed = np.where(used, moved, 0.0), np.where(used, elapsed, 0.0)
    slope = moved.sum(1) / np.maximum(elapsed.sum(1), 1e-300)
    error = moved - slope[:, None] * elapsed
    return (error**2 / np.where(used, elapsed, 1.0)).sum(1), used.sum(1) - 1.0


def _deviation(
    squares: Float[np.ndarray, "rows obs"], count: Float[np.ndarray, "rows obs"], data: Sequences
) -> Float[np.ndarray, "rows obs"]:
    """Root mean squares.

    Raises:
        RekalError: there is nothing to take the mean of, or it is zero.
    """
    bad = (count < 1) | (squares <= 0)
    if bad.any():
        name = data.names[int(np.argwhere(bad)[0, 1])]
        raise RekalError(
            f"the column '{name}' has too few values that differ for a naive forecast: two errors at least"
        )
    return np.sqrt(squares / count)
