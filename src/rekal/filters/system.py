r"""A linear model together with its data, in the form in which every linear filter works.

Observations are decorrelated: with `R = L diag(r) L'`, `L` unit lower triangular, the rows of `L^{-1} y`
have independent noise of variances `r`, so that they can enter one scalar at a time (Koopman and Durbin
2000). `r` may hold zeros: observations without noise are fine. Missing entries of `R` are replaced by
rows of the identity before the factor is taken, and their rows of `C` and `y` become zero: an observation
that says nothing, and whose log density is left out.

Means are columns. The first column carries the data and the offsets; a diffuse start adds one column for
each flat coordinate, driven by nothing but its own unit start (de Jong 1991): the filter is linear, so the
answer for any start `delta` is the first column plus the others times `delta`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekal.models.linear import LinearModel

UNROLLED = 12


class LinearSystem(NamedTuple):
    """What a linear filter needs; leading axes of one mean constant in time.

    Attributes:
        A: transitions; the first is not used.
        Q: process noise.
        C: decorrelated observation rows, zero where missing.
        noise: variances of the decorrelated observations, one where missing.
        y: decorrelated observations less their offsets, as columns.
        drift: `B u + c`, as columns.
        start: mean of `x_1`, and unit starts of the diffuse coordinates, as columns.
        P: covariance of `x_1` without the diffuse coordinates.
        seen: number of observed entries of each step.
        settled: from this step on nothing but the data changes.
    """

    A: Float[Array, "times_A n n"]
    Q: Float[Array, "times_Q n n"]
    C: Float[Array, "times_C p n"]
    noise: Float[Array, "times_C p"]
    y: Float[Array, "steps p columns"]
    drift: Float[Array, "times_drift n columns"]
    start: Float[Array, "n columns"]
    P: Float[Array, "n n"]
    seen: Float[Array, " steps"]
    settled: Int[Array, ""]


def linear_system(
    model: LinearModel,
    values: Float[Array, "steps p"],
    mask: Bool[Array, "steps p"] | None,
    inputs: Float[Array, "steps k"] | None,
    dt: Float[Array, " steps"] | None = None,
) -> LinearSystem:
    """Bring a model and one series into that form.

    Args:
        model: any linear model.
        values: observations.
        mask: True where observed, or None when nothing is missing (which is faster).
        inputs: known inputs, or None.
        dt: time since the step before, or None for equal steps.
    """
    steps, p = values.shape
    blocks = model.blocks(dt)
    offset, drift = blocks.d, blocks.c
    if inputs is not None and model.n_inputs:
        offset = offset + _applied(blocks.D, inputs)
        drift = drift + _applied(blocks.B, inputs)
    shown = values if mask is None else jnp.where(mask, values, 0.0)
    residual = shown - offset

    changing = any(block.shape[0] > 1 for block in (blocks.A, blocks.C, blocks.Q, blocks.R))
    if mask is None:
        shape, noise = jax.vmap(decorrelate)(blocks.R)
        settled = jnp.asarray(0)
        seen = jnp.full(steps, float(p), values.dtype)
    else:
        R = jnp.broadcast_to(blocks.R, (steps, p, p))
        both = mask[:, :, None] & mask[:, None, :]
        R = jnp.where(both, R, jnp.eye(p, dtype=R.dtype))
        shape, noise = jax.vmap(decorrelate)(R)
        shape = shape * mask[:, None, :]
        complete = mask.all(1)
        settled = jnp.max(jnp.where(complete, 0, jnp.arange(steps) + 1))
        seen = mask.sum(1).astype(values.dtype)
    if changing:
        settled = jnp.asarray(steps)
    m, P = model.initial_moments()
    flat = len(model.diffuse)
    return LinearSystem(
        A=blocks.A,
        Q=blocks.Q,
        C=_times(shape, blocks.C),
        noise=noise,
        y=_columns(_applied(shape, residual), flat),
        drift=_columns(drift, flat),
        start=jnp.concatenate([m[:, None], jnp.eye(m.size, dtype=m.dtype)[:, model.diffuse]], 1),
        P=P,
        seen=seen,
        settled=settled,
    )


def decorrelate(R: Float[Array, "p p"]) -> tuple[Float[Array, "p p"], Float[Array, " p"]]:
    """`L^{-1}` and `r` of `R = L diag(r) L'`, by eliminating one column after the other."""
    p = R.shape[0]
    eye = jnp.eye(p, dtype=R.dtype)
    floor = jnp.finfo(R.dtype).eps * jnp.max(jnp.abs(R), initial=0.0)

    def eliminate(j: int | Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, rows = state
        pivot = rest[j, j]
        below = jnp.where((jnp.arange(p) > j) & (pivot > floor), rest[:, j], 0.0)
        column = below / jnp.where(pivot > floor, pivot, 1.0)
        return rest - column[:, None] * rest[j], rows - column[:, None] * rows[j]

    state = R, eye
    if p <= UNROLLED:
        for j in range(p - 1):
            state = eliminate(j, state)
    else:
        state = jax.lax.fori_loop(0, p - 1, eliminate, state)
    rest, rows = state
    return rows, jnp.maximum(jnp.diagonal(rest), 0.0)


def at(block: Array, t: int | Array) -> Array:
    """The block of step `t`, or the only one."""
    return block[0] if block.shape[0] == 1 else block[t]


def _columns(first: Float[Array, "steps rows"], flat: int) -> Float[Array, "steps rows columns"]:
    return jnp.pad(first[:, :, None], ((0, 0), (0, 0), (0, flat)))


def _applied(matrix: Float[Array, "t p k"], rows: Float[Array, "steps k"]) -> Array:
    """`matrix_t row_t` of every step."""
    if matrix.shape[0] == 1:
        return rows @ matrix[0].T
    return (matrix * rows[:, None, :]).sum(-1)


def _times(left: Float[Array, "t p q"], right: Float[Array, "s q n"]) -> Float[Array, "u p n"]:
    """Matrix products along time, written out: a batched product of small matrices is all overhead."""
    q = left.shape[2]
    if not 0 < q <= UNROLLED:
        return left @ right
    return sum(left[:, :, k : k + 1] * right[:, k : k + 1, :] for k in range(q))  # pyright: ignore
