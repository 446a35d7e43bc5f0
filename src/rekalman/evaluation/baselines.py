r"""Naive forecasts: the last value, and the last value of the same season, held for any number of steps.

A random walk of lag `L` seen without noise, `y_t = y_{t-L} + e_t`, `e_t ~ N(0, s^2)`. From origin `t` and `h`
steps ahead its forecast is the value `m L` steps before the target, `m = ceil(h / L)`, with variance
`m s^2`; `L = 1` holds the last value, and where that is missing the one before it, with one `s^2` more for
each step back. For irregular series times stand in for steps. `s^2` is the mean square of the moves in the
part of a series that may be learned from (Hyndman and Athanasopoulos 2021, Forecasting, 5.2 and 5.5).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rekalman.data import AnyArray, Sequences
from rekalman.evaluation.holding import clock_of, last_seen, moves


class Naive(NamedTuple):
    """Forecasts of a naive method, NaN where it makes none.

    Attributes:
        mean: `(origins, horizons, obs)` in the unit of the data.
        var: their variances.
    """

    mean: Float[np.ndarray, "origins horizons obs"]
    var: Float[np.ndarray, "origins horizons obs"]


def naive_forecasts(
    data: Sequences,
    series: Int[AnyArray, " origins"],
    origins: Int[AnyArray, " origins"],
    horizons: tuple[int, ...],
    learned: Int[AnyArray, " batch"],
    lag: int = 1,
) -> Naive:
    """Forecast from some steps of some series.

    Args:
        data: the series.
        series: which series each forecast belongs to, counted from 0.
        origins: step after whose observation each is made, counted from 0.
        horizons: steps ahead.
        learned: number of first steps of each series that its variance is learned from.
        lag: steps of a season; 1 holds the last value. Other lags need equal steps.

    Returns:
        The forecasts; NaN beyond the end of a series, where there is no value to hold, and of columns that
        never move where they are learned from.
    """
    mask, values = np.asarray(data.mask), np.asarray(data.values, np.float64)
    steps, clock = data.steps, clock_of(data)
    variance = move_variance(data, learned, lag)
    series, origins = np.asarray(series), np.asarray(origins)
    ahead = np.array(horizons)
    target = origins[:, None] + ahead
    inside = target < np.asarray(data.lengths)[series][:, None]
    row = np.broadcast_to(series[:, None], target.shape)
    target = np.minimum(target, steps - 1)
    if lag == 1:
        source = last_seen(mask)[series, origins][:, None]  # (origins, 1, obs)
        source = np.broadcast_to(source, (*target.shape, values.shape[2]))
    else:
        back = target - lag * -(-ahead // lag)
        source = np.broadcast_to(back[..., None], (*target.shape, values.shape[2]))
    known = (source >= 0) & inside[..., None]
    column = np.arange(values.shape[2])
    at = row[..., None], np.maximum(source, 0), column
    known &= mask[at] & (variance > 0)[series][:, None]
    elapsed = clock[row, target][..., None] - clock[row[..., None], np.maximum(source, 0)]
    spread = elapsed / lag * np.nan_to_num(variance)[series][:, None]
    return Naive(np.where(known, values[at], np.nan), np.where(known, spread, np.nan))


def move_variance(
    data: Sequences, learned: Int[AnyArray, " batch"], lag: int = 1
) -> Float[np.ndarray, "batch obs"]:
    """Mean square of the moves of each series and column, by elapsed time and lag; NaN without a move.

    Args:
        data: the series.
        learned: number of first steps of each series that count.
        lag: steps of a season; 1 is from one value to the next.
    """
    squares, count = squared_moves(data, learned, lag)
    with np.errstate(invalid="ignore", divide="ignore"):
        return squares / count


def squared_moves(
    data: Sequences, learned: Int[AnyArray, " batch"], lag: int = 1
) -> tuple[Float[np.ndarray, "batch obs"], Int[np.ndarray, "batch obs"]]:
    """Sums of the squared moves of each series and column, by elapsed time and lag, and how many they are.

    Args:
        data: the series.
        learned: number of first steps of each series that count.
        lag: steps of a season; 1 is from one value to the next.
    """
    moved, elapsed = lagged_moves(data, learned, lag)
    used = np.isfinite(moved)
    squares = np.where(used, moved**2 / np.where(used, elapsed, 1.0), 0.0)
    return squares.sum(1), used.sum(1)


def lagged_moves(
    data: Sequences, learned: Int[AnyArray, " batch"], lag: int = 1
) -> tuple[Float[np.ndarray, "batch steps obs"], Float[np.ndarray, "batch steps obs"]]:
    """What each value differs from the one a season before it, or from the last one of its column.

    Args:
        data: the series.
        learned: number of first steps of each series that count.
        lag: steps of a season; 1 is from one value to the next, however long that took.

    Returns:
        Differences, NaN where there is none; elapsed steps, or time for irregular series, in lags.
    """
    if lag == 1:
        moved, elapsed = moves(data)
    else:
        values = np.where(np.asarray(data.mask), np.asarray(data.values, np.float64), np.nan)
        moved, elapsed = np.full(values.shape, np.nan), np.ones(values.shape)
        moved[:, lag:] = values[:, lag:] - values[:, :-lag]
    used = np.isfinite(moved) & (np.nan_to_num(elapsed) > 0)
    used &= (np.arange(data.steps) < np.asarray(learned)[:, None])[..., None]
    return np.where(used, moved, np.nan), elapsed
