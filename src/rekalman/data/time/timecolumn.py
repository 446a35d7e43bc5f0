"""The time column of a table: finding it, and reading numbers or dates from it."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rekalman.data.tables.columns import shortened
from rekalman.data.tables.table import Table
from rekalman.data.time import dates as text_dates
from rekalman.data.units import stem_of, time_unit_of
from rekalman.foundation.errors import RekalError

_WORDS = "t time times date dates ds datetime date_time timestamp timestamps time_stamp year month day hour"
_NAMES = frozenset(_WORDS.split())
_AFFIX = re.compile(r"^(t|time|date)_|_(date|time|timestamp|datetime)$")
_COUNTERS = frozenset(["", "rownames", "row", "row_names", "rowname", "index", "idx", "no", "step"])


@dataclass(frozen=True)
class Stamps:
    """The time stamps of a table.

    Attributes:
        values: numbers, NaN = missing, shape (time,); or dates, in their time zone if they have one.
        unit: the unit of numbers, where the column tells one.
        note: what was assumed of them, one sentence, or None.
    """

    values: np.ndarray | pd.DatetimeIndex
    unit: str | None = None
    note: str | None = None


def is_counter(table: Table, name: str) -> bool:
    """True for a running number of rows: unnamed or called so, and growing by 1."""
    called = str(name).strip().lower()
    if called not in _COUNTERS and not called.startswith("unnamed:"):
        return False
    values = table.column(name).numbers.values
    return len(values) > 1 and bool(np.all(np.diff(values) == 1))


def find(table: Table, candidates: Sequence[str]) -> str | None:
    """The column that most likely holds the time.

    A column called t, time, date, year, timestamp and the like counts if it mostly rises, so
    that a wrong order is noticed later and not taken for data; one that only begins or ends
    so (`t_s` is plain t with a unit, `t_start` is not) must rise throughout. Then the first
    column of dates counts, or of time spans that rise, then an unnamed first column that rises throughout.

    Args:
        table: the table.
        candidates: the columns that may be it.

    Returns:
        Its name, or None.
    """
    for name in candidates:
        called = stem_of(str(name)).strip().lower()
        exactly = called in _NAMES
        if (exactly or _AFFIX.search(called)) and _rises(table, name, strictly=not exactly):
            return name
    for name in candidates:
        spans = pd.api.types.is_timedelta64_dtype(table.column(name).cells)
        if holds_dates(table, name) or (spans and _rises(table, name, strictly=True)):
            return name
    first = candidates[0] if candidates else ""
    if str(first).startswith("Unnamed:") and _rises(table, first, strictly=True):
        return first
    return None


def read(table: Table, name: str, date_format: str | None = None) -> Stamps:
    """Read time stamps.

    Args:
        table: the table.
        name: the column.
        date_format: how dates are written, as for `datetime.strptime`; None = found out.

    Raises:
        RekalError: a cell is neither number nor date, or empty among dates; the format fits no cell.
    """
    column = table.column(name)
    if pd.api.types.is_timedelta64_dtype(column.cells):
        return Stamps(pd.TimedeltaIndex(column.cells).total_seconds().to_numpy(), "s")
    if _is_dated(column.cells):
        return Stamps(_as_index(column.cells))
    numbers = column.numbers
    if date_format is None and not numbers.wrong.any():
        compact = None
        if means_time(name) and not numbers.missing.any():
            compact = text_dates.compact_dates(numbers.values)
        if compact is not None:
            note = f"Column '{name}' holds numbers such as {numbers.values[0]:.0f}, which were read as dates."
            return Stamps(compact, note=note)
        return Stamps(numbers.values, time_unit_of(str(name)) or numbers.unit)
    cells = column.texts
    if date_format is None and text_dates.are_clock_times(cells):
        note = f"Column '{name}' holds times of day, which were counted in seconds since midnight."
        return Stamps(text_dates.clock_seconds(cells), "s", note)
    read_as = column.dates(date_format)
    mostly_numbers = date_format is None and numbers.wrong.sum() < 0.5 * (~numbers.missing).sum()
    bad = np.flatnonzero(numbers.wrong if mostly_numbers else read_as.stamps.isna())
    if len(bad):
        row = int(bad[0])
        cell = cells[row]
        holds = "is empty" if cell is None else f"holds '{shortened(cell)}'"
        kind = (
            "a number nor a date" if date_format is None else f"empty nor a date like {date_format}"
        )
        raise RekalError(
            f"{table.source}: row {row + 1} of the time column '{name}' {holds}, which is neither {kind}."
        )
    return Stamps(
        read_as.stamps, note=None if read_as.note is None else f"Column '{name}' {read_as.note}."
    )


def means_time(name: str) -> bool:
    """Whether a column is called as time is: t, time, date, ds and so on, with a unit or without."""
    return stem_of(name).strip().lower() in _NAMES


def type_of(table: Table, name: str) -> str | None:
    """The type of time stamps, see `FrameKind.time_type`."""
    kind = table.column(name).cells.dtype
    if name in table.days:
        return "day"
    if isinstance(kind, pd.PeriodDtype):
        return str(kind)
    if pd.api.types.is_datetime64_any_dtype(kind):
        return f"datetime[{pd.DatetimeIndex(table.column(name).cells).unit}]"
    return None


def holds_dates(table: Table, name: str) -> bool:
    """True for dates, and for text of which most cells are dates, so that a wrong one is refused."""
    column = table.column(name)
    if _is_dated(column.cells):
        return True
    if not column.is_text or not text_dates.look_like_dates(column.texts):
        return False
    return bool(column.dates().stamps[~column.numbers.missing].notna().mean() > 0.5)


def _is_dated(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype)


def _as_index(column: pd.Series) -> pd.DatetimeIndex:
    if isinstance(column.dtype, pd.PeriodDtype):
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # periods of business days, which are read all the same
            return pd.DatetimeIndex(column.dt.to_timestamp())
    return pd.DatetimeIndex(column)


def _rises(table: Table, name: str, strictly: bool) -> bool:
    """True if the stamps rise throughout, or mostly rise or fall (a time axis gone wrong)."""
    if holds_dates(table, name):
        return True
    column = table.column(name)
    if pd.api.types.is_timedelta64_dtype(column.cells):
        return column.cells.is_monotonic_increasing and column.cells.is_unique
    if column.numbers.wrong.any():
        return text_dates.are_clock_times(column.texts) or not (strictly or column.is_text)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(column.numbers.values)
    if strictly:
        return len(steps) > 0 and bool(np.all(steps > 0))
    return len(steps) == 0 or bool(
        np.all(steps >= 0) or np.mean(steps > 0) >= 0.8 or np.mean(steps < 0) >= 0.8
    )
