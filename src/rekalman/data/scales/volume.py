r"""From densities of standardised data to those of raw data.

With `z = (g(y) - location) / scale` the density of a raw value `y` is that of `z` times `g'(y) / scale`:
`log scale - log g'(y)` is to be subtracted for every observed entry. With a diffuse start the flat law of
each of its coordinates is in the units of `g(y)`, too, which takes as many entries out of the sum of
`log scale`: the first that were observed, which serve to find the start.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.data.container import Sequences
from rekalman.data.scales.standardiser import Standardiser


def log_volume(
    rows: Standardiser, data: Sequences, diffuse: int = 0
) -> Float[np.ndarray, "batch steps obs"]:
    """What to subtract from the log densities of standardised entries, in nats; 0 where nothing was observed.

    Args:
        rows: how the series were standardised (`Standardiser.rows`).
        data: the series in raw units.
        diffuse: number of diffuse coordinates of the start of each series.
    """
    seen = counted = np.asarray(data.mask)
    if diffuse:
        order = np.cumsum(seen.reshape(len(seen), -1), 1).reshape(seen.shape)
        counted = seen & (order > diffuse)
    volume = counted * np.log(np.asarray(rows.scale))
    if rows.transform is not None:
        raw = np.where(seen, np.asarray(data.values), 1.0)
        volume = volume - np.where(seen, rows.transform.log_derivative(raw), 0.0)
    return volume
