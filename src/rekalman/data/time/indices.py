"""The index of a frame: where it carries something, it becomes a column."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from rekalman.data.time.sampling import regular_grid
from rekalman.foundation.errors import RekalError

_PLACES = ("time", "index", "the index")
"""What the column of an index without a name is called: the first of these that is free."""


def with_index(
    frame: pd.DataFrame, source: str, timed: Callable[[], bool], irregular: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make a column of an index that carries something: dates, time spans, numbers, text, or a name.

    The default index 0, 1, 2, ... carries nothing. Other numbers without a name are time stamps where they
    rise from row to row, whole ones where they also lie on a regular grid, as they do after rows were cut off
    or taken out: other whole numbers are those of a data base.

    Args:
        frame: the frame.
        source: what messages call it.
        timed: whether another column holds the time, so that numbers of an index without a name do not.
        irregular: stamps need not lie on a grid.

    Returns:
        The frame with the default index, and notes on what was assumed.

    Raises:
        RekalError: a column and the index have the same name.
    """
    index = frame.index
    if any(name is not None for name in index.names):
        twice = next((name for name in index.names if name in frame.columns), None)
        if twice is not None:
            raise RekalError(
                f"{source}: the index and a column are both called '{twice}'; rename one of them."
            )
        return frame.reset_index(), ()
    bare = frame.reset_index(drop=True)
    if isinstance(index, pd.MultiIndex):
        return bare, ("The levels of the index have no names and were ignored.",)
    if index.equals(bare.index):
        return bare, ()
    if pd.api.types.is_numeric_dtype(index):
        if timed():
            return bare, ()
        if not _are_stamps(index, irregular):
            shown = ", ".join(str(value) for value in index[:3])
            note = f"The index ({shown}, ...) is no regular time axis and was ignored."
            return bare, (note,)
    name = next(place for place in _PLACES if place not in frame.columns)
    bare.insert(0, name, index)
    return bare, ()


def _are_stamps(index: pd.Index, irregular: bool) -> bool:
    """Whether the numbers of an index rise and, whole ones, lie on a regular grid."""
    if not (index.is_monotonic_increasing and index.is_unique):
        return False
    if irregular or pd.api.types.is_float_dtype(index):
        return True
    try:
        regular_grid(index.to_numpy(float), "the index")
    except RekalError:
        return False
    return True
