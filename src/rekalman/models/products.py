"""Small matrices times many vectors, the arithmetic of every particle filter."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

UNROLLED = 12


def rows_times(
    rows: Float[Array, "*many inner"], matrix: Float[Array, "outer inner"]
) -> Float[Array, "*many outer"]:
    """`matrix @ row` for every row.

    A matrix product with so few columns is all overhead in XLA on a CPU (20 ns a row for 5 x 5);
    written out as a sum of scaled columns it takes a quarter, and fuses with what stands around it.
    """
    inner = matrix.shape[1]
    if not 0 < inner <= UNROLLED:
        return jnp.matmul(rows, matrix.T)
    total = rows[..., :1] * matrix[:, 0]
    for k in range(1, inner):
        total = total + rows[..., k : k + 1] * matrix[:, k]
    return total


def row_dots(
    left: Float[Array, "*#many inner"], right: Float[Array, "*#many inner"]
) -> Float[Array, "*_"]:
    """Inner product of each pair of rows, the leading axes broadcast.

    As a product with a vector of ones: a sum over the short last axis would be fused with all that
    produces the rows, and computed without vector instructions (five times slower).
    """
    return (left * right) @ jnp.ones(left.shape[-1], left.dtype)
