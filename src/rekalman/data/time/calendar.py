"""Dates as numbers on a scale on which calendar-regular dates are regular.

Months have 28 to 31 days and business days have weekends between them; counted in months,
years or business days, such dates are regular all the same. In a time zone a day has 23 to 25
hours: days and longer units follow the clock on the wall, hours and shorter ones the time that
goes by.
"""

import datetime
from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from rekalman.foundation.errors import RekalError

_SECONDS = {"day": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_MONTHS = {"month": 1, "year": 12, "business month": 1}


def to_numbers(dates: Sequence[pd.DatetimeIndex]) -> tuple[list[np.ndarray], str, pd.Timestamp]:
    """Count dates from the earliest one, in the unit that suits them.

    Args:
        dates: dates of each series without NaT, all of them without time zone or all in the same.

    Returns:
        Numbers of each series; their unit: "year", "month", "business month" (the first or the last
        business day of each), "business day", or the largest of
        "day", "h", "min", "s", "ms", "us" in which the median step is a whole number, or
        at least 1 (in a time zone "day" only where all dates have the same time of day);
        and the date that is zero, in the time zone of the dates.
    """
    everything = pd.DatetimeIndex(dates[0].append(list(dates[1:])))
    origin = cast(pd.Timestamp, everything.min())
    if everything.tz is None:
        return *_count(dates, everything, origin, days=True), origin
    local = pd.DatetimeIndex(everything.tz_localize(None))
    if _same_clock(local) and _localised(local, everything.tz).equals(everything):
        walls = [pd.DatetimeIndex(each.tz_localize(None)) for each in dates]
        numbers, unit = _count(walls, local, origin.tz_localize(None), days=True)
        if unit == "day" or unit not in _SECONDS:
            return numbers, unit, origin
    return *_count(dates, everything, origin, days=False), origin


def _count(
    dates: Sequence[pd.DatetimeIndex],
    everything: pd.DatetimeIndex,
    origin: pd.Timestamp,
    days: bool,
) -> tuple[list[np.ndarray], str]:
    """Numbers of each series and their unit, which is longer than an hour only where `days` says so."""
    steps = np.concatenate(
        [np.abs(_seconds(d[1:], origin) - _seconds(d[:-1], origin)) for d in dates]
    )
    interval = float(np.median(steps)) if len(steps) else 1.0
    same_place = interval >= 27.5 * 86400 and _same_place_in_month(everything)
    if days and (same_place or (interval >= 27.5 * 86400 and _business_months(everything))):
        months = [np.asarray(12 * (d.year - origin.year) + d.month - origin.month) for d in dates]
        if not same_place:
            return [m.astype(float) for m in months], "business month"
        whole_years = all(np.all(m % 12 == 0) for m in months)
        per, unit = (12, "year") if whole_years else (1, "month")
        return [m.astype(float) / per for m in months], unit
    if days and interval == 86400 and _business_days(everything):
        start = origin.to_datetime64().astype("datetime64[D]")
        counts = [np.busday_count(start, d.values.astype("datetime64[D]")) for d in dates]
        return [c.astype(float) for c in counts], "business day"
    unit = _unit(interval, days)
    return [_seconds(d, origin) / _SECONDS[unit] for d in dates], unit


def to_dates(
    numbers: np.ndarray, unit: str, origin: pd.Timestamp, zone: str | None = None
) -> pd.DatetimeIndex:
    """The dates that `to_numbers` counted, and others on the same scale.

    Args:
        numbers: counts from `origin`, shape (time,).
        unit: a unit that `to_numbers` returns.
        origin: the date that is zero; with an offset from UTC where there is a time zone.
        zone: name of the time zone, or None.

    Returns:
        Dates to the microsecond, in the time zone; month ends stay month ends. A time of day that a change
        of the clocks leaves out is the first one after it, one that it brings twice is the first.
    """
    if zone is None:
        return _dates(numbers, unit, origin)
    origin = origin.tz_convert(zone)
    if unit == "day" or unit not in _SECONDS:
        return _localised(_dates(numbers, unit, origin.tz_localize(None)), origin.tz)
    return pd.DatetimeIndex(_dates(numbers, unit, origin.tz_convert("UTC")).tz_convert(zone))


def zone_of(dates: pd.DatetimeIndex) -> str | None:
    """The name of the time zone of dates, by which pandas finds it again; None = there is none.

    Raises:
        RekalError: it has no such name.
    """
    if dates.tz is None:
        return None
    offset = dates.tz.utcoffset(None)
    fixed = None if offset is None else str(datetime.timezone(offset))
    for name in (str(dates.tz), fixed):
        try:
            if name is not None and dates.tz_convert(name).tz_localize(None).equals(
                dates.tz_localize(None)
            ):
                return name
        except (KeyError, ValueError, TypeError, OSError):
            continue
    raise RekalError(
        f"the time zone {dates.tz!r} has no name that can be kept: convert to one with a name, such as "
        "Europe/Berlin or UTC."
    )


def _dates(numbers: np.ndarray, unit: str, origin: pd.Timestamp) -> pd.DatetimeIndex:
    if unit in _MONTHS:
        months = np.round(numbers * _MONTHS[unit]).astype(int)
        if unit == "business month":
            return _in_business_months(origin, months)
        dates = pd.DatetimeIndex([origin + pd.DateOffset(months=int(m)) for m in months])
        if origin.is_month_end and origin.day > 27:
            dates = dates + pd.offsets.MonthEnd(0)
        return dates
    if unit == "business day":
        clock = origin - origin.normalize()
        start = origin.to_datetime64().astype("datetime64[D]")
        days = np.busday_offset(start, np.round(numbers).astype(int), roll="forward")
        return pd.DatetimeIndex(days) + clock
    microseconds = np.round(numbers * (_SECONDS[unit] * 1e6)).astype(np.int64)
    return pd.DatetimeIndex(origin + pd.to_timedelta(microseconds, unit="us"))


def _localised(local: pd.DatetimeIndex, zone: datetime.tzinfo | None) -> pd.DatetimeIndex:
    """Times on the wall clock as times in a zone."""
    first = np.ones(len(local), bool)
    return pd.DatetimeIndex(local.tz_localize(zone, ambiguous=first, nonexistent="shift_forward"))


def _seconds(dates: pd.DatetimeIndex, origin: pd.Timestamp) -> np.ndarray:
    return np.asarray((dates - origin) / pd.Timedelta(seconds=1), dtype=float)


def _same_place_in_month(dates: pd.DatetimeIndex) -> bool:
    """All on the same day of the month (or all on its last) at the same time of day."""
    same_day = bool((dates.day == dates.day[0]).all()) or bool(dates.is_month_end.all())
    return same_day and _same_clock(dates)


def _business_days(dates: pd.DatetimeIndex) -> bool:
    """Over a week of dates, none on a weekend, all at the same time of day."""
    long_enough = np.ptp(dates.to_numpy()) > np.timedelta64(7, "D")
    return bool(long_enough and (dates.day_of_week < 5).all() and _same_clock(dates))


def _business_months(dates: pd.DatetimeIndex) -> bool:
    """All on the first business day of a month, or all on the last one, at the same time of day."""
    first, last = _ends_of_months(dates.to_numpy().astype("datetime64[M]"))
    days = dates.to_numpy().astype("datetime64[D]")
    return bool(((days == first).all() or (days == last).all()) and _same_clock(dates))


def _in_business_months(origin: pd.Timestamp, months: np.ndarray) -> pd.DatetimeIndex:
    """The first or the last business day, which `origin` is, of months counted from its own."""
    start = np.array([origin.to_datetime64()]).astype("datetime64[M]")
    at_end = origin.normalize() == pd.Timestamp(_ends_of_months(start)[1][0])
    first, last = _ends_of_months(start + months)
    return pd.DatetimeIndex(last if at_end else first) + (origin - origin.normalize())


def _ends_of_months(months: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last business day of months."""
    first = np.busday_offset(months.astype("datetime64[D]"), 0, roll="forward")
    return first, np.busday_offset((months + 1).astype("datetime64[D]"), -1, roll="forward")


def _same_clock(dates: pd.DatetimeIndex) -> bool:
    """All at the same time of day."""
    clocks = dates - dates.normalize()
    return bool((clocks == clocks[0]).all())


def _unit(interval: float, days: bool) -> str:
    """The largest unit in which the interval is whole, or else at least 1; a day only where `days`."""
    units = {unit: size for unit, size in _SECONDS.items() if days or unit != "day"}
    large = [unit for unit, size in units.items() if interval >= 0.999 * size]
    for unit in large:
        ratio = interval / _SECONDS[unit]
        if abs(ratio - round(ratio)) < 1e-6 * ratio:
            return unit
    return large[0] if large else "us"
