"""Frames in chunks that fit the cache: big arrays cost more in memory traffic than in arithmetic."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

CHUNK = 128
"""At most so many frames at once."""


def split(x: Array) -> Array:
    """`(n, ...)` to `(chunks, size, ...)` with the last chunk filled up with zeros."""
    n = x.shape[0]
    count = max(1, -(-n // CHUNK))
    size = -(-n // count)
    x = jnp.pad(x, [(0, count * size - n)] + [(0, 0)] * (x.ndim - 1))
    return x.reshape(count, size, *x.shape[1:])


def join(x: PyTree, n: int) -> PyTree:
    """Back to `(n, ...)`, leaf by leaf."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:n], x)
