"""What was handed over as a table: rows, columns of different names, and what an index carries."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from rekalman.data.tables.foreign import converted
from rekalman.data.tables.options import ReadOptions
from rekalman.data.tables.roles import time_of
from rekalman.data.tables.table import Table
from rekalman.data.time.indices import with_index
from rekalman.foundation.errors import RekalError


def table_of(item: Any, source: str, options: ReadOptions) -> Table:
    """A table that has rows and columns of different names.

    Args:
        item: a table of any library, or a `Table`.
        source: what messages call it.
        options: which column is what.

    Raises:
        RekalError: it is no table, or has no rows, or two columns of one name.
    """
    table = item if isinstance(item, Table) else _converted(item, source, options)
    frame = table.frame.set_axis([str(name) for name in table.frame.columns], axis=1)
    table = dataclasses.replace(table, frame=frame, _columns={})
    if len(frame) == 0 or len(frame.columns) == 0:
        raise RekalError(f"{source}: there are no rows in it.")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise RekalError(f"{source}: two columns are called '{twice}'.")

    def timed() -> bool:
        asked = options.get("time") is not None
        return asked or time_of(table, _free(table, options), options) is not None

    frame, notes = with_index(frame, source, timed, options.get("irregular", False))
    return dataclasses.replace(
        table, frame=frame, source=source, notes=(*table.notes, *notes), _columns={}
    )


def _converted(item: Any, source: str, options: ReadOptions) -> Table:
    given = converted(item, options.get("series"))
    if given is None:
        raise RekalError(
            f"{source} must be a frame of pandas, polars, Arrow or xarray, not a {type(item).__name__}."
        )
    frame = given.frame
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("y" if frame.name in (None, "") else frame.name)
    return Table(frame, library=given.library, days=given.days, series=given.series)


def _free(table: Table, options: ReadOptions) -> list[str]:
    """The columns that were not asked for as anything."""
    roles = (options.get(name) or () for name in ("columns", "inputs", "targets"))
    used = {options.get("series"), *(name for names in roles for name in names)}
    return [name for name in table.names if name not in used]
