"""Arrays of NumPy as those of JAX, and parts of arrays, without a program compiled for each shape.

`jnp.asarray` and an index outside of compiled code are programs of their own, each of which takes longer to
compile than all that is done with small data.
"""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array

from rekal.precision import precision_of

Tree = TypeVar("Tree")


def placed(array: Any, dtype: Any = None) -> Array:
    """An array of JAX with these numbers, in memory of its own: on a CPU it might share that of NumPy.

    Args:
        array: of NumPy or JAX, not traced.
        dtype: the type of its numbers, cut to the computation's precision; the same by default.
    """
    if isinstance(array, jax.Array) and (dtype is None or array.dtype == dtype):
        return array
    return jax.device_put(np.array(array, dtype))


def taken(array: Array, *index: Any) -> Array:
    """`array[index]`, in the precision of the array."""
    with precision_of(array):
        return placed(np.asarray(array)[index])


def first_steps(tree: Tree, steps: int) -> Tree:
    """The first steps of arrays `(series, steps, ...)`."""

    def cut(leaf: Array) -> Array:
        return leaf if leaf.shape[1] <= steps else taken(leaf, slice(None), slice(steps))

    return jax.tree.map(cut, tree)
