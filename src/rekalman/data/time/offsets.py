"""Offsets from UTC in dates of text, such as 2024-01-01T00:00+02:00: which time zone is that?"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

_OFFSET = re.compile(
    r"\d(?::?\d{2})(?:[.,]\d+)?\s*(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2}))$"
)
"""A time of day with an offset at the end of a cell."""


@dataclass(frozen=True)
class Dates:
    """Dates read from text.

    Attributes:
        stamps: in their time zone if they have one; NaT where a cell holds no date.
        note: what was assumed: how day, month and year were told apart where the numbers leave it open, or
            what became of changing offsets from UTC; or None.
    """

    stamps: pd.DatetimeIndex
    note: str | None = None


def zoned(read: Dates, cells: list[str | None]) -> Dates:
    """Dates that were read as UTC, in the time zone that their cells say.

    Offsets that change, as between summer and winter, name no time zone: then dates at one time of day are
    dates of the local calendar, and others times in UTC.

    Args:
        read: dates without time zone; those of cells with an offset are in UTC.
        cells: what they were read from.
    """
    filled = np.array([cell is not None for cell in cells]) & ~np.asarray(read.stamps.isna())
    offsets = [_minutes(cell) for cell in cells]
    given = [offset for offset, there in zip(offsets, filled, strict=True) if there]
    if not given or all(offset is None for offset in given):
        return read
    note = read.note
    if None in given:
        note = _joined(
            note, "holds times with and without an offset from UTC; those without were taken as UTC"
        )
    known = {offset or 0 for offset in given}
    if len(known) == 1:
        return Dates(read.stamps.tz_localize("UTC").tz_convert(_name(known.pop())), note)
    shifts = pd.to_timedelta([offset or 0 for offset in offsets], unit="min")
    local = pd.DatetimeIndex(read.stamps + shifts)
    there = local[filled]
    clocks = there - there.normalize()
    steps = np.abs(np.diff(there.to_numpy()))
    if bool((clocks == clocks[0]).all()) and np.median(steps) >= np.timedelta64(1, "D"):
        return Dates(
            local,
            _joined(
                note, "holds changing offsets from UTC, which were left aside: its dates are local"
            ),
        )
    return Dates(
        read.stamps.tz_localize("UTC"),
        _joined(note, "holds changing offsets from UTC and was read in UTC"),
    )


def _minutes(cell: str | None) -> int | None:
    """The offset of a cell in minutes, or None."""
    timed = cell is not None and (":" in cell or "T" in cell)
    match = _OFFSET.search(cell) if cell is not None and timed else None
    if match is None:
        return None
    if match["utc"]:
        return 0
    return int(match["sign"] + "1") * (60 * int(match["hours"]) + int(match["minutes"]))


def _name(minutes: int) -> str:
    if minutes == 0:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _joined(note: str | None, more: str) -> str:
    return more if note is None else f"{note}, and {more}"
