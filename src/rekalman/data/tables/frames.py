"""Data frames as sequences: which column is what, series apart, stamps on a regular grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from rekalman.data.checks import check_learnable
from rekalman.data.tables.columns import known
from rekalman.data.tables.intake import table_of
from rekalman.data.tables.kind import FrameKind
from rekalman.data.tables.options import ReadOptions, as_names, check_options
from rekalman.data.tables.roles import Roles, assign_roles
from rekalman.data.tables.table import Table
from rekalman.data.time import timecolumn
from rekalman.data.time.sampling import common_interval, regular_grid, steps_between
from rekalman.data.time.timeaxis import axis_of
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences


@dataclass(frozen=True)
class Piece:
    """One series of a table: its name, rows as the user counts them, stamps and their unit, columns."""

    label: str
    source: str
    rows: np.ndarray
    stamps: np.ndarray | pd.DatetimeIndex | None
    time_unit: str | None
    arrays: dict[str, np.ndarray]


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
    units = {**tables[0].units, **_cell_units(tables[0], roles), **(options.get("units") or {})}
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


def split_series(
    table: Table, roles: Roles, label: str, several: bool, date_format: str | None = None
) -> tuple[list[Piece], list[str]]:
    """Read the columns of one table as numbers and take its series apart.

    Returns:
        The series, and notes on what was assumed of their cells.
    """
    where = table.source
    wanted = [*roles.observed, *roles.inputs, *roles.targets]
    special = [name for name in (roles.time, roles.series) if name is not None]
    present = set(table.names)
    for name in [*wanted, *special]:
        if name not in present:
            known(table.names, name, where)
    arrays = {name: table.column(name).checked(where) for name in wanted}
    assumed = [(name, table.column(name).numbers.note) for name in wanted]
    notes = [f"Column '{name}' {note}." for name, note in assumed if note is not None]
    for name in roles.inputs:
        if np.isnan(arrays[name]).any():
            row = int(np.argmax(np.isnan(arrays[name]))) + 1
            raise RekalError(
                f"{where}: row {row} of the input column '{name}' is missing; observations may be "
                "missing but inputs may not, so fill them first."
            )
    stamps = None if roles.time is None else timecolumn.read(table, roles.time, date_format)
    if stamps is not None and stamps.note is not None:
        notes.append(stamps.note)
    groups = {label: np.arange(len(table.frame))}
    if roles.series is not None:
        keys = table.column(roles.series).cells
        if keys.isna().any():
            row = int(np.argmax(keys.isna().to_numpy())) + 1
            raise RekalError(f"{where}: row {row} of the series column '{keys.name}' is missing.")
        if table.column(roles.series).content == "lists or records":
            raise RekalError(f"{where}: the series column '{keys.name}' holds lists or records.")
        indices = table.frame.groupby(roles.series, sort=False).indices
        prefix = f"{label}/" if several else ""
        groups = {f"{prefix}{key}": indices[key] for key in keys.unique()}
    pieces = [
        Piece(
            name,
            where if roles.series is None else f"{where}, series '{name}'",
            rows + 1,
            None if stamps is None else stamps.values[rows],
            None if stamps is None else stamps.unit,
            {key: array[rows] for key, array in arrays.items()},
        )
        for name, rows in groups.items()
    ]
    return pieces, notes


def _cell_units(table: Table, roles: Roles) -> dict[str, str]:
    """The units that cells of the observed columns carry."""
    units = {name: table.column(name).numbers.unit for name in roles.observed}
    return {name: unit for name, unit in units.items() if unit is not None}


def _join(
    make: Callable[..., Sequences],
    pieces: list[Piece],
    roles: Roles,
    where: str,
    units: Mapping[str, str | None],
    options: ReadOptions,
) -> Sequences:
    """Put the series on one time axis and into one container."""
    axis = None
    irregular = options.get("irregular", False)
    if roles.time is not None:
        unit = units.get(roles.time) or _one_unit(pieces, roles.time, where)
        stamps = [piece.stamps for piece in pieces if piece.stamps is not None]
        axis = axis_of(stamps, unit, where)
        intervals = []
        for piece, time in zip(pieces, axis.times, strict=True):
            details = (time, piece.source, piece.stamps, piece.rows.tolist())
            if irregular:
                steps_between(*details)
            else:
                intervals.append(regular_grid(*details, axis.unit).interval)
        if not irregular:
            common_interval(intervals, [piece.label for piece in pieces], where)
    elif irregular:
        raise RekalError(f"{where}: irregular sampling needs a time column.")

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


def _one_unit(pieces: list[Piece], column: str, where: str) -> str | None:
    """The unit of the time stamps of all series.

    Raises:
        RekalError: two series have different units.
    """
    first = pieces[0].time_unit
    other = next((piece for piece in pieces if piece.time_unit != first), None)
    if other is not None:
        raise RekalError(
            f"{where}: the time column '{column}' is in {other.time_unit or 'no unit'} in {other.source} and "
            f"in {first or 'no unit'} in {pieces[0].source}; give all series one unit."
        )
    return first
