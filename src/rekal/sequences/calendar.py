"""Dates as numbers on a scale on which calendar-regular dates are regular.

Months have 28 to 31 days and business days have weekends between them; counted in months,
years or business days, such dates are regular all the same.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_SECONDS = {"day": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_MONTHS = {"month": 1, "year": 12}


def to_numbers(dates: Sequence[pd.DatetimeIndex]) -> tuple[list[np.ndarray], str, pd.Timestamp]:
    """Count dates from the earliest one, in the unit that suits them.

    Args:
        dates: dates of each series, without time zone and without NaT.

    Returns:
        Numbers of each series; their unit: "year", "month", "business day", or the largest of
        "day", "h", "min", "s", "ms", "us" in which the median step is a whole number, or
        at least 1; and the date that is zero.
    """
    everything = pd.DatetimeIndex(dates[0].append(list(dates[1:])))
    origin = everything.min()
    assert isinstance(origin, pd.Timestamp)
    steps = np.concatenate(
        [np.abs(_seconds(d[1:], origin) - _seconds(d[:-1], origin)) for d in dates]
    )
    interval = float(np.median(steps)) if len(steps) else 1.0
    if interval >= 27.5 * 86400 and _same_place_in_month(everything):
        months = [np.asarray(12 * (d.year - origin.year) + d.month - origin.month) for d in dates]
        whole_years = all(np.all(m % 12 == 0) for m in months)
        per, unit = (12, "year") if whole_years else (1, "month")
        return [m.astype(float) / per for m in months], unit, origin
    if interval == 86400 and _business_days(everything):
        start = origin.to_datetime64().astype("datetime64[D]")
        counts = [np.busday_count(start, d.values.astype("datetime64[D]")) for d in dates]
        return [c.astype(float) for c in counts], "business day", origin
    unit = _unit(interval)
    return [_seconds(d, origin) / _SECONDS[unit] for d in dates], unit, origin


def to_dates(numbers: np.ndarray, unit: str, origin: pd.Timestamp) -> pd.DatetimeIndex:
    """The dates that `to_numbers` counted, and others on the same scale.

    Args:
        numbers: counts from `origin`, shape (time,).
        unit: a unit that `to_numbers` returns.
        origin: the date that is zero.

    Returns:
        Dates to the microsecond; month ends stay month ends.
    """
    if unit in _MONTHS:
        months = np.round(numbers * _MONTHS[unit]).astype(int)
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


def _seconds(dates: pd.DatetimeIndex, origin: pd.Timestamp) -> np.ndarray:
    return np.asarray((dates - origin) / pd.Timedelta(seconds=1), dtype=float)


def _same_place_in_month(dates: pd.DatetimeIndex) -> bool:
    """All on the same day of the month (or all on its last) at the same time of day."""
    clocks = dates - dates.normalize()
    same_day = bool((dates.day == dates.day[0]).all()) or bool(dates.is_month_end.all())
    return same_day and bool((clocks == clocks[0]).all())


def _business_days(dates: pd.DatetimeIndex) -> bool:
    """Over a week of dates, none on a weekend, all at the same time of day."""
    clocks = dates - dates.normalize()
    long_enough = np.ptp(dates.to_numpy()) > np.timedelta64(7, "D")
    return bool(long_enough and (dates.day_of_week < 5).all() and (clocks == clocks[0]).all())


def _unit(interval: float) -> str:
    """The largest unit in which the interval is whole, or else at least 1."""
    large = [unit for unit, size in _SECONDS.items() if interval >= 0.999 * size]
    for unit in large:
        ratio = interval / _SECONDS[unit]
        if abs(ratio - round(ratio)) < 1e-6 * ratio:
            return unit
    return large[0] if large else "us"
