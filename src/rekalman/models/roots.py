"""Square roots of covariances, which may be singular."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.models.products import UNROLLED


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


def compressed(W: Float[Array, "n m"]) -> Float[Array, "n n"]:
    """An `S` with `S S' = W W'` that has as many columns that are not zero as `W` has rank.

    A QR factor of a matrix of lower rank holds rounding in place of the columns that are not there. A row
    that the rows above it determine to the last digits brings no column of its own.
    """
    n, m = W.shape
    there = (W != 0).any(0)

    def packed() -> Array:
        return W[:, jnp.argsort(~there)[:n]]

    def factored() -> Array:
        L = triangular(W)
        least = 4 * m * jnp.finfo(W.dtype).eps * jnp.linalg.norm(L, axis=1)
        determined = (jnp.abs(jnp.diagonal(L)) <= least).any()
        return jax.lax.cond(determined, lambda: _of_full_rank(L, least), lambda: L)

    return jax.lax.cond(there.sum() < n, packed, factored)


def _of_full_rank(S: Float[Array, "n n"], least: Float[Array, " n"]) -> Float[Array, "n n"]:
    """The same root in orthonormal directions, one for each row with something new (Gram-Schmidt, twice)."""
    n = S.shape[0]

    def direction(j: Array, directions: Array) -> Array:
        rest = S[j] - (directions @ S[j]) @ directions
        rest = rest - (directions @ rest) @ directions
        size = jnp.linalg.norm(rest)
        there = size > least[j]
        return directions.at[j].set(jnp.where(there, rest / jnp.where(there, size, 1.0), 0.0))

    return jnp.tril(S @ jax.lax.fori_loop(0, n, direction, jnp.zeros_like(S)).T)


def semidefinite_root(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
    r"""Lower triangular `S` with `S S' = P`, for a covariance that may be singular, by elimination.

    `P = sum_j c_j c_j'` with `c_j` column `j` of what the earlier columns leave, over the root of its pivot:
    the Cholesky factor, with a column of zeros where nothing is left. A pivot below the rounding error of
    its diagonal entry counts as zero. Unlike a root made of eigenvectors it can be differentiated where
    eigenvalues coincide.
    """
    n = P.shape[0]
    floor = n * jnp.finfo(P.dtype).eps * jnp.diagonal(P)
    rows = jnp.arange(n)

    def column(j: int | Array, rest: Array) -> Array:
        positive = rest[j, j] > floor[j]
        scale = jax.lax.rsqrt(jnp.where(positive, rest[j, j], 1.0))
        return jnp.where((rows >= j) & positive, rest[:, j] * scale, 0.0)

    if n <= UNROLLED:
        columns, rest = [], P
        for j in range(n):
            columns.append(column(j, rest))
            rest = rest - columns[j][:, None] * columns[j][None, :]
        return jnp.stack(columns, 1) if n else P

    def eliminate(j: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, S = state
        new = column(j, rest)
        return rest - new[:, None] * new[None, :], S.at[:, j].set(new)

    return jax.lax.fori_loop(0, n, eliminate, (P, jnp.zeros_like(P)))[1]


def noise_root(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The root that noise is drawn with: the Cholesky factor, of a singular `P` `semidefinite_root`."""
    n = P.shape[0]
    if not n:
        return P
    factor = jnp.linalg.cholesky(P)
    # A comparison with NaN is False: that is what LAPACK leaves of an indefinite matrix.
    pivots = jnp.diagonal(factor) ** 2
    regular = (pivots > n * jnp.finfo(P.dtype).eps * jnp.diagonal(P)).all()
    return jax.lax.cond(regular, lambda: factor, lambda: semidefinite_root(P))
