"""The time column of a table: finding it, and reading numbers or dates from it."""

import re
import warnings

import numpy as np
import pandas as pd

from rekal.errors import RekalError
from rekal.sequences.columns import column_of, is_number_like, is_text, parsed
from rekal.sequences.units import stem_of

_WORDS = (
    "t time times date dates datetime date_time timestamp timestamps time_stamp year month day hour"
)
_NAMES = frozenset(_WORDS.split())
_AFFIX = re.compile(r"^(t|time|date)_|_(date|time|timestamp|datetime)$")
_COUNTERS = frozenset(["", "rownames", "row", "row_names", "rowname", "index", "idx", "no", "step"])


def is_counter(column: pd.Series) -> bool:
    """True for a running number of rows: unnamed or called so, and growing by 1."""
    name = str(column.name).strip().lower()
    if name not in _COUNTERS and not name.startswith("unnamed:"):
        return False
    values, _ = parsed(column)
    return len(values) > 1 and bool(np.all(np.diff(values) == 1))


def find(frame: pd.DataFrame, candidates: list[str]) -> str | None:
    """The column that most likely holds the time.

    A column called t, time, date, year, timestamp and the like counts if it mostly rises, so
    that a wrong order is noticed later and not taken for data; one that only begins or ends
    so (`t_s` is plain t with a unit, `t_start` is not) must rise throughout. Then the first
    column of dates counts, then an unnamed first column that rises throughout.

    Args:
        frame: the table.
        candidates: the columns that may be it.

    Returns:
        Its name, or None.
    """
    for name in candidates:
        called = stem_of(str(name)).strip().lower()
        exactly = called in _NAMES
        if (exactly or _AFFIX.search(called)) and _rises(
            column_of(frame, name), strictly=not exactly
        ):
            return name
    for name in candidates:
        if _is_dates(column_of(frame, name)):
            return name
    first = candidates[0] if candidates else ""
    if str(first).startswith("Unnamed:") and _rises(column_of(frame, first), strictly=True):
        return first
    return None


def read(column: pd.Series, where: str) -> np.ndarray | pd.DatetimeIndex:
    """Read time stamps.

    Args:
        column: numbers, dates or text of either.
        where: the file, for messages.

    Returns:
        Numbers (time,), NaN = missing; or dates without time zone (those with one as UTC).

    Raises:
        RekalError: a cell is neither number nor date, or empty among dates.
    """
    values, text = parsed(column)
    if not text.any() and not pd.api.types.is_datetime64_any_dtype(column):
        return values
    dates = _dates(column)
    bad = np.flatnonzero(dates.isna())
    if len(bad):
        row = int(bad[0])
        raise RekalError(
            f"{where}: row {row + 1} of the time column '{column.name}' holds "
            f"'{column.iloc[row]}', which is neither a number nor a date."
        )
    return dates


def _dates(column: pd.Series) -> pd.DatetimeIndex:
    """Dates, NaT where there is none; day first where only that reads and rises."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.DatetimeIndex(column.dt.to_timestamp())
    if pd.api.types.is_datetime64_any_dtype(column):
        dates = pd.DatetimeIndex(column)
        return dates if dates.tz is None else dates.tz_convert("UTC").tz_localize(None)
    readings = []
    for day_first in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stamps = pd.to_datetime(column, errors="coerce", dayfirst=day_first, utc=True)
        readings.append(pd.DatetimeIndex(stamps).tz_localize(None))
    usual, day_first = readings
    better = (day_first.isna().sum(), not day_first.is_monotonic_increasing)
    return day_first if better < (usual.isna().sum(), not usual.is_monotonic_increasing) else usual


def _is_dates(column: pd.Series) -> bool:
    """True for dates, and for text of which every cell reads as a date with its numbers."""
    if pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype):
        return True
    if is_number_like(column) or not is_text(column):
        return False
    digits = column.astype("string").str.count(r"\d")
    return bool((digits >= 4).fillna(False).all()) and not _dates(column).isna().any()


def _rises(column: pd.Series, strictly: bool) -> bool:
    """True if the stamps rise throughout, or mostly rise or fall (a time axis gone wrong)."""
    if _is_dates(column):
        return True
    values, text = parsed(column)
    if text.any():
        return not strictly and not is_text(column)
    steps = np.diff(values)
    if strictly:
        return len(steps) > 0 and bool(np.all(steps > 0))
    return len(steps) == 0 or bool(
        np.all(steps >= 0) or np.mean(steps > 0) >= 0.8 or np.mean(steps < 0) >= 0.8
    )
