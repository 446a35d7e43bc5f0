r"""The recursion of the means, given the gains: `x_t = x_t^- + K_t (y_t - C_t x_t^-)`.

With `J_t = I - K_t C_t` it is affine in the mean before, `x_t = J_t A_t x_{t-1} + (K_t y_t + J_t a_t)`: all
products but one are formed outside the loop. Columns (see `system.py`) run together.

With a diffuse start the gain of an observation that fixes an unknown direction is that of `diffuse.py`, and
its innovation has no scale: its white innovation is zero.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.system import UNROLLED, LinearSystem


class Means(NamedTuple):
    """Columns of every step.

    Attributes:
        prior: means before each observation.
        posterior: means after it.
        white: white innovations.
    """

    prior: Float[Array, "steps n columns"]
    posterior: Float[Array, "steps n columns"]
    white: Float[Array, "steps p columns"]


def means(system: LinearSystem, result: Gains) -> Means:
    """Run the recursion of the means over the series."""
    J = jnp.eye(system.P.shape[0], dtype=system.P.dtype) - small(result.gain, system.C)
    closed = small(J, system.A)
    pull = _pull(system, result, J)
    first = each(J[:1], system.start[None])[0] + each(result.gain[:1], system.y[:1])[0]

    def step(x: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        i, pull = row
        x = applied(closed[i], x) + pull
        return x, x

    _, rest = jax.lax.scan(step, first, (result.where[1:], pull[1:]))
    posterior = jnp.concatenate([first[None], rest])
    moved = each(system.A[1:] if system.A.shape[0] > 1 else system.A, posterior[:-1])
    drift = system.drift[1:] if system.drift.shape[0] > 1 else system.drift
    prior = jnp.concatenate([system.start[None], moved + drift])
    # `C A x` and not `C x^-`: where nobody asks for the prior means, they are not worked out.
    C = system.C[1:] if system.C.shape[0] > 1 else system.C
    A = system.A[1:] if system.A.shape[0] > 1 else system.A
    seen = each(small(C, A), posterior[:-1]) + each(C, drift)
    seen = jnp.concatenate([each(system.C[:1], system.start[None]), seen])
    return Means(prior, posterior, each(result.whitener[result.where], system.y - seen))


def _pull(system: LinearSystem, result: Gains, J: Float[Array, "worked n n"]) -> Array:
    """`K_t y_t + J_t a_t` of every step.

    Of many states `J_t a_t = a_t - K_t C_t a_t`: a matrix `J` for every step would be all the work there is.
    """
    gain = result.gain[result.where]
    if J.shape[1] <= UNROLLED:
        return each(gain, system.y) + each(J[result.where], system.drift)
    return each(gain, system.y - each(system.C, system.drift)) + system.drift


def small(left: Float[Array, "t a b"], right: Float[Array, "s b c"]) -> Float[Array, "u a c"]:
    """Products of small matrices along time, written out."""
    inner = left.shape[2]
    if not 0 < inner <= UNROLLED:
        return left @ right
    total = left[:, :, :1] * right[:, :1, :]
    for k in range(1, inner):
        total = total + left[:, :, k : k + 1] * right[:, k : k + 1, :]
    return total


def each(matrix: Float[Array, "t a b"], columns: Float[Array, "s b k"]) -> Float[Array, "u a k"]:
    """`matrix_t columns_t` of every step; one matrix for all steps of one column as a single product."""
    alone = columns.shape[2] == 1 or matrix.shape[2] > UNROLLED
    if matrix.shape[0] == 1 and columns.shape[0] > 1 and alone:
        return jnp.einsum("ab,tbk->tak", matrix[0], columns)
    return small(matrix, columns)


def product(left: Float[Array, "a b"], right: Float[Array, "b c"]) -> Float[Array, "a c"]:
    """Product of two small matrices."""
    return small(left[None], right[None])[0]


def applied(matrix: Float[Array, "n n"], x: Float[Array, "n columns"]) -> Float[Array, "n columns"]:
    """`matrix @ x`, without a call of a library for a single column."""
    if x.shape[1] == 1:
        # Rows first: side by side in single precision a compiler garbled the other order.
        return (x[:, 0] * matrix).sum(-1)[:, None]
    return matrix @ x
