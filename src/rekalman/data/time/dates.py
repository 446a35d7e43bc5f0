"""Dates in cells of text, parsed a column at a time."""

import re
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from rekalman.data.time.offsets import Dates, zoned
from rekalman.foundation.errors import RekalError

_TIME = (
    r"(?P<gap>T|,?\s+)(?P<clock>\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>[.,]\d{1,9})?)?)"
    r"(?P<half>\s*[AaPp][Mm])?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)
_DATE = re.compile(
    r"(?P<a>\d{1,4})(?P<s1>[-/.])(?P<b>\d{1,2})(?:(?P<s2>[-/.])(?P<c>\d{1,4}))?" + rf"(?:{_TIME})?"
)
"""A date of numbers, with or without a time of day."""

_DIGITS = re.compile(r"\d\D?\d")
_WORDY = re.compile(
    r"(?i)(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-., ]*\d|\dQ[1-4]$|^\d{8}T\d{4}"
)
"""Dates with the name of a month, quarters of years, and ISO dates without dashes."""

_CLOCK = re.compile(r"[+-]?\d{1,4}:[0-5]\d(:[0-5]\d([.,]\d+)?)?")

_ORDERS = {"-": ("ymd", "dmy", "mdy"), "/": ("mdy", "dmy", "ymd"), ".": ("dmy", "mdy", "ymd")}
"""In which order day, month and year are likely, by what separates them."""

_LENGTHS = frozenset([(4, 1), (4, 2), (1, 4), (2, 4), (2, 2), (1, 2)])
"""Digits of the first and third number of a date."""

_SPOKEN = {"ymd": "year-month-day", "dmy": "day-month-year", "mdy": "month-day-year"}


def look_like_dates(cells: list[str | None]) -> bool:
    """Whether most of the cells, missing ones aside, have the shape of a date."""
    filled = [cell for cell in cells if cell is not None]
    few = filled[:: max(1, len(filled) // 50)]
    if not any(map(_DIGITS.search, few)):
        return False
    shaped = sum(_shape(cell) is not None for cell in few)
    if shaped > 0.5 * len(few):
        return True
    if sum(bool(_WORDY.search(cell)) for cell in few) < 0.5 * len(few):
        return False
    return bool(_by_pandas(pd.Series(few, dtype=object)).notna().mean() > 0.5)


def are_clock_times(cells: list[str | None]) -> bool:
    """Whether all cells are hours, minutes and maybe seconds, such as 12:30:05."""
    filled = [cell for cell in cells if cell is not None]
    return bool(filled) and all(_CLOCK.fullmatch(cell) for cell in filled)


def clock_seconds(cells: list[str | None]) -> np.ndarray:
    """Seconds since midnight of `12:30` and `12:30:05.5`, NaN for None, shape (time,)."""
    return np.array([np.nan if cell is None else _seconds(cell) for cell in cells])


def _seconds(cell: str) -> float:
    sign = -1.0 if cell.startswith("-") else 1.0
    hours, minutes, *rest = cell.lstrip("+-").replace(",", ".").split(":")
    return sign * (3600.0 * int(hours) + 60.0 * int(minutes) + (float(rest[0]) if rest else 0.0))


def read_dates(cells: list[str | None], date_format: str | None = None) -> Dates:
    """Read dates, in the time zone that their offsets from UTC say.

    Where the numbers leave open which is the day, that order of day, month and year is taken under
    which the dates rise, among these one under which they are regular, and among these the one that is
    common with that separator; the note says so.

    Args:
        cells: stripped text, None = missing.
        date_format: as for `datetime.strptime`, such as "%d/%m/%Y"; None = found out.
    """
    return zoned(_in_utc(cells, date_format), cells)


def _in_utc(cells: list[str | None], date_format: str | None) -> Dates:
    column = pd.Series(cells, dtype=object)
    if date_format is not None:
        return Dates(_index(_strptime(column, date_format)))
    shape = _usual_shape([cell for cell in cells if cell is not None])
    if shape is None:
        return _in_words(column)
    orders = _orders(shape)
    if len(orders) == 1:
        return Dates(_index(_by_shape(column, orders[0])))
    if len(cells) > 20_000:  # what a part of the cells rules out needs not be tried on all
        few = column.iloc[:: len(cells) // 5000]
        failed = {order: int(_by_shape(few, order).isna().sum()) for order in orders}
        orders = tuple(order for order in orders if failed[order] == min(failed.values()))
    readings = {order: _index(_by_shape(column, order)) for order in orders}
    fewest = min(int(stamps.isna().sum()) for stamps in readings.values())
    valid = [order for order in orders if int(readings[order].isna().sum()) == fewest]
    if len(valid) == 1:
        return Dates(readings[valid[0]])
    chosen = min(valid, key=lambda order: _implausible(readings[order]))
    cell = next(cell for cell in cells if cell)
    return Dates(readings[chosen], _noted(cell, _SPOKEN[chosen]))


def compact_dates(numbers: np.ndarray) -> pd.DatetimeIndex | None:
    """The dates of numbers such as 20240131, or None where one is no such date."""
    if len(numbers) == 0 or not np.all((numbers >= 18000101) & (numbers <= 22001231)):
        return None
    if np.any(numbers != np.round(numbers)):
        return None
    stamps = _strptime(pd.Series(numbers.astype(np.int64)).astype(str), "%Y%m%d")
    return None if stamps.isna().any() else _index(stamps)


def _implausible(stamps: pd.DatetimeIndex) -> tuple[bool, bool]:
    """Sorts readings: those that rise come first, among them those that are regular."""
    from rekalman.data.time.calendar import to_numbers

    stamps = stamps[stamps.notna()]
    if len(stamps) == 0:
        return True, True
    if not (stamps.is_monotonic_increasing and stamps.is_unique):
        return True, True
    steps = np.diff(to_numbers([stamps])[0][0])
    return False, bool(len(steps) and np.ptp(steps) > 0.5 * np.median(steps))


def _shape(cell: str) -> re.Match[str] | None:
    match = _DATE.fullmatch(cell.strip())
    if match is None:
        return None
    if match["c"] is None:  # 2020-01 is a month, 1.5 and 12/05 are something else
        return match if len(match["a"]) == 4 and match["s1"] != "." else None
    lengths = len(match["a"]), len(match["c"])
    return match if match["s1"] == match["s2"] and lengths in _LENGTHS else None


def _usual_shape(cells: list[str]) -> re.Match[str] | None:
    """A cell of the shape that most cells have, or None where that is no date of numbers."""
    few = [_shape(cell) for cell in cells[:: max(1, len(cells) // 200)]]
    shapes = [match for match in few if match is not None]
    if len(shapes) < 0.5 * len(few):
        return None
    forms = [(match["s1"], len(match["a"]) == 4, len(match["c"] or "")) for match in shapes]
    usual = Counter(forms).most_common(1)[0][0]
    return shapes[forms.index(usual)]


def _orders(shape: re.Match[str]) -> tuple[str, ...]:
    """The orders of day, month and year that a date may have, likely ones first."""
    if len(shape["a"]) == 4:
        return ("ymd",)
    orders = _ORDERS[shape["s1"]]
    return tuple(o for o in orders if o != "ymd") if len(shape["c"]) == 4 else orders


def _by_shape(column: pd.Series, order: str) -> pd.Series:
    """Parse by the shape of the cells: all of the first shape, then all of the next, and so on."""
    if order == "ymd" and _is_iso(column):
        stamps = _strptime(column, "ISO8601")
    else:
        stamps = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
    seen: set[str] = set()
    while (remaining := stamps.isna() & column.notna()).any():
        rest = pd.Series(column[remaining])
        shapes = (_shape(cell) for cell in rest.iloc[:1000])
        formats = (_format(shape, order) for shape in shapes if shape is not None)
        layout = next((one for one in formats if one not in seen), None)
        if layout is None:
            break
        seen.add(layout)
        stamps = stamps.fillna(_strptime(rest, layout))
    return stamps


def _is_iso(column: pd.Series) -> bool:
    """Whether the first cell is a date with dashes that begins with four digits."""
    cell = column.dropna().iloc[0]
    return bool(re.match(r"\d{4}-", cell))


def _format(shape: re.Match[str], order: str) -> str:
    """The format of a date of this shape, for `strptime`."""
    codes = {
        "d": "%d",
        "m": "%m",
        "y": "%Y" if 4 in (len(shape["a"]), len(shape["c"] or "")) else "%y",
    }
    text = shape["s1"].join(codes[part] for part in (order if shape["c"] else "ym"))
    if shape["clock"] is None:
        return text
    hours = "%I" if shape["half"] else "%H"
    text += shape["gap"] + hours + ":%M" + (":%S" if shape["seconds"] else "")
    text += shape["fraction"][0] + "%f" if shape["fraction"] else ""
    if shape["half"]:
        text += (" " if shape["half"][0].isspace() else "") + "%p"
    if shape["zone"]:
        spaced = shape[0][shape.start("zone") - 1].isspace()
        text += (" " if spaced else "") + ("%Z" if shape["zone"] == "UTC" else "%z")
    return text


def _strptime(column: pd.Series, layout: str) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pd.Series(pd.to_datetime(column, format=layout, errors="coerce", utc=True))
        except (ValueError, re.error):
            raise RekalError(f"'{layout}' is no format of dates; one is '%d/%m/%Y'.") from None


def _in_words(column: pd.Series) -> Dates:
    """Dates of any other form, such as 3 Jan 2020, or 3 1 2020 of which the order may be open."""
    first = {"month-day-year": False, "day-month-year": True}
    few = column.dropna().iloc[:: max(1, len(column) // 50)]
    if _by_pandas(few).equals(_by_pandas(few, day_first=True)):
        return Dates(_index(_by_pandas(column)))
    readings = {name: _index(_by_pandas(column, day_first=days)) for name, days in first.items()}
    fewest = min(int(stamps.isna().sum()) for stamps in readings.values())
    valid = [name for name in readings if int(readings[name].isna().sum()) == fewest]
    chosen = min(valid, key=lambda name: _implausible(readings[name]))
    return Dates(readings[chosen], _noted(str(few.iloc[0]), chosen) if len(valid) > 1 else None)


def _noted(cell: str, order: str) -> str:
    return (
        f"holds dates such as {cell}, which were read as {order}; say the format "
        "(date_format=, --date-format) if that is wrong"
    )


def _by_pandas(column: pd.Series, day_first: bool = False) -> pd.Series:
    """Dates as pandas reads them, where the order is open with the day or the month first."""
    options: dict[str, Any] = {"errors": "coerce", "utc": True, "dayfirst": day_first}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stamps = pd.Series(pd.to_datetime(column, **options))
        if stamps.isna().any() and column.nunique() <= 10_000:
            stamps = pd.Series(pd.to_datetime(column, **options, format="mixed"))
    return stamps


def _index(stamps: pd.Series) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(stamps).tz_convert("UTC").tz_localize(None)
