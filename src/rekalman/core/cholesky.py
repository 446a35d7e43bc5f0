"""Cholesky factors of many small covariances, and errors whitened by them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def whitened(
    error: Float[Array, "*batch obs"],
    cov: Float[Array, "*batch obs obs"],
    mask: Bool[Array, "*batch obs"],
) -> tuple[Float[Array, "*batch obs"], Float[Array, "*batch obs"]]:
    """Errors of the observed entries over the Cholesky factor of their covariance, and its log diagonal.

    Both are 0 where nothing was observed.
    """
    both = mask[..., :, None] & mask[..., None, :]
    root = cholesky(jnp.where(both, cov, jnp.eye(mask.shape[-1], dtype=cov.dtype)))
    white, rest = [], jnp.where(mask, error, 0.0)
    for j in range(mask.shape[-1]):  # forward substitution
        white.append(rest[..., j] / root[..., j, j])
        rest = rest - root[..., :, j] * white[-1][..., None]
    return jnp.stack(white, -1), jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1))


def cholesky(cov: Float[Array, "*batch obs obs"]) -> Float[Array, "*batch obs obs"]:
    """Lower triangular `L` with `L L' = cov`, column by column.

    By arithmetic alone: a batch of calls of a linear-algebra library is slow on a CPU, and may never return.
    """
    columns: list[Array] = []
    rows = jnp.arange(cov.shape[-1])
    for j in range(cov.shape[-1]):
        rest = cov[..., :, j]
        for column in columns:
            rest = rest - column * column[..., j : j + 1]
        columns.append(jnp.where(rows >= j, rest / jnp.sqrt(rest[..., j : j + 1]), 0.0))
    return jnp.stack(columns, -1)
