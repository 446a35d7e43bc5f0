"""Arrays of NumPy as those of JAX, and parts of arrays, without a program compiled for each shape.

`jnp.asarray` and an index outside of compiled code are programs of their own, each of which takes longer to
compile than all that is done with small data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.core import Tracer
from jaxtyping import Array

from rekalman.numerics.precision import precision_of

Tree = TypeVar("Tree")
AnyArray = Array | np.ndarray


def namespace(*arrays: Any) -> Any:
    """Where the functions of these arrays are: NumPy if all are NumPy's, which compiles nothing, else JAX."""
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def special(array: Any) -> Any:
    """Where the special functions of an array are, as for `namespace`."""
    return scipy.special if namespace(array) is np else jax.scipy.special


def fori_loop(
    xp: Any, start: int, stop: int, body: Callable[[Any, Tree], Tree], state: Tree
) -> Tree:
    """`state = body(i, state)` from `start` up to `stop`, in the namespace of the arrays."""
    if xp is jnp:
        return jax.lax.fori_loop(start, stop, body, state)
    for i in range(start, stop):
        state = body(i, state)
    return state


def while_loop(
    xp: Any, going: Callable[[Tree], Any], body: Callable[[Tree], Tree], state: Tree
) -> Tree:
    """`state = body(state)` while `going(state)`, in the namespace of the arrays."""
    if xp is jnp:
        return jax.lax.while_loop(going, body, state)
    while going(state):
        state = body(state)
    return state


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
    if traced(array):
        return array[index]
    with precision_of(array):
        return placed(np.asarray(array)[index])


def traced(*arrays: Any) -> bool:
    """Whether one of these is an array of a function that is being compiled, whose numbers are not known."""
    return any(isinstance(array, Tracer) for array in arrays)


def joined(*arrays: Array) -> Array:
    """The entries of all arrays as one vector."""
    if traced(*arrays):
        return jnp.concatenate([array.reshape(-1) for array in arrays])
    with precision_of(arrays):
        return placed(np.concatenate([np.asarray(array).reshape(-1) for array in arrays]))


def parted(vector: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The arrays of these shapes whose entries `joined` made a vector of."""
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    cuts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    if traced(vector):
        return [vector[cut].reshape(shape) for cut, shape in zip(cuts, shapes, strict=True)]
    entries = np.asarray(vector)
    with precision_of(vector):
        return [placed(entries[cut].reshape(s)) for cut, s in zip(cuts, shapes, strict=True)]


def replaced(vector: Array, places: Sequence[int], entries: Array) -> Array:
    """The vector with other entries at some places."""
    index = np.array(places, int)
    if traced(vector, entries):
        return vector.at[index].set(entries)
    with precision_of(vector):
        new = np.array(vector)
        new[index] = np.asarray(entries)
        return placed(new)


def first_steps(tree: Tree, steps: int) -> Tree:
    """The first steps of arrays `(series, steps, ...)`."""

    def cut(leaf: Array) -> Array:
        return leaf if leaf.shape[1] <= steps else taken(leaf, slice(None), slice(steps))

    return jax.tree.map(cut, tree)
