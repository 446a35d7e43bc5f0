"""The series of a table: rows apart, columns as numbers, and the time axis that they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rekalman.data.tables.columns import known
from rekalman.data.tables.roles import Roles
from rekalman.data.tables.table import Table
from rekalman.data.time import sampling, timecolumn
from rekalman.data.time.clocks import DAY, SECONDS
from rekalman.data.time.timeaxis import TimeAxis, axis_of
from rekalman.foundation.errors import RekalError


@dataclass(frozen=True)
class Piece:
    """One series of a table: its name, rows as the user counts them, stamps and their unit, columns."""

    label: str
    source: str
    rows: np.ndarray
    stamps: np.ndarray | pd.DatetimeIndex | None
    time_unit: str | None
    arrays: dict[str, np.ndarray]


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
        indices = table.frame.groupby(roles.series, sort=False, observed=True).indices
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


def shared_axis(
    pieces: list[Piece],
    column: str | None,
    where: str,
    units: Mapping[str, str | None],
    irregular: bool,
) -> TimeAxis | None:
    """The stamps of all series on one axis.

    Args:
        pieces: the series.
        column: the time column, or None.
        where: what messages begin with.
        units: units of columns by name, as far as they are known.
        irregular: any stamps will do that increase.

    Returns:
        The axis, with a note where dates are not in equal steps; None without a time column.

    Raises:
        RekalError: stamps that repeat, go backwards or are on no regular grid, series that are sampled at
            different intervals, or irregular sampling without a time column.
    """
    if column is None:
        if irregular:
            raise RekalError(f"{where}: irregular sampling needs a time column.")
        return None
    unit = units.get(column) or _one_unit(pieces, column, where)
    stamps = [piece.stamps for piece in pieces if piece.stamps is not None]
    axis = axis_of(stamps, unit, where)
    intervals, usual, notes = [], [], []
    for piece, time in zip(pieces, axis.times, strict=True):
        details = (time, piece.source, piece.stamps, piece.rows.tolist())
        if irregular:
            sampling.steps_between(*details)
            continue
        interval = sampling.regular_grid(*details, axis.unit).interval
        intervals.append(interval)
        usual.append("" if interval is None else sampling.usual_step(time, interval, piece.stamps))
        notes += _unequal(piece, time, interval, axis)
    if not irregular:
        labels = [piece.label for piece in pieces]
        sampling.common_interval(intervals, labels, where, axis.unit, usual)
    return dataclasses.replace(axis, notes=(*axis.notes, *notes[:1]))


def _unequal(piece: Piece, time: np.ndarray, interval: float | None, axis: TimeAxis) -> list[str]:
    """A note on dates of days or longer steps that are not in equal steps: those to come are only near."""
    long = interval is not None and interval * SECONDS.get(axis.unit or "", 0.0) >= 0.999 * DAY
    place = sampling.unequal_step(time, interval) if interval is not None and long else None
    if axis.kind != "date" or place is None or piece.stamps is None:
        return []
    step = f"{time[place + 1] - time[place]:.6g} {axis.unit}"
    return [
        f"The dates of series '{piece.label}' are in steps of {interval:g} {axis.unit}, but "
        f"{piece.stamps[place + 1]} is {step} after {piece.stamps[place]}; dates to come are counted in "
        "equal steps."
    ]


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
