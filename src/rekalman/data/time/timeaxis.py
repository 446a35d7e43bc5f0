"""Time stamps of several series as numbers with a unit, and what turns them into dates again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from rekalman.data.tables.table import Table
from rekalman.data.time import timecolumn
from rekalman.data.time.calendar import to_dates, to_numbers, zone_of
from rekalman.foundation.errors import RekalError


@dataclass(frozen=True)
class TimeAxis:
    """The clock of some series.

    Attributes:
        times: stamps of each series as numbers, shape (time,).
        unit: their unit, where it is known.
        kind: "number" or "date".
        origin: ISO date that is zero, with its offset from UTC where there is a time zone; None for numbers.
        zone: name of the time zone of dates, or None.
        notes: what was assumed, one sentence each.
        type: of the stamps that were given, see `FrameKind.time_type`.
    """

    times: list[np.ndarray]
    unit: str | None
    kind: str = "number"
    origin: str | None = None
    zone: str | None = None
    notes: tuple[str, ...] = ()
    type: str | None = None

    def written(self, numbers: np.ndarray) -> pd.Index:
        """Stamps as a person writes them."""
        return stamps_of(numbers, self.kind, self.unit, self.origin, self.zone)


def axis_of(
    stamps: Sequence[np.ndarray | pd.DatetimeIndex], unit: str | None, where: str
) -> TimeAxis:
    """Count the stamps of some series from one origin in one unit.

    Args:
        stamps: of each series, numbers or dates.
        unit: unit of numbers.
        where: what messages begin with.

    Raises:
        RekalError: some are dates and others numbers, or some have a time zone and others none.
    """
    dates = [each for each in stamps if isinstance(each, pd.DatetimeIndex)]
    if not dates:
        return TimeAxis([np.asarray(each) for each in stamps], unit)
    if len(dates) < len(stamps):
        raise RekalError(f"{where}: some tables have dates as time and others numbers.")
    try:
        zones = [zone_of(each) for each in dates]
    except RekalError as error:
        raise RekalError(f"{where}: {error}") from None
    if None in zones and any(zones):
        known = next(zone for zone in zones if zone)
        raise RekalError(
            f"{where}: some dates are in the time zone {known} and others have none; give all of them one "
            "(tz_localize), or none."
        )
    notes: tuple[str, ...] = ()
    if len(set(zones)) > 1:
        notes = (
            f"Dates in the time zones {', '.join(sorted(set(filter(None, zones))))} were read in UTC.",
        )
        dates, zones = [each.tz_convert("UTC") for each in dates], ["UTC"]
    numbers, unit, origin = to_numbers(dates)
    return TimeAxis(numbers, unit, "date", origin.isoformat(), zones[0], notes)


def read_times(times: Any, unit: str | None) -> TimeAxis | None:
    """Stamps of each series that are no plain numbers: dates, periods, time spans, dates as text.

    Args:
        times: the stamps of one series, `(batch, time)`, or a list with those of each series.
        unit: what was said of their unit.

    Returns:
        Their clock, time spans counted in seconds; None where `times` holds numbers.

    Raises:
        RekalError: a stamp is empty or no date; a unit is given, but dates and time spans have their own.
    """
    several = isinstance(times, list | tuple) and any(np.ndim(item) > 0 for item in times)
    several = several or getattr(times, "ndim", 1) == 2
    items = [pd.Series(item) for item in times] if several else [pd.Series(times)]
    if all(_are_numbers(item) for item in items):
        return None
    result, notes = [], []
    for item in items:
        item = item.reset_index(drop=True).rename("times")
        read = timecolumn.read(Table(item.to_frame(), "times"), "times")
        if isinstance(read.values, pd.DatetimeIndex) and read.values.hasnans:
            row = int(np.argmax(read.values.isna())) + 1
            raise RekalError(f"times: row {row} has no usable time stamp.")
        result.append(read.values)
        notes += [] if read.note is None or read.note in notes else [read.note]
    if unit is not None:
        raise RekalError(
            "times are dates or time spans, which bring their unit: leave out time_unit."
        )
    axis = axis_of(result, "s", "times")
    kind = timecolumn.type_of(Table(items[0].rename("times").to_frame()), "times")
    return dataclasses.replace(axis, notes=(*notes, *axis.notes), type=kind)


def stamps_of(
    numbers: np.ndarray, kind: str, unit: str | None, origin: str | None, zone: str | None
) -> pd.Index:
    """Time stamps as a person writes them: dates, numbers or step numbers.

    Raises:
        OverflowError: dates beyond the years that pandas knows.
        ValueError: likewise, or no such unit or zone.
    """
    if kind == "date":
        zero = cast(pd.Timestamp, pd.Timestamp(origin or 0))
        return to_dates(numbers, unit or "s", zero, zone)
    if np.all(numbers == np.round(numbers)) and np.all(np.abs(numbers) < 2.0**53):
        return pd.Index(numbers.astype(np.int64))
    return pd.Index(numbers)


def _are_numbers(item: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(item) or pd.api.types.is_bool_dtype(item)
    return bool(numeric) or pd.api.types.infer_dtype(item, skipna=True) in (
        *("floating", "integer", "mixed-integer-float", "decimal", "boolean", "empty", "complex"),
        *("bytes", "mixed", "mixed-integer"),
    )
