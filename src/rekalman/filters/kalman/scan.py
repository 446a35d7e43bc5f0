"""All prefixes of an associative operation in logarithmic depth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

T = TypeVar("T")


def prefixes(join: Callable[[T, T], T], elements: T, reverse: bool = False) -> T:
    """Element `t` joined with all before it (with `reverse`: with all after it).

    Every round joins each stretch with the one that ends where it begins, so that stretches double in length
    (Hillis and Steele 1986). The rounds are one loop: `jax.lax.associative_scan` does less work, but lays
    out two rounds for each doubling one by one, which takes minutes to compile for long series.

    Args:
        join: joins stretches with a leading axis, the first argument being the one that comes first (with
            `reverse`: that comes last).
        elements: arrays with the same leading axis.
        reverse: from the end to the beginning.
    """
    steps = jax.tree.leaves(elements)[0].shape[0]
    flip = lambda tree: jax.tree.map(lambda leaf: leaf[::-1], tree)  # noqa: E731

    def double(k: Array, stretches: T) -> T:
        shift = jnp.left_shift(1, k)
        before = jax.tree.map(lambda leaf: jnp.roll(leaf, shift, 0), stretches)

        def keep(new: Array, old: Array) -> Array:
            there = jnp.arange(steps) >= shift
            return jnp.where(there.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        return jax.tree.map(keep, join(before, stretches), stretches)

    rounds = math.ceil(math.log2(steps)) if steps > 1 else 0
    result = jax.lax.fori_loop(0, rounds, double, flip(elements) if reverse else elements)
    return flip(result) if reverse else result
