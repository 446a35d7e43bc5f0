"""Ragged series side by side: padding to one length, and cutting pieces out again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rekalman.data.numeric import numeric_array
from rekalman.foundation.errors import RekalError


def as_series(data: Any, what: str) -> list[np.ndarray]:
    """Read one or several series as a list of (time, columns) float64 arrays.

    Args:
        data: a (time,) or (time, columns) array, a (batch, time, columns) array, or a list
            of (time,) or (time, columns) arrays of different lengths, each as `numeric_array`
            takes it.
        what: what the array is called, for messages.

    Returns:
        One (time, columns) array for each series; never a view of `data`.

    Raises:
        RekalError: not real numbers, nothing at all, a wrong number of axes, different widths.
    """
    several = isinstance(data, list | tuple) and any(getattr(item, "ndim", 0) > 0 for item in data)
    if several:
        items = [numeric_array(item, what) for item in data]
    else:
        whole = numeric_array(data, what)
        items = list(whole) if whole.ndim == 3 else [whole]
    if not items:
        raise RekalError(f"{what} holds no series.")
    items = [item[:, None] if item.ndim == 1 else item for item in items]
    for i, item in enumerate(items):
        if item.ndim != 2:
            raise RekalError(
                f"{what} must have the axes (time,), (time, columns) or (batch, time, columns), "
                f"and series {i} has {item.ndim} axes."
            )
        if item.size == 0:
            raise RekalError(
                f"{what} must not be empty, but series {i} has the shape {item.shape}."
            )
        if item.shape[1] != items[0].shape[1]:
            raise RekalError(
                f"{what} must have the same columns in every series, but series {i} has "
                f"{item.shape[1]} and series 0 has {items[0].shape[1]}."
            )
    return items


def pad(items: Sequence[np.ndarray], fill: float | bool = 0.0) -> np.ndarray:
    """Stack (time, ...) arrays of different lengths as (batch, longest time, ...)."""
    shape = (len(items), max(len(item) for item in items), *items[0].shape[1:])
    out = np.full(shape, fill, items[0].dtype) if fill else np.zeros(shape, items[0].dtype)
    for row, item in zip(out, items, strict=True):
        row[: len(item)] = item
    return out


def padding_note(items: Sequence[np.ndarray]) -> tuple[str, ...]:
    """A note where padding takes more than 1 GB and ten times the memory of the series."""
    lengths = [len(item) for item in items]
    size = 8.0 * max(lengths) * len(items) * items[0].shape[1]
    if size < 1e9 or sum(lengths) * 10 > max(lengths) * len(items):
        return ()
    return (
        f"{len(items)} series of {min(lengths)} to {max(lengths)} steps are padded to one length, "
        f"which takes {size / 1e9:.1f} GB and as much again in computations; work on series of like "
        "lengths apart.",
    )


def cut(
    padded: np.ndarray, starts: np.ndarray, stops: np.ndarray, fill: float | bool = 0.0
) -> np.ndarray:
    """Take the steps starts[i] to stops[i] of each series i and pad them again.

    Args:
        padded: shape (batch, time, ...).
        starts: first step taken of each series, shape (batch,).
        stops: the step after the last one taken, shape (batch,).
        fill: what to pad with.

    Returns:
        Shape (batch, longest piece, ...).
    """
    pieces = [row[a:b] for row, a, b in zip(np.asarray(padded), starts, stops, strict=True)]
    return pad(pieces, fill)
