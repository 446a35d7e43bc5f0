"""Which column of a table is what: by what was asked, by names and by content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from rekalman.data.tables.columns import known
from rekalman.data.tables.options import ReadOptions
from rekalman.data.tables.table import Table
from rekalman.data.time import timecolumn
from rekalman.foundation.errors import RekalError

USUAL_SERIES = ("unique_id", "series_id", "item_id", "series")
"""What the column that tells several series apart is called in long tables."""


@dataclass(frozen=True)
class Roles:
    """Which column of a table is what."""

    observed: list[str]
    inputs: list[str]
    targets: list[str]
    series: str | None
    time: str | None
    notes: tuple[str, ...]


def assign_roles(table: Table, options: ReadOptions) -> Roles:
    """Decide which column is what, by what was asked and by names and content.

    Raises:
        RekalError: a column that was asked for is not there, one is asked for twice, or no
            numeric column is left to observe.
    """
    names, where = table.names, table.source
    notes: list[str] = []
    inputs = [known(names, name, where) for name in options.get("inputs") or ()]
    targets = [known(names, name, where) for name in options.get("targets") or ()]
    asked = options.get("columns")
    observed = [known(names, name, where) for name in asked or ()]
    series, time = options.get("series"), options.get("time")
    if series is None and (series := _series_of(table, options)) is not None:
        notes.append(f"Column '{series}' was taken to tell the series apart.")
    special = [known(names, name, where) for name in (series, time) if name is not None]
    taken = [*inputs, *targets, *observed, *special]
    twice = next((name for name, count in Counter(taken).items() if count > 1), None)
    if twice is not None:
        raise RekalError(f"{where}: column '{twice}' was asked for twice.")
    used = set(taken)
    free = [name for name in names if name not in used]
    if series is not None:
        key = table.column(series).cells
        table = table.rows(key == key.iloc[0])
    counters = {name for name in free if timecolumn.is_counter(table, name)}
    free = [name for name in free if name not in counters]
    if time is None and (time := time_of(table, free, options)) is not None:
        free.remove(time)
        notes.append(f"Column '{time}' was taken as time.")
    if asked is None:
        content = {name: table.column(name).content for name in free if table.column(name).is_text}
        observed = [name for name in free if name not in content]
        ignored = [(name, "counts rows") for name in names if name in counters]
        ignored += [
            (name, f"holds {what}{_such_as(table, name)}") for name, what in content.items()
        ]
        notes += [f"Column '{name}' {what} and was ignored." for name, what in ignored]
    if not observed:
        unread = [(name, place) for name in free if (place := table.column(name).unread)]
        cells = [f"; row {row} of column '{name}' holds '{cell}'" for name, (row, cell) in unread]
        raise RekalError(f"{where}: there is no numeric column to learn from{''.join(cells[:1])}.")
    return Roles(observed, inputs, targets, series, time, tuple(notes))


def time_of(table: Table, free: list[str], options: ReadOptions) -> str | None:
    """The column of time stamps among some, where nobody said which: the usual one, or one found out."""
    usual = options.get("default_time")
    return usual if usual in free else timecolumn.find(table, free)


def _such_as(table: Table, name: str) -> str:
    """The first cell of a column of text where it nearly is a number, for a note, or nothing."""
    unread = table.column(name).unread
    return "" if unread is None else f" such as '{unread[1]}'"


def _series_of(table: Table, options: ReadOptions) -> str | None:
    """The column that tells several series apart, where nobody said which.

    It is the one that the layout of the table says, or one that is called as in long tables and holds names
    or whole numbers that are there more than once.
    """
    asked = [options.get("time")]
    asked += [name for role in ("columns", "inputs", "targets") for name in options.get(role) or ()]
    free = [name for name in table.names if name not in asked]
    if table.series in free:
        return table.series
    usual = options.get("default_series")
    for name in USUAL_SERIES if usual is None else (usual, *USUAL_SERIES):
        called = next((each for each in free if each == name or each.lower() == name), None)
        cells = None if called is None else table.column(called).cells
        if cells is None or _are_measured(cells, called == "series"):
            continue
        if name == usual or cells.duplicated().any():
            return called
    return None


def _are_measured(cells: pd.Series, any_number: bool) -> bool:
    """Whether cells are numbers that count nothing: fractions, or all floating-point ones."""
    if not pd.api.types.is_float_dtype(cells):
        return False
    return any_number or bool((cells.dropna() % 1 != 0).any())
