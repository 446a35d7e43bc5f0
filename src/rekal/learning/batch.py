"""Series as plain arrays, padded to few lengths so that nothing is compiled twice."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekal.errors import RekalError
from rekal.sequences import Sequences


class Batch(NamedTuple):
    """Arrays of several series; `valid` is False on padding."""

    values: Float[Array, "batch steps obs"]
    mask: Bool[Array, "batch steps obs"]
    inputs: Float[Array, "batch steps input"] | None
    valid: Bool[Array, "batch steps"]


def padded_length(steps: int) -> int:
    """The next length of the form `k * 2^j`, `16 <= k <= 32`: at most 6 % is padding."""
    unit = 1 << max(0, int(np.ceil(np.log2(max(steps, 1)))) - 5)
    return -(-steps // unit) * unit


def as_batch(data: Sequences) -> Batch:
    """Arrays in the computation's precision, padded at the end.

    Raises:
        RekalError: the series are sampled irregularly, which a discrete-time model cannot use.
    """
    if data.dt is not None:
        raise RekalError(
            "the series are sampled irregularly, but this model runs in equal steps: "
            "resample them to a constant interval"
        )
    steps = padded_length(data.steps)
    dtype = jnp.result_type(float)

    def pad(leaf: np.ndarray) -> np.ndarray:
        return np.pad(leaf, [(0, 0), (0, steps - data.steps)] + [(0, 0)] * (leaf.ndim - 2))

    return Batch(
        values=jnp.asarray(pad(np.asarray(data.values)), dtype),
        mask=jnp.asarray(pad(np.asarray(data.mask))),
        inputs=None if data.inputs is None else jnp.asarray(pad(np.asarray(data.inputs)), dtype),
        valid=jnp.asarray(pad(np.asarray(data.valid()))),
    )
