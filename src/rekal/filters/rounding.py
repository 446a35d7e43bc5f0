r"""What rounding leaves of a difference, and what is taken for zero.

A covariance from which a noise-free observation has taken all that there was holds a few units in the last
place of the old one. Each function compares a result with the size of the terms that it was made of, so that
neither the units of the states nor their number matter. What is not finite stays so.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def rounding_floor(
    C: Float[Array, "p n"], spread: Float[Array, " n"], power: int
) -> Float[Array, " p"]:
    """What the variance of `c x` may hold of rounding alone, once earlier scalars determine it.

    Args:
        C: the rows `c`.
        spread: standard deviations of the states before the update.
        power: 1 where covariances were subtracted, 2 where square roots were.
    """
    whole = (jnp.abs(C) * spread).sum(1)
    return jax.lax.stop_gradient((4 * jnp.finfo(C.dtype).eps) ** power * whole * whole)


def deviations(P: Float[Array, "n n"]) -> Float[Array, " n"]:
    """Standard deviations, without a slope: they only measure rounding."""
    return jnp.sqrt(jnp.maximum(jax.lax.stop_gradient(jnp.diagonal(P)), 0))


def row_norms(S: Float[Array, "n m"]) -> Float[Array, " n"]:
    """Sums of absolute values along the rows, without a slope: they only measure rounding."""
    return jnp.abs(jax.lax.stop_gradient(S)).sum(1)


def without_rounding(
    P: Float[Array, "n n"], size: Float[Array, " n"], units: int
) -> Float[Array, "n n"]:
    """A covariance, zero where a variance is no more than the rounding of terms of a given size."""
    there = ~(jnp.diagonal(P) <= units * jnp.finfo(P.dtype).eps * jax.lax.stop_gradient(size))
    return jnp.where(there[:, None] & there[None, :], P, 0.0)


def rows_without_rounding(
    S: Float[Array, "n m"], size: Float[Array, " n"], units: int
) -> Float[Array, "n m"]:
    """A square root, zero in the rows that are no more than the rounding of terms of a given size."""
    there = ~(row_norms(S) <= units * jnp.finfo(S.dtype).eps * jax.lax.stop_gradient(size))
    return jnp.where(there[:, None], S, 0.0)


def inverse(f: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / f`, or zero for what has no variance."""
    return jnp.where(f > 0, 1 / jnp.where(f > 0, f, 1.0), 0.0)


def safe_sqrt(f: Float[Array, ""]) -> Float[Array, ""]:
    """The square root, with a slope of zero at zero."""
    return jnp.where(f > 0, jnp.sqrt(jnp.where(f > 0, f, 1.0)), 0.0)
