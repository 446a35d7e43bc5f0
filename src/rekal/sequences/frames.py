"""Data frames as sequences: which column is what, series apart, stamps on a regular grid."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import pandas as pd

from rekal.errors import RekalError
from rekal.sequences import columns as cells
from rekal.sequences import timecolumn
from rekal.sequences.calendar import to_numbers
from rekal.sequences.checks import check_learnable
from rekal.sequences.container import Sequences
from rekal.sequences.options import ReadOptions
from rekal.sequences.sampling import common_interval, regular_grid, steps_between
from rekal.sequences.units import time_unit_of


@dataclass(frozen=True)
class Roles:
    """Which column of a table is what."""

    observed: list[str]
    inputs: list[str]
    targets: list[str]
    series: str | None
    time: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """One series of a table: its name, rows as the user counts them, stamps, columns."""

    label: str
    source: str
    rows: np.ndarray
    stamps: np.ndarray | pd.DatetimeIndex | None
    arrays: dict[str, np.ndarray]


def read_frames(
    frames: pd.DataFrame | Sequence[pd.DataFrame],
    sources: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    **how: Unpack[ReadOptions],
) -> Sequences:
    """Make sequences of data frames.

    Args:
        frames: one frame, or a list with a frame for each series.
        sources: what messages call each frame, such as its file.
        labels: what the series are called, one for each frame; default 1, 2, ...
        **how: which column is what.

    Returns:
        The sequences; `notes` say what was assumed.

    Raises:
        RekalError: what cannot be read, with row (1 is the first after the header) and column.
    """
    tables = [frames] if isinstance(frames, pd.DataFrame) else list(frames)
    if not tables:
        raise RekalError("There is no table to read.")
    count = len(tables)
    if sources is None:
        sources = [f"table {i + 1}" for i in range(count)] if count > 1 else ["the table"]
    where = how.get("where") or (sources[0] if count == 1 else f"{sources[0]} and others")
    sources = [where] if count == 1 else sources
    tables = [_with_index(table) for table in tables]
    for table, source in zip(tables, sources, strict=True):
        if len(table) == 0 or len(table.columns) == 0:
            raise RekalError(f"{source}: there are no rows in it.")
        if not table.columns.is_unique:
            twice = table.columns[table.columns.duplicated()][0]
            raise RekalError(f"{source}: two columns are called '{twice}'.")
    roles = assign_roles(tables[0], sources[0], how)
    pieces = []
    for i, (table, source) in enumerate(zip(tables, sources, strict=True)):
        label = labels[i] if labels else str(i + 1)
        pieces += split_series(table, roles, source, label, count > 1)
    return _join(pieces, roles, where, how)


def assign_roles(table: pd.DataFrame, where: str, how: ReadOptions) -> Roles:
    """Decide which column is what, by what was asked and by names and content.

    Raises:
        RekalError: a column that was asked for is not there, one is asked for twice, or no
            numeric column is left to observe.
    """
    names = list(table.columns)
    notes: list[str] = []
    inputs = [cells.known(names, name, where) for name in how.get("inputs") or ()]
    targets = [cells.known(names, name, where) for name in how.get("targets") or ()]
    asked = how.get("columns")
    observed = [cells.known(names, name, where) for name in asked or ()]
    series, time = how.get("series"), how.get("time")
    special = [cells.known(names, name, where) for name in (series, time) if name is not None]
    taken = [*inputs, *targets, *observed, *special]
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice is not None:
        raise RekalError(f"{where}: column '{twice}' was asked for twice.")
    free = [name for name in names if name not in taken]
    if series is not None:
        key = cells.column_of(table, series)
        table = table.loc[key == key.iloc[0]]
    counters = [name for name in free if timecolumn.is_counter(cells.column_of(table, name))]
    free = [name for name in free if name not in counters]
    if time is None and (time := timecolumn.find(table, free)) is not None:
        free.remove(time)
        notes.append(f"Column '{time}' was taken as time.")
    if asked is None:
        text = [name for name in free if cells.is_text(cells.column_of(table, name))]
        observed = [name for name in free if name not in text]
        ignored = [(name, "counts rows") for name in counters] + [(n, "holds text") for n in text]
        notes += [f"Column '{name}' {what} and was ignored." for name, what in ignored]
    if not observed:
        raise RekalError(f"{where}: there is no numeric column to learn from.")
    return Roles(observed, inputs, targets, series, time, tuple(notes))


def split_series(
    table: pd.DataFrame, roles: Roles, where: str, label: str, several: bool
) -> list[Piece]:
    """Read the columns of one table as numbers and take its series apart."""
    wanted = [*roles.observed, *roles.inputs, *roles.targets]
    for name in [*wanted, *(n for n in (roles.time, roles.series) if n is not None)]:
        cells.known(list(table.columns), name, where)
    arrays = {name: cells.numbers(cells.column_of(table, name), where) for name in wanted}
    for name in roles.inputs:
        if np.isnan(arrays[name]).any():
            row = int(np.argmax(np.isnan(arrays[name]))) + 1
            raise RekalError(
                f"{where}: row {row} of the input column '{name}' is missing; observations may be "
                "missing but inputs may not, so fill them first."
            )
    stamps = (
        None if roles.time is None else timecolumn.read(cells.column_of(table, roles.time), where)
    )
    groups = {label: np.arange(len(table))}
    if roles.series is not None:
        keys = cells.column_of(table, roles.series)
        if keys.isna().any():
            row = int(np.argmax(keys.isna().to_numpy())) + 1
            raise RekalError(f"{where}: row {row} of the series column '{keys.name}' is missing.")
        found = table.groupby(roles.series, sort=False).indices
        prefix = f"{label}/" if several else ""
        groups = {f"{prefix}{key}": found[key] for key in keys.unique()}
    return [
        Piece(
            name,
            where if roles.series is None else f"{where}, series '{name}'",
            rows + 1,
            None if stamps is None else stamps[rows],
            {key: array[rows] for key, array in arrays.items()},
        )
        for name, rows in groups.items()
    ]


def _join(pieces: list[Piece], roles: Roles, where: str, how: ReadOptions) -> Sequences:
    """Put the series on one time axis and into one container."""
    unit, origin, kind, times = None, None, "step", None
    irregular = how.get("irregular", False)
    if roles.time is not None:
        stamps = [piece.stamps for piece in pieces]
        if all(isinstance(stamp, pd.DatetimeIndex) for stamp in stamps):
            times, unit, first = to_numbers([pd.DatetimeIndex(stamp) for stamp in stamps])
            kind, origin = "date", first.isoformat()
        elif any(isinstance(stamp, pd.DatetimeIndex) for stamp in stamps):
            raise RekalError(f"{where}: some tables have dates as time and others numbers.")
        else:
            times, unit, kind = [np.asarray(s) for s in stamps], time_unit_of(roles.time), "number"
        intervals = []
        for piece, time in zip(pieces, times, strict=True):
            details = (time, piece.source, piece.stamps, piece.rows.tolist())
            if irregular:
                steps_between(*details)
            else:
                intervals.append(regular_grid(*details, unit).interval)
        if not irregular:
            common_interval(intervals, [piece.label for piece in pieces], where)
    elif irregular:
        raise RekalError(f"{where}: irregular sampling needs a time column.")

    def stacked(names: list[str]) -> list[np.ndarray] | None:
        return [np.stack([p.arrays[n] for n in names], -1) for p in pieces] if names else None

    given = how.get("units") or {}
    sequences = Sequences.from_arrays(
        stacked(roles.observed),
        inputs=stacked(roles.inputs),
        targets=stacked(roles.targets),
        times=times,
        irregular=irregular,
        names=[str(name) for name in roles.observed],
        input_names=[str(name) for name in roles.inputs] or None,
        series_names=[piece.label for piece in pieces],
        time_name=None if roles.time is None else str(roles.time),
        time_unit=unit,
    )
    units = tuple(
        given.get(name, unit) for name, unit in zip(sequences.names, sequences.units, strict=True)
    )
    sequences = dataclasses.replace(
        sequences,
        units=units,
        time_kind=kind,
        time_origin=origin,
        notes=(*roles.notes, *sequences.notes),
    )
    if how.get("learnable", True):
        check_learnable(sequences, where)
    return sequences


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """Make columns of an index that carries something: dates, or a name."""
    index = table.index
    dated = isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)
    named = any(name is not None for name in index.names)
    if not dated and not named:
        return table.reset_index(drop=True)
    if not named:
        table = table.rename_axis("time")
    return table.reset_index()
