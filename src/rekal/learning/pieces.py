"""Long series cut into pieces that are trained side by side.

A piece begins with some steps that only warm the belief up: what is wanted of them is told by the piece
before. So every step of the series counts exactly once, and a batch holds many pieces of one series.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from rekal.networks.table import flagged
from rekal.sequences import AnyArray, Sequences


def pieces(data: Sequences, begin: float, end: float, length: int, warm_up: int) -> Sequences:
    """Pieces of a part of every series, as a network on tables reads them.

    Args:
        data: prepared series.
        begin: where the part begins, as a share of each series.
        end: where it ends.
        length: steps of a piece that count.
        warm_up: steps before them that are seen but do not count, as far as the series goes back.

    Returns:
        A series for each piece: rows with flags (`flagged`), the next rows as targets, NaN where they do
        not count.
    """
    rows, seen = flagged(jnp.asarray(np.asarray(data.values)), jnp.asarray(np.asarray(data.mask)))
    wanted = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)
    found: list[tuple[int, int, int, int]] = []
    for i, steps in enumerate(np.asarray(data.lengths)):
        first, last = round(begin * steps), round(end * steps)
        for at in range(first, last, length):
            found.append((i, max(0, at - warm_up), at, min(at + length, last)))
    which, starts, counts, ends = (np.array(column) for column in zip(*found, strict=True))
    index = starts[:, None] + np.arange(int((ends - starts).max()))
    inside = index < ends[:, None]
    index = np.minimum(index, data.steps - 1)

    def cut(array: AnyArray) -> np.ndarray:
        return np.asarray(array)[which[:, None], index]

    judged = inside & (index >= counts[:, None])
    shown = (cut(np.asarray(seen)) & inside)[..., None]
    values = np.where(shown, cut(np.asarray(rows)), 0.0)
    return dataclasses.replace(
        data,
        values=values,
        mask=np.broadcast_to(shown, values.shape),
        lengths=ends - starts,
        targets=np.where(judged[..., None], cut(wanted), np.nan),
        inputs=None if data.inputs is None else cut(data.inputs),
        dt=None if data.dt is None else cut(data.dt),
        times=None,
    )
