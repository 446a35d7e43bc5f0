"""Long series cut into pieces that are trained side by side.

A piece begins with some steps that only warm the belief up: what is wanted of them is told by the piece
before. So every step of the series counts exactly once, and a batch holds many pieces of one series.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from rekalman.data import AnyArray, Sequences
from rekalman.networks.table import flagged


class Shown(NamedTuple):
    """What a network is shown of series, and what it is to say.

    Attributes:
        rows: as its encoder takes them, `(batch, steps, row)`.
        seen: which of them are shown.
        wanted: what it is to say of each step; NaN where nothing is known.
    """

    rows: Float[AnyArray, "batch steps row"]
    seen: Bool[AnyArray, "batch steps"]
    wanted: Float[AnyArray, "batch steps obs"]


def rows_shown(data: Sequences) -> Shown:
    """Rows with flags (`flagged`), and the rows themselves as what is wanted."""
    mask = np.asarray(data.mask)
    rows, seen = flagged(jnp.asarray(np.asarray(data.values)), jnp.asarray(mask))
    return Shown(rows, seen, np.where(mask, np.asarray(data.values), np.nan))


def pieces(
    data: Sequences,
    begin: float,
    end: float,
    length: int,
    warm_up: int,
    shown: Shown | None = None,
) -> Sequences:
    """Pieces of a part of every series, as a network on tables reads them.

    Args:
        data: prepared series.
        begin: where the part begins, as a share of each series.
        end: where it ends.
        length: steps of a piece that count.
        warm_up: steps before them that are seen but do not count, as far as the series goes back.
        shown: what the network is shown of the series; default `rows_shown`.

    Returns:
        A series for each piece, called like the series that it comes from: rows as values, what is wanted as
        targets, NaN where it does not count.
    """
    rows, seen, wanted = rows_shown(data) if shown is None else shown
    result: list[tuple[int, int, int, int]] = []
    for i, steps in enumerate(np.asarray(data.lengths)):
        first, last = round(begin * steps), round(end * steps)
        for at in range(first, last, length):
            result.append((i, max(0, at - warm_up), at, min(at + length, last)))
    which, starts, counts, ends = (np.array(column) for column in zip(*result, strict=True))
    index = starts[:, None] + np.arange(int((ends - starts).max()))
    inside = index < ends[:, None]
    index = np.minimum(index, data.steps - 1)

    def cut(array: AnyArray) -> np.ndarray:
        return np.asarray(array)[which[:, None], index]

    judged = inside & (index >= counts[:, None])
    visible = (cut(np.asarray(seen)) & inside)[..., None]
    values = np.where(visible, cut(np.asarray(rows)), 0.0)
    return dataclasses.replace(
        data,
        values=values,
        mask=np.broadcast_to(visible, values.shape),
        lengths=ends - starts,
        targets=np.where(judged[..., None], cut(wanted), np.nan),
        inputs=None if data.inputs is None else cut(data.inputs),
        dt=None if data.dt is None else cut(data.dt),
        times=None,
        series_names=tuple(data.series_names[i] for i in which),
    )


def joined(parts: Iterable[Sequences]) -> Sequences:
    """Pieces of the same series that were shown in several ways, as one."""
    result = list(parts)

    def together(name: str) -> np.ndarray | None:
        arrays = [getattr(part, name) for part in result]
        return None if arrays[0] is None else np.concatenate(arrays)

    names = ("values", "mask", "lengths", "targets", "inputs", "dt")
    series_names = tuple(name for part in result for name in part.series_names)
    arrays = {name: together(name) for name in names}
    return dataclasses.replace(result[0], **arrays, series_names=series_names)
