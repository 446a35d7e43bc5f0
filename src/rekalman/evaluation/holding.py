r"""What predicting each value by the last one is worth: the baseline that any model must beat.

A random walk seen without noise, `y_t = y_s + e`, `e ~ N(0, (t - s) sigma^2)`, `s` being the step of the last
value of the column (times instead of steps for irregular series). Its one parameter, the variance of a step,
is that of the data themselves: of each series and column its own, so that a series that hardly moves is not
judged by one that moves a lot. A series with fewer than ten moves takes the variance of all series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rekalman.data import AnyArray, Sequences


def last_seen(mask: Bool[np.ndarray, "batch steps obs"]) -> np.ndarray:
    """Step of the last value of each column up to each step, same shape; -1 where there is none."""
    steps = np.arange(mask.shape[1])[None, :, None]
    return np.maximum.accumulate(np.where(mask, steps, -1), 1)


def seen_before(mask: Bool[np.ndarray, "batch steps obs"]) -> np.ndarray:
    """Step of the last value of each column before each step, same shape; -1 where there is none."""
    last = last_seen(mask)
    return np.concatenate([np.full_like(last[:, :1], -1), last[:, :-1]], 1)


def clock_of(data: Sequences) -> Float[np.ndarray, "batch steps"]:
    """Number of each step, or its time in irregular series."""
    if data.dt is not None:
        return np.cumsum(np.asarray(data.dt, np.float64), 1)
    return np.broadcast_to(np.arange(data.steps, dtype=np.float64), (data.batch, data.steps))


def moves(data: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """What each value differs from the last one of its column, and how long ago that was.

    Returns:
        Differences `(batch, steps, obs)`, NaN where there is no value or none before it; elapsed steps, or
        time for irregular series, same shape.
    """
    mask, values = np.asarray(data.mask), np.asarray(data.values)
    before = seen_before(mask)
    known = mask & (before >= 0)
    place = np.maximum(before, 0)
    clock = np.broadcast_to(clock_of(data)[..., None], values.shape)
    moved = values - np.take_along_axis(values, place, 1)
    elapsed = clock - np.take_along_axis(clock, place, 1)
    return np.where(known, moved, np.nan), np.where(known, elapsed, np.nan)


FEWEST = 10
"""Moves of a series from which it has a variance of its own."""


class Scores(NamedTuple):
    """Average log scores in nats per value, over the steps that holding the last value predicts, too.

    Attributes:
        score: of the predictions; None where there is no such step.
        hold_score: of holding the last value; None also where a column never moves.
        hold_error: standard error of the difference, by the steps.
    """

    score: float | None = None
    hold_score: float | None = None
    hold_error: float | None = None


def scores(
    data: Sequences,
    log_evidence: Float[AnyArray, "batch steps"],
    judged: Bool[np.ndarray, "batch steps obs"],
) -> Scores:
    """Log score of one-step predictions beside that of holding the last value.

    The steps are those at which every observed value is judged and has one before it.

    Args:
        data: the series.
        log_evidence: log predictive densities of the steps.
        judged: which entries have a predictive density.
    """
    moved, elapsed = moves(data)
    seen = np.asarray(data.mask)
    usable = seen & judged & np.isfinite(moved)
    whole = (usable == seen).all(-1) & seen.any(-1)
    usable &= whole[..., None]
    count = int(usable.sum())
    if not count:
        return Scores()
    moved, elapsed = np.where(usable, moved, 0.0), np.where(usable, elapsed, 1.0)
    variance = _variances(moved, elapsed, usable)
    own = np.asarray(log_evidence, float)[whole]
    if (variance <= 0).any():
        return Scores(float(own.sum() / count))
    spread = elapsed * variance[:, None]
    density = -0.5 * (np.log(2 * np.pi * spread) + moved**2 / spread)
    held = np.where(usable, density, 0.0).sum(-1)[whole]
    error = np.std(held - own) * np.sqrt(len(own)) / count
    return Scores(float(own.sum() / count), float(held.sum() / count), float(error))


def _variances(moved: np.ndarray, elapsed: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Variance of a step of each series and column `(batch, obs)`; 1 where there is no move."""
    squares, each = (moved**2 / elapsed).sum(1), usable.sum(1)
    pooled, total = squares.sum(0), each.sum(0)
    few = each < FEWEST
    squares, number = np.where(few, pooled, squares), np.where(few, total, each)
    return np.where(each > 0, squares / np.maximum(number, 1), 1.0)
