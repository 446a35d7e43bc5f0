r"""From densities of standardised data to those of raw data.

A density of a raw value is that of the standardised value divided by its scale: `log scale` is to be
subtracted for every observed entry. With a diffuse start the flat law of each of its coordinates is in raw
units too, which takes as many entries out: the first that were observed, which serve to find the start.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def log_volume(
    mask: Bool[np.ndarray, "batch steps obs"], scale: Float[np.ndarray, " obs"], diffuse: int = 0
) -> Float[np.ndarray, "batch steps"]:
    """What to subtract from the log densities of standardised rows, in nats.

    Args:
        mask: True where observed.
        scale: what each column was divided by.
        diffuse: number of diffuse coordinates of the start of each series.
    """
    seen = np.asarray(mask)
    if diffuse:
        order = np.cumsum(seen.reshape(len(seen), -1), 1).reshape(seen.shape)
        seen = seen & (order > diffuse)
    return np.sum(seen * np.log(np.asarray(scale)), -1)
