r"""What rounding leaves of a difference, and what is taken for zero.

A covariance from which a noise-free observation has taken all that there was holds a few units in the last
place of the old one. Each function compares a result with the size of the terms that it was made of, so that
neither the units of the states nor their number matter. What is not finite stays so.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def squared_terms(C: Float[Array, "p n"], spread: Float[Array, " n"]) -> Float[Array, " p"]:
    """What the variance of `c x` is summed from: `(sum |c_i| sd_i)^2`, without a slope.

    Args:
        C: the rows `c`.
        spread: standard deviations of the states before the update.
    """
    whole = (jnp.abs(C) * spread).sum(1)
    return jax.lax.stop_gradient(whole * whole)


def amplified(terms: Float[Array, ""], f: Float[Array, ""]) -> Float[Array, ""]:
    """How many times its own rounding an update by a scalar of variance `f` leaves.

    `P c c'P / f` has the relative rounding of `f`, which is that of the terms of `c P c'` over `f`: an
    observation that the state already nearly determines costs digits.
    """
    return jnp.maximum(1.0, jax.lax.stop_gradient(terms * inverse(f)))


def deviations(P: Float[Array, "n n"]) -> Float[Array, " n"]:
    """Standard deviations, without a slope: they only measure rounding."""
    return jnp.sqrt(jnp.maximum(jax.lax.stop_gradient(jnp.diagonal(P)), 0))


def row_norms(S: Float[Array, "n m"]) -> Float[Array, " n"]:
    """Sums of absolute values along the rows, without a slope: they only measure rounding."""
    return jnp.abs(jax.lax.stop_gradient(S)).sum(1)


def without_rounding(
    P: Float[Array, "n n"], size: Float[Array, " n"], units: int | Array
) -> Float[Array, "n n"]:
    """A covariance, zero where a variance is no more than the rounding of terms of a given size."""
    there = ~(jnp.diagonal(P) <= units * jnp.finfo(P.dtype).eps * jax.lax.stop_gradient(size))
    return jnp.where(there[:, None] & there[None, :], P, 0.0)


def rows_without_rounding(
    S: Float[Array, "n m"], size: Float[Array, " n"], units: int | Array
) -> Float[Array, "n m"]:
    """A square root, zero in the rows that are no more than the rounding of terms of a given size."""
    there = ~(row_norms(S) <= units * jnp.finfo(S.dtype).eps * jax.lax.stop_gradient(size))
    return jnp.where(there[:, None], S, 0.0)


def product_without_rounding(
    left: Float[Array, "*p n"], right: Float[Array, "*steps n m"]
) -> Array:
    """A product, zero in each entry that is no more than the rounding of its terms.

    Entry by entry: each column may have a unit of its own, and a small entry may count as much as a large
    one.
    """
    return cleared(left @ right, jnp.abs(left) @ jnp.abs(right), right.shape[-2])


def cleared(sums: Float[Array, "*shape"], sizes: Float[Array, "*shape"], count: int) -> Array:
    """Sums, zero where they are no more than rounding; their slopes stay.

    Args:
        sums: of `count` terms each.
        sizes: the sums of the absolute values of these terms.
        count: number of terms.
    """
    floor = 16 * count * jnp.finfo(sums.dtype).eps * sizes
    return sums - jax.lax.stop_gradient(jnp.where(jnp.abs(sums) <= floor, sums, 0.0))


def inverse(f: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / f`, or zero for what has no variance."""
    return jnp.where(f > 0, 1 / jnp.where(f > 0, f, 1.0), 0.0)


def safe_sqrt(f: Float[Array, ""]) -> Float[Array, ""]:
    """The square root, with a slope of zero at zero."""
    return jnp.where(f > 0, jnp.sqrt(jnp.where(f > 0, f, 1.0)), 0.0)
