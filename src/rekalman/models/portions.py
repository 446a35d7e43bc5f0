"""A function of many rows, portion after portion.

The compiler of jaxlib 0.10.2 (and perhaps of others) spoils large results in single precision on a CPU: it
fuses `(matrix * rows[:, None]).sum(-1) + shift` into one kernel that is wrong from the 32,768th number on
(`tests/compiler_fusion.py`). Our own products are written so that it does not meet them; what a user wrote,
or what is many loops deep, is worked out in portions that it leaves right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

T = TypeVar("T", bound=PyTree)

PORTION = 32_768  # numbers of a result


def in_portions(function: Callable[[T], Array], rows: T, width: int) -> Float[Array, "*results"]:
    """A function of a batch of rows, the last portion filled up with the first rows.

    Args:
        function: of rows with a leading axis, one result for each.
        rows: all of them.
        width: how many numbers belong to a row on the way to its result.
    """
    count = jax.tree.leaves(rows)[0].shape[0]
    portions = -(-count * width // PORTION)
    if portions <= 1:
        return function(rows)
    size = -(-count // portions)
    index = jnp.arange(portions * size) % count
    split = jax.tree.map(lambda leaf: leaf[index].reshape(portions, size, *leaf.shape[1:]), rows)
    results = jax.lax.map(function, split)
    return results.reshape(-1, *results.shape[2:])[:count]
