"""Time stamps: are they regular, and where does each sample lie on the regular grid?

A filter steps once per sampling interval, so the stamps of a series must lie on a regular
grid. Jitter is harmless, a gap of several whole intervals becomes missing rows, and
anything else is refused with the row, the two stamps and what would be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError

JITTER = 0.25
"""A step may deviate from a whole number of intervals by this share of the interval."""

MOST_FILLED = 20
"""Gaps may add at most this many missing rows per row that is there."""


@dataclass(frozen=True)
class Grid:
    """Where the samples of one series lie on the regular grid.

    Attributes:
        rows: for each sample its row on the grid, beginning with 0, strictly increasing.
        interval: the sampling interval (median step), None for a single sample.
    """

    rows: np.ndarray
    interval: float | None

    @property
    def steps(self) -> int:
        """Number of rows of the grid, missing ones included."""
        return int(self.rows[-1]) + 1 if len(self.rows) else 0

    @property
    def missing(self) -> int:
        """Number of rows of the grid that hold no sample."""
        return self.steps - len(self.rows)


def typical(steps: np.ndarray) -> float:
    """The median step, to ten digits: stamps such as 0.1, 0.2, 0.3 differ by a bit less."""
    return float(f"{np.median(steps):.10g}")


def steps_between(
    times: np.ndarray,
    where: str,
    stamps: Any = None,
    numbers: Sequence[int] | None = None,
) -> np.ndarray:
    """The differences of consecutive stamps, all of them positive.

    Args:
        times: stamps as numbers, shape (time,).
        where: what the stamps belong to, the beginning of an error message.
        stamps: the stamps as they were written, for messages; default `times`.
        numbers: row numbers as the user counts them, for messages; default 1, 2, ...

    Returns:
        Differences, shape (time - 1,).

    Raises:
        RekalError: a stamp is missing, infinite, repeated or earlier than the one before, or
            the step between two is infinite.
    """
    stamps = times if stamps is None else stamps
    numbers = range(1, len(times) + 1) if numbers is None else numbers
    unusable = np.flatnonzero(~np.isfinite(times))
    if len(unusable):
        raise RekalError(f"{where}: row {numbers[unusable[0]]} has no usable time stamp.")
    with np.errstate(over="ignore"):
        differences = np.diff(times)
    unusable = np.flatnonzero(~np.isfinite(differences))
    if len(unusable):
        i = int(unusable[0])
        raise RekalError(
            f"{where}: the time stamps of rows {numbers[i]} and {numbers[i + 1]} ({stamps[i]} and "
            f"{stamps[i + 1]}) are too far apart for a number; count from another origin."
        )
    wrong = np.flatnonzero(differences <= 0)
    if len(wrong):
        i = int(wrong[0])
        same = np.flatnonzero(times[: i + 1] == times[i + 1])
        if len(same):
            raise RekalError(
                f"{where}: rows {numbers[same[0]]} and {numbers[i + 1]} have the same time stamp "
                f"({stamps[i + 1]}); leave one of them out, or name the column that separates several series."
            )
        raise RekalError(
            f"{where}: the time stamp of row {numbers[i + 1]} goes backwards "
            f"({stamps[i + 1]} after {stamps[i]}); stamps must increase from row to row, so sort "
            "the rows by time or name the column that separates several series."
        )
    return differences


def regular_grid(
    times: np.ndarray,
    where: str,
    stamps: Any = None,
    numbers: Sequence[int] | None = None,
    unit: str | None = None,
) -> Grid:
    """Place samples on a regular grid.

    Args:
        times: stamps as numbers, shape (time,).
        where: what the stamps belong to, the beginning of an error message.
        stamps: the stamps as they were written, for messages; default `times`.
        numbers: row numbers as the user counts them, for messages; default 1, 2, ...
        unit: unit of the numbers, for messages.

    Returns:
        The grid. A step within 25 % of the median step counts as one interval, a step
        within 25 % of an interval of k of them leaves k - 1 rows missing.

    Raises:
        RekalError: a stamp is missing, repeated, earlier than the one before, or not on
            any regular grid; or the gaps are far longer than the series.
    """
    stamps = times if stamps is None else stamps
    numbers = range(1, len(times) + 1) if numbers is None else numbers
    differences = steps_between(times, where, stamps, numbers)
    if len(differences) == 0:
        return Grid(np.zeros(len(times), int), None)
    interval = typical(differences)
    ratio = differences / interval
    whole = np.round(ratio)
    suffix = f" {unit}" if unit else ""
    off = np.flatnonzero((np.abs(ratio - whole) > JITTER) | (whole < 1))
    if len(off):
        i = int(off[0])
        raise RekalError(
            f"{where}: the time stamps are irregular at row {numbers[i + 1]} ({stamps[i + 1]} "
            f"after {stamps[i]}, a step of {differences[i]:.6g}{suffix}); every step must be the "
            f"sampling interval of {interval:.6g}{suffix} or a whole multiple of it, so resample "
            "the series first, or keep the steps as they are for a model in continuous time "
            "(irregular=True, --irregular)."
        )
    rows = np.concatenate([[0], np.cumsum(whole)])
    if rows[-1] + 1 - len(times) > MOST_FILLED * len(times):
        i = int(np.argmax(whole))
        raise RekalError(
            f"{where}: the gap before row {numbers[i + 1]} ({stamps[i + 1]} after {stamps[i]}) is "
            f"{whole[i]:.0f} sampling intervals of {interval:.6g}{suffix}, far longer than the "
            "series; make two series of it."
        )
    return Grid(rows.astype(int), interval)


def common_interval(
    intervals: Sequence[float | None],
    labels: Sequence[str],
    where: str,
    unit: str | None = None,
    steps: Sequence[str] | None = None,
) -> float:
    """The one sampling interval of several series.

    Args:
        intervals: interval of each series, None where a series has a single sample.
        labels: what each series is called, for messages.
        where: what the series belong to, the beginning of an error message.
        unit: unit of the intervals, for messages.
        steps: a step of each series, such as "2024-01-01 to 2024-01-08", for messages.

    Returns:
        The median of the intervals.

    Raises:
        RekalError: two series are sampled at different intervals (more than 5 % apart).
    """
    known = [i for i, value in enumerate(intervals) if value is not None]
    if not known:
        return 1.0
    values = np.array([intervals[i] for i in known], dtype=float)
    median = typical(values)
    off = np.flatnonzero(np.abs(values - median) > 0.05 * median)
    if len(off):
        other = int(np.argmax(np.abs(values - values[off[0]])))
        suffix = f" {unit}" if unit else ""
        one, two = (
            f"{intervals[i]:.6g}{suffix}" + (f" ({steps[i]})" if steps is not None else "")
            for i in (known[off[0]], known[other])
        )
        raise RekalError(
            f"{where}: series '{labels[known[off[0]]]}' has a sampling interval of {one} where series "
            f"'{labels[known[other]]}' has {two}; all series must share one, so resample them first."
        )
    return median


def usual_step(times: np.ndarray, interval: float, stamps: Any) -> str:
    """The two stamps of a step that is nearest to the sampling interval, for messages."""
    i = int(np.argmin(np.abs(np.diff(times) - interval)))
    return f"{stamps[i]} to {stamps[i + 1]}"


def unequal_step(times: np.ndarray, interval: float) -> int | None:
    """The step that is farthest from a whole number of sampling intervals, or None where all are equal.

    Args:
        times: stamps on a regular grid, jitter aside, shape (time,).
        interval: the sampling interval.

    Returns:
        The place of the stamp before it.
    """
    ratio = np.diff(times) / interval
    off = np.abs(ratio - np.round(ratio))
    return None if len(off) == 0 or off.max() < 1e-6 else int(np.argmax(off))
