"""Frames that were handed over as arrays are: values, inputs and targets apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from rekalman.data.numeric import tabular
from rekalman.data.tables.foreign import converted
from rekalman.data.tables.frames import read_frames
from rekalman.data.tables.table import Table
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

_UNNAMED = {"values": "y", "inputs": "u", "targets": "target"}
"""What a series of pandas without a name is called."""


def read_loose(
    make: Callable[..., Sequences],
    values: Any,
    inputs: Any,
    targets: Any,
    irregular: bool,
    described: Mapping[str, Any],
) -> Sequences:
    """Sequences of frames that were handed over as arrays are: values, inputs and targets apart.

    Args:
        make: makes them, `Sequences.from_arrays`.
        values: one frame or a list of frames.
        inputs: frames with the same index, or None.
        targets: likewise.
        irregular: as for `read_frames`.
        described: other arguments of `Sequences.from_arrays`, None where they were not given.

    Raises:
        RekalError: inputs or targets that are no frames or have another index or the same names; another
            argument is given, which frames bring themselves.
    """
    for name, value in described.items():
        if value is not None:
            raise RekalError(
                f"values are a frame, which brings its names and time stamps: leave out {name}, or give "
                "values.to_numpy()."
            )
    whole = values if isinstance(values, list | tuple) else [values]
    first = converted(whole[0])
    frames, roles = [_frame(item, "values") for item in whole], {}
    for what, more in (("inputs", inputs), ("targets", targets)):
        if more is None:
            continue
        given = more if isinstance(more, list | tuple) else [more]
        if len(given) != len(frames):
            raise RekalError(f"{what} are {len(given)} frames, but values are {len(frames)}.")
        added = [_frame(item, what) for item in given]
        for i, (frame, new) in enumerate(zip(frames, added, strict=True)):
            if not frame.index.equals(new.index):
                raise RekalError(f"{what} and values must have the same index, row by row.")
            twice = [name for name in new.columns if name in frame.columns]
            if twice:
                raise RekalError(f"values and {what} both have a column '{twice[0]}'.")
            frames[i] = pd.concat([frame, new], axis=1)
        roles[what] = [str(name) for name in added[0].columns]
    library, days = ("pandas", frozenset()) if first is None else (first.library, first.days)
    tables = [Table(frame, library=library, days=days) for frame in frames]
    return read_frames(
        make,
        tables if isinstance(values, list | tuple) else tables[0],
        irregular=irregular,
        learnable=False,
        where="values",
        **roles,
    )


def _frame(item: Any, what: str) -> pd.DataFrame:
    table = tabular(item)
    if table is None:
        raise RekalError(f"values are frames, so {what} must be frames, too, with the same index.")
    if isinstance(table, pd.DataFrame):
        return table
    return table.to_frame(_UNNAMED[what] if table.name is None else table.name)
