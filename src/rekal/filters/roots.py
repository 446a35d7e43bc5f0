r"""A square root of a covariance that may be singular, by elimination.

`P = sum_j c_j c_j'` with `c_j` column `j` of what the earlier columns leave, over the root of its pivot: the
Cholesky factor, with a column of zeros where nothing is left. Unlike one made of eigenvectors it can be
differentiated where eigenvalues coincide, and it calls no library.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekal.filters.system import UNROLLED


def semidefinite_root(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Lower triangular `S` with `S S' = P`; a pivot lost in rounding counts as zero."""
    n = P.shape[0]
    floor = n * jnp.finfo(P.dtype).eps * jnp.diagonal(P)
    rows = jnp.arange(n)

    def column(j: int | Array, rest: Array) -> Array:
        there = rest[j, j] > floor[j]
        scale = jax.lax.rsqrt(jnp.where(there, rest[j, j], 1.0))
        return jnp.where((rows >= j) & there, rest[:, j] * scale, 0.0)

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
