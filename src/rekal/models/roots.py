"""Square roots of covariances, which may be singular."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def square_root(P: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """`S` with `S S' = P` for a covariance that may be singular (eigenvectors times roots).

    The eigenvalues are those of the correlations, so that the units of the states do not matter. One that is
    no more than rounding is zero: its root would be half as many digits away from zero.
    """
    n = P.shape[-1]
    variances = jnp.diagonal(P, axis1=-2, axis2=-1)
    size = jnp.sqrt(jnp.where(variances > 0, variances, 1.0))
    correlations = P / (size[..., :, None] * size[..., None, :])
    values, vectors = jnp.linalg.eigh(correlations)
    there = values > 4 * n * jnp.finfo(P.dtype).eps
    roots = jnp.where(there, jnp.sqrt(jnp.where(there, values, 1.0)), 0.0)
    root = size[..., :, None] * vectors * roots[..., None, :]
    return jnp.where((variances > 0)[..., :, None], root, 0.0)


def triangular(wide: Float[Array, "*batch n m"]) -> Float[Array, "*batch n n"]:
    """The lower triangular `L` with `L L' = W W'`, by a QR factor; its diagonal is not negative."""
    upper = jnp.linalg.qr(wide.mT, mode="r")
    sign = jnp.where(jnp.diagonal(upper, axis1=-2, axis2=-1) < 0, -1.0, 1.0).astype(wide.dtype)
    return (upper * sign[..., :, None]).mT


def noise_root(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """`S` with `S S' = P`, to draw noise with: the Cholesky factor where there is one.

    That one can be differentiated whatever the eigenvalues; a singular `P` has only the other.
    """
    if not P.shape[0]:
        return P
    factor = jnp.linalg.cholesky(P)
    return jax.lax.cond(jnp.isfinite(factor).all(), lambda: factor, lambda: square_root(P))
