"""Frames in chunks that fit the cache: on a CPU big arrays cost more in memory traffic than in arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

CHUNK = 128
"""At most so many frames at once on each CPU; other devices like all at once."""


def split(x: Array) -> Array:
    """`(n, ...)` to `(chunks, size, ...)`, filled up with zeros.

    Rows are dealt out like cards, so that frames that are split over devices stay where they are: each device
    has its part of every chunk.
    """
    n = x.shape[0]
    most = CHUNK * jax.device_count() if jax.default_backend() == "cpu" else max(n, 1)
    count = max(1, -(-n // most))
    size = -(-n // count)
    x = jnp.pad(x, [(0, count * size - n)] + [(0, 0)] * (x.ndim - 1))
    return x.reshape(size, count, *x.shape[1:]).swapaxes(0, 1)


def join(x: PyTree, n: int) -> PyTree:
    """Back to `(n, ...)`, leaf by leaf."""
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:])[:n], x)


def in_chunks(function: Callable[[Array], PyTree], x: Array) -> PyTree:
    """`function` of `x`, chunk by chunk; the gradient computes each chunk again instead of keeping it."""
    return join(jax.lax.map(jax.checkpoint(function), split(x)), x.shape[0])
