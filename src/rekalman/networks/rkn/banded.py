"""Banded transitions of a factorised belief over a batch, and their hand-written gradient.

A transition `A = [[B11, B12], [B21, B22]]` has four banded blocks, stored by diagonals: of series `n`,
`blocks[n, k, d, i]` is entry `(i, i + d - b)` of block `k`. A product with a vector is then `2 b + 1`
shifted multiply-adds instead of a matrix product that is mostly zeros:

    p' = B11 p + B12 q                       (mean)
    q' = B21 p + B22 q
    u' = B11² u + 2 B11 B12 s + B12² l       (the three kept diagonals of A S A')
    l' = B21² u + 2 B21 B22 s + B22² l
    s' = B21 B11 u + (B22 B11 + B21 B12) s + B22 B12 l

(Becker et al. 2019, section 3.2; products of blocks are entry by entry, then applied to the vector.)

The batch leads: the latent axis is the fast one, where a shift costs nothing but an address, and the products
that mix the blocks of all series run at full speed.

Automatic differentiation would keep every shifted copy, so the gradient is written out. With the cotangents
`g` of the five results, entry `(i, j)` of the blocks receives

    dB11 = gp_i p_j + 2 gu_i (B11 u_j + B12 s_j) + gs_i (B21 u_j + B22 s_j)
    dB12 = gp_i q_j + 2 gu_i (B11 s_j + B12 l_j) + gs_i (B21 s_j + B22 l_j)
    dB21 = gq_i p_j + 2 gl_i (B21 u_j + B22 s_j) + gs_i (B11 u_j + B12 s_j)
    dB22 = gq_i q_j + 2 gl_i (B21 s_j + B22 l_j) + gs_i (B11 s_j + B12 l_j)

and the belief receives the transposed products, which are shifted the other way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Blocks = Float[Array, "batch 4 diagonals latent"]


class Moments(NamedTuple):
    """A factorised belief or its cotangent, each part `(..., latent)`."""

    p: Float[Array, "*batch latent"]
    q: Float[Array, "*batch latent"]
    u: Float[Array, "*batch latent"]
    l: Float[Array, "*batch latent"]  # noqa: E741 - its name in the equations
    s: Float[Array, "*batch latent"]


def propagate(blocks: Blocks, x: Moments) -> Moments:
    """Mean and factorised covariance after a transition, without its noise."""
    width = blocks.shape[2]
    B11, B12, B21, B22 = (_diagonals(blocks[:, k]) for k in range(4))
    p, q, u, l, s = _shifted(x, width)  # noqa: E741
    total = _sum_over(width)
    return Moments(
        p=total(lambda d: B11[d] * p[d] + B12[d] * q[d]),
        q=total(lambda d: B21[d] * p[d] + B22[d] * q[d]),
        u=total(lambda d: B11[d] * (B11[d] * u[d] + 2 * B12[d] * s[d]) + B12[d] * B12[d] * l[d]),
        l=total(lambda d: B21[d] * (B21[d] * u[d] + 2 * B22[d] * s[d]) + B22[d] * B22[d] * l[d]),
        s=total(
            lambda d: (
                B21[d] * (B11[d] * u[d] + B12[d] * s[d]) + B22[d] * (B11[d] * s[d] + B12[d] * l[d])
            )
        ),
    )


def pull_back(blocks: Blocks, x: Moments, g: Moments) -> tuple[Blocks, Moments]:
    """Cotangents of the blocks and of the belief, from those of the result of `propagate`.

    What the blocks hold outside the matrix receives no cotangent.
    """
    batch, _, width, latent = blocks.shape
    B11, B12, B21, B22 = (blocks[:, k] for k in range(4))
    stacks = [jnp.stack(each, 1) for each in _shifted(x, width)]
    p, q, u, l, s = jax.lax.optimization_barrier(stacks)  # noqa: E741
    gp, gq, gu, gl, gs = (each[:, None] for each in g)
    d_blocks = [
        gp * p + 2 * gu * (B11 * u + B12 * s) + gs * (B21 * u + B22 * s),
        gp * q + 2 * gu * (B11 * s + B12 * l) + gs * (B21 * s + B22 * l),
        gq * p + 2 * gl * (B21 * u + B22 * s) + gs * (B11 * u + B12 * s),
        gq * q + 2 * gl * (B21 * s + B22 * l) + gs * (B11 * s + B12 * l),
    ]
    # Transposed: row j gathers entries (i, j), i = j - d + b, which lie `b - d` rows further in diagonal d.
    # Beyond the ends the slice reads the diagonal beside it, against cotangents that are zero there.
    half = width // 2
    lines = blocks.reshape(batch, 4, width * latent)
    moved = [lines[:, :, d * latent + half - d :][:, :, :latent] for d in range(width)]
    B11, B12, B21, B22 = ([each[:, k] for each in moved] for k in range(4))
    gp, gq, gu, gl, gs = (each[::-1] for each in _shifted(g, width))
    total = _sum_over(width)
    back = Moments(
        p=total(lambda d: B11[d] * gp[d] + B21[d] * gq[d]),
        q=total(lambda d: B12[d] * gp[d] + B22[d] * gq[d]),
        u=total(lambda d: B11[d] * (B11[d] * gu[d] + B21[d] * gs[d]) + B21[d] * B21[d] * gl[d]),
        l=total(lambda d: B12[d] * (B12[d] * gu[d] + B22[d] * gs[d]) + B22[d] * B22[d] * gl[d]),
        s=total(
            lambda d: (
                2 * (B11[d] * B12[d] * gu[d] + B21[d] * B22[d] * gl[d])
                + (B22[d] * B11[d] + B21[d] * B12[d]) * gs[d]
            )
        ),
    )
    return jnp.stack(d_blocks, 1), back


def _diagonals(block: Float[Array, "batch diagonals latent"]) -> list[Array]:
    return [block[:, d] for d in range(block.shape[1])]


def _shifted(x: Moments, width: int) -> list[list[Array]]:
    """Row `i + d - b` of each part in the place of row `i`, for every diagonal `d`; zero beyond the ends."""
    edge, latent = width // 2, x.p.shape[1]
    padded = jax.lax.optimization_barrier([jnp.pad(part, ((0, 0), (edge, edge))) for part in x])
    return [[part[:, d : d + latent] for d in range(width)] for part in padded]


def _sum_over(width: int) -> Callable[[Callable[[int], Array]], Array]:
    def total(term: Callable[[int], Array]) -> Array:
        result = term(0)
        for d in range(1, width):
            result = result + term(d)
        return result

    return total
