"""Frames and labelled rows where a model wants its own columns: matched by name, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rekalman.data.numeric import holds_tables, is_labelled, numeric_array, tabular
from rekalman.data.tables.table import Table
from rekalman.data.time import timecolumn
from rekalman.data.time.indices import with_index
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import nearest


@dataclass(frozen=True)
class Known:
    """What else than the wanted columns a frame may bring.

    Attributes:
        aside: columns that are left aside, such as observations beside inputs.
        time: the column of time stamps, or None.
        series: names of the series, by which a column that tells them apart is recognised.
    """

    aside: tuple[str, ...] = ()
    time: str | None = None
    series: tuple[str, ...] = ()


NOTHING = Known()


def ordered(data: Any, names: Sequence[str], what: str, known: Known = NOTHING) -> Any:
    """An array as it is, and a frame or a labelled row as numbers in the order of `names`.

    Args:
        data: an array of any kind, a frame or `Table` with a row for each step, a list with a frame for each
            series, or a series of pandas whose index holds the names.
        names: the columns that are wanted.
        what: what the data are called in messages.
        known: what else a frame may bring.

    Returns:
        What was given, or float64 `(time, names)`, `(series, time, names)` or `(names,)`.

    Raises:
        RekalError: a column is missing or unknown, a cell holds no number.
    """
    return with_stamps(data, names, what, known)[0]


def with_stamps(
    data: Any, names: Sequence[str], what: str, known: Known = NOTHING
) -> tuple[Any, list[Any]]:
    """See `ordered`; and the time stamps that frames bring, for each series in which there are any.

    Returns:
        The numbers, and `DatetimeIndex` or numbers `(time,)` for each series (one for all where one frame
        serves all), None where a frame brings no stamps.
    """
    if isinstance(data, list | tuple) and holds_tables(data):
        read = [with_stamps(item, names, f"{what}[{i}]", known) for i, item in enumerate(data)]
        return _stacked([np.asarray(rows) for rows, _ in read], what), [
            s for _, s in read for s in s
        ]
    if isinstance(data, Table):
        return _of_table(data, names, what, known)
    table = tabular(data)
    if isinstance(table, pd.Series) and is_labelled(table):
        _check_names([str(name) for name in table.index], names, what, known.aside, known.time)
        labelled = table.set_axis([str(name) for name in table.index])
        return numeric_array([labelled[name] for name in names], what), []
    if isinstance(table, pd.Series) and (
        len(names) != 1 or str(table.name) not in (names[0], "None")
    ):
        named = "without a name" if table.name is None else f"called '{table.name}'"
        raise RekalError(
            f"{what} are one column {named}, but {', '.join(map(repr, names))} are wanted: "
            "give a frame with these columns"
        )
    if table is None:
        return data, []
    frame = table.to_frame(names[0]) if isinstance(table, pd.Series) else table
    bare = with_index(frame, what, lambda: True)[0]
    return _of_table(Table(bare, what), names, what, known)


def _of_table(
    table: Table, names: Sequence[str], what: str, known: Known
) -> tuple[np.ndarray, list[Any]]:
    frame = table.frame.set_axis([str(name) for name in table.frame.columns], axis=1)
    table = Table(frame, table.source, table.decimal)
    if not table.frame.columns.is_unique:
        twice = table.frame.columns[table.frame.columns.duplicated()][0]
        raise RekalError(f"{what} have two columns called '{twice}'")
    free = [name for name in table.names if name not in names and name not in known.aside]
    key = next((name for name in free if _tells_series(table, name, known.series)), None)
    free = [name for name in free if name != key]
    dated = (name for name in free if timecolumn.holds_dates(table, name))
    time = known.time if known.time in free else next(dated, "time" if "time" in free else None)
    _check_names([*free, *(name for name in names if name in table.names)], names, what, (), time)
    values = np.stack([table.column(name).checked(table.source) for name in names], -1)
    stamps = None if time is None else timecolumn.read(table, time).values
    if key is None:
        return values, [stamps]
    cells = np.array([str(cell) for cell in table.column(key).cells])
    missing = [name for name in known.series if name not in set(cells)]
    if missing:
        raise RekalError(f"{what} have no row of the series '{missing[0]}' in the column '{key}'")
    rows = [np.flatnonzero(cells == name) for name in known.series]
    parts = _stacked([values[each] for each in rows], what)
    return parts, [None if stamps is None else stamps[each] for each in rows]


def _tells_series(table: Table, name: str, series: tuple[str, ...]) -> bool:
    """Whether all cells of a column are names of series."""
    cells = table.column(name).cells
    return bool(series) and len(cells) > 0 and {str(cell) for cell in cells} <= set(series)


def _check_names(
    result: Sequence[str], names: Sequence[str], what: str, aside: Sequence[str], time: str | None
) -> None:
    """Every name that is wanted is there, and none that nobody knows."""
    listed = ", ".join(f"'{name}'" for name in names)
    for name in names:
        if name not in result:
            others = [each for each in result if each not in names]
            close = nearest(name, others)
            meant = "" if close is None else f"; is '{close}' meant?"
            raise RekalError(f"{what} have no column '{name}'; wanted are {listed}{meant}")
    for name in result:
        if name not in names and name not in aside and name != time:
            raise RekalError(
                f"{what} have a column '{name}' that the model does not know; wanted are {listed}: "
                "leave it out"
            )


def _stacked(parts: list[np.ndarray], what: str) -> np.ndarray:
    """Rows of several series, which must be equally many."""
    lengths = [len(part) for part in parts]
    if len(set(lengths)) > 1:
        raise RekalError(
            f"{what} have {min(lengths)} rows for one series and {max(lengths)} for another: "
            "give equally many"
        )
    return np.stack(parts)
