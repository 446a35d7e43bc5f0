"""Data frames as sequences: which column is what, series apart, stamps on a regular grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from rekalman.data.checks import check_learnable
from rekalman.data.tables.intake import table_of
from rekalman.data.tables.kind import FrameKind
from rekalman.data.tables.options import ReadOptions, as_names, check_options
from rekalman.data.tables.pieces import Piece, shared_axis, split_series
from rekalman.data.tables.roles import Roles, assign_roles
from rekalman.data.tables.table import Table
from rekalman.data.time import timecolumn
from rekalman.data.units import same_unit, unit_of
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences


def read_frames(
    make: Callable[..., Sequences],
    frames: Any,
    sources: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    **options: Unpack[ReadOptions],
) -> Sequences:
    """Make sequences of data frames.

    Args:
        make: makes them, `Sequences.from_arrays`.
        frames: one frame or series of any library or `Table`, or a list with one for each series.
        sources: what messages call each frame, such as its file.
        labels: what the series are called, one for each frame; default 1, 2, ...
        **options: which column is what.

    Returns:
        The sequences; `notes` say what was assumed.

    Raises:
        RekalError: what cannot be read, with row (1 is the first after the header) and column.
        TypeError: an argument that there is not.
    """
    check_options(options)
    options = as_names(options)
    single = not isinstance(frames, list | tuple)
    given: list[Any] = [frames] if single else list(frames)
    if not given:
        raise RekalError("There is no table to read.")
    count = len(given)
    if sources is None:
        sources = [f"table {i + 1}" for i in range(count)] if count > 1 else ["the table"]
    where = options.get("where") or (sources[0] if count == 1 else f"{sources[0]} and others")
    sources = [where] if count == 1 else sources
    tables = [table_of(item, source, options) for item, source in zip(given, sources, strict=True)]
    roles = assign_roles(tables[0], options)
    pieces, notes = [], []
    for i, table in enumerate(tables):
        label = labels[i] if labels else str(i + 1)
        more, remarks = split_series(table, roles, label, count > 1, options.get("date_format"))
        pieces += more
        prefix = "" if single or count == 1 else f"{table.source}: "
        notes += [prefix + note for note in (*table.notes, *remarks)]
    units = _units(tables[0], roles, options.get("units") or {})
    roles = dataclasses.replace(roles, notes=(*notes, *roles.notes))
    sequences = _join(make, pieces, roles, where, units, options)
    return dataclasses.replace(sequences, frame_kind=_kind(tables, roles))


def _kind(tables: Sequence[Table], roles: Roles) -> FrameKind:
    """What kind of table the first one is; the others are taken to be alike."""
    first = tables[0]
    series = None if roles.series is None else first.column(roles.series).cells.dtype
    whole = len(tables) == 1 and series is not None and pd.api.types.is_integer_dtype(series)
    return FrameKind(
        library=first.library,
        series=roles.series,
        series_type=str(series) if whole else None,
        time_type=None if roles.time is None else timecolumn.type_of(first, roles.time),
    )


def _units(table: Table, roles: Roles, asked: Mapping[str, str | None]) -> dict[str, str | None]:
    """The units of columns: as asked for, as the cells carry, or as a line of the file gives.

    Raises:
        RekalError: the cells of a column carry another unit than its name.
    """
    cells = {name: table.column(name).numbers.unit for name in (*roles.observed, *roles.inputs)}
    carried = {name: unit for name, unit in cells.items() if unit is not None}
    for name, unit in carried.items():
        said = table.units.get(name) or unit_of(name)
        if name not in asked and said is not None and not same_unit(said, unit):
            raise RekalError(
                f"{table.source}: the cells of column '{name}' are in '{unit}', but the column is said to be "
                f"in '{said}'; make them one, or give units={{'{name}': '{unit}'}}."
            )
    return {**table.units, **carried, **asked}


def _join(
    make: Callable[..., Sequences],
    pieces: list[Piece],
    roles: Roles,
    where: str,
    units: Mapping[str, str | None],
    options: ReadOptions,
) -> Sequences:
    """Put the series on one time axis and into one container."""
    irregular = options.get("irregular", False)
    axis = shared_axis(pieces, roles.time, where, units, irregular)

    def stacked(names: list[str]) -> list[np.ndarray] | None:
        return [np.stack([p.arrays[n] for n in names], -1) for p in pieces] if names else None

    sequences = make(
        stacked(roles.observed),
        inputs=stacked(roles.inputs),
        targets=stacked(roles.targets),
        times=None if axis is None else axis.times,
        irregular=irregular,
        names=[str(name) for name in roles.observed],
        input_names=[str(name) for name in roles.inputs] or None,
        series_names=[piece.label for piece in pieces],
        time_name=None if roles.time is None else str(roles.time),
        time_unit=None if axis is None else axis.unit,
    )
    named = zip(sequences.names, sequences.units, strict=True)
    sequences = dataclasses.replace(
        sequences,
        units=tuple(units.get(name, unit) for name, unit in named),
        notes=(*roles.notes, *sequences.notes),
    )
    if axis is not None:
        clock = {"time_kind": axis.kind, "time_origin": axis.origin, "time_zone": axis.zone}
        sequences = dataclasses.replace(sequences, **clock, notes=(*sequences.notes, *axis.notes))
    if options.get("learnable", True):
        check_learnable(sequences, where)
    return sequences
