r"""A linear model together with its data, in the form in which every linear filter works.

Observations are decorrelated: with `R = L diag(r) L'`, `L` unit lower triangular, the rows of `L^{-1} y`
have independent noise of variances `r`, so that they can enter one scalar at a time (Koopman and Durbin
2000). `r` may hold zeros: observations without noise are fine. Missing entries of `R` are replaced by
rows of the identity before the factor is taken, and their rows of `C` and `y` become zero: an observation
that says nothing, and whose log density is left out.

Means are columns, one for each series that shares the covariances. A diffuse start has a basis of its
unknown directions beside the mean and covariance of the others (`diffuse.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.rounding import cleared
from rekalman.foundation.errors import RekalError
from rekalman.models.linear_model import Blocks, LinearModel

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
        start: mean of `x_1`, as columns.
        P: covariance of `x_1` without the diffuse coordinates.
        basis: unit vectors of the diffuse coordinates of `x_1`, as columns.
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
    basis: Float[Array, "n d"]
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
        inputs: known inputs, or None for a model without.
        dt: time since the step before, or None for equal steps.

    Raises:
        RekalError: the series does not fit the model (see `check_series`).
    """
    check_series(model, values, mask, inputs, dt)
    steps, p = values.shape
    blocks = Blocks(*(block[:steps] for block in model.blocks(dt)))
    values = jnp.asarray(values, blocks.A.dtype)
    offset, drift = blocks.d, blocks.c
    if inputs is not None:
        inputs = jnp.asarray(inputs, blocks.A.dtype)
        offset = offset + _applied(blocks.D, inputs)
        drift = drift + _applied(blocks.B, inputs)
    shown = values if mask is None else jnp.where(mask, values, 0.0)
    residual = difference(shown, offset)

    changing = any(block.shape[0] > 1 for block in (blocks.A, blocks.C, blocks.Q, blocks.R))
    if mask is None:
        shape, noise = jax.vmap(decorrelate)(blocks.R)
        settled = jnp.asarray(0)
        seen = jnp.full(steps, float(p), values.dtype)
    else:
        shape, noise = jax.vmap(decorrelate_seen)(jnp.broadcast_to(blocks.R, (steps, p, p)), mask)
        complete = mask.all(1)
        settled = jnp.max(jnp.where(complete, 0, jnp.arange(steps) + 1))
        seen = mask.sum(1).astype(values.dtype)
    if changing:
        settled = jnp.asarray(steps)
    # What correlated noise makes of two rows may see nothing of a state: exactly nothing.
    C = _times(shape, blocks.C)
    C = cleared(C, _times(jnp.abs(shape), jnp.abs(blocks.C)), p)
    m, P = model.initial_moments()
    return LinearSystem(
        A=blocks.A,
        Q=blocks.Q,
        C=C,
        noise=noise,
        y=_applied(shape, residual)[:, :, None],
        drift=drift[:, :, None],
        start=m[:, None],
        P=P,
        basis=diffuse_basis(model),
        seen=seen,
        settled=settled,
    )


def difference(y: Float[Array, "*t p"], offset: Float[Array, "*s p"]) -> Float[Array, "*u p"]:
    """`y - offset`, zero where it is no more than its rounding.

    Without noise that rounding would be a contradiction.
    """
    rest = y - offset
    floor = 4 * jnp.finfo(rest.dtype).eps * (jnp.abs(y) + jnp.abs(offset))
    return jnp.where(jnp.abs(rest) <= floor, 0.0, rest)  # what is not finite stays so


def check_series(
    model: LinearModel,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None = None,
) -> None:
    """A series is what the model expects.

    Raises:
        RekalError: a wrong number of columns, steps or inputs; inputs missing or superfluous; a value
            that is NaN or infinite and not masked (as far as values can be looked at: not while they
            are traced).
    """
    p, k = model.observations, model.n_inputs
    if jnp.ndim(values) != 2 or values.shape[1] != p:
        raise RekalError(
            f"the values have shape {jnp.shape(values)}, but the model observes {p} columns: the axes "
            f"are (steps, {p})"
        )
    steps = values.shape[0]
    if not steps:
        raise RekalError("the series has no steps")
    model.check_steps(steps)
    if mask is not None and mask.shape != values.shape:
        raise RekalError(f"the mask has shape {mask.shape}, but the values have {values.shape}")
    check_inputs(model, inputs is not None)
    if inputs is not None and inputs.shape != (steps, k):
        raise RekalError(f"the inputs have shape {inputs.shape}, but ({steps}, {k}) would fit")
    if dt is not None and dt.shape != (steps,):
        raise RekalError(f"dt has shape {dt.shape}, but ({steps},) would fit")
    check_known(inputs)
    if isinstance(values, Tracer) or isinstance(mask, Tracer):
        return
    finite = np.isfinite(np.asarray(values)) | (False if mask is None else ~np.asarray(mask))
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise RekalError(
            f"column {column} holds {float(values[row, column])} at step {row}: say by the mask which "
            "entries are missing (Sequences does so by itself)"
        )


def check_known(inputs: Array | None) -> None:
    """Every input is a number (as far as it can be looked at: not while it is traced).

    Raises:
        RekalError: one is NaN or infinite.
    """
    if inputs is None or isinstance(inputs, Tracer):
        return
    finite = np.isfinite(np.asarray(inputs))
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise RekalError(
            f"input {column} is {float(inputs[row, column])} at step {row}: observations may be missing "
            "but inputs may not, so fill them first"
        )


def check_inputs(model: LinearModel, given: bool) -> None:
    """Inputs are given if and only if the model takes them.

    Raises:
        RekalError: they are missing, or superfluous.
    """
    if given and not model.n_inputs:
        raise RekalError("the model takes no inputs, so leave them out")
    if model.n_inputs and not given:
        raise RekalError(f"the model has {model.n_inputs} inputs, which every step must bring")


def decorrelate(R: Float[Array, "p p"]) -> tuple[Float[Array, "p p"], Float[Array, " p"]]:
    """`L^{-1}` and `r` of `R = L diag(r) L'`, by eliminating one column after the other."""
    p = R.shape[0]
    eye = jnp.eye(p, dtype=R.dtype)
    # What is left of a variance is measured by that variance: entries may have any units.
    floor = p * jnp.finfo(R.dtype).eps * jnp.diagonal(R)

    def eliminate(j: int | Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, rows = state
        pivot = rest[j, j]
        there = pivot > floor[j]
        below = jnp.where((jnp.arange(p) > j) & there, rest[:, j], 0.0)
        column = below / jnp.where(there, pivot, 1.0)
        return rest - column[:, None] * rest[j], rows - column[:, None] * rows[j]

    state = R, eye
    if p <= UNROLLED:
        for j in range(p - 1):
            state = eliminate(j, state)
    else:
        state = jax.lax.fori_loop(0, p - 1, eliminate, state)
    rest, rows = state
    left = jnp.diagonal(rest)
    return rows, jnp.where(left > floor, left, 0.0)


def decorrelate_seen(
    R: Float[Array, "p p"], mask: Bool[Array, " p"]
) -> tuple[Float[Array, "p p"], Float[Array, " p"]]:
    """`L^{-1}` and `r` of the observed entries; rows of zeros and ones in place of the others."""
    both = mask[:, None] & mask[None, :]
    shape, noise = decorrelate(jnp.where(both, R, jnp.eye(R.shape[0], dtype=R.dtype)))
    return shape * mask[None, :], noise


def at(block: Array, t: int | Array) -> Array:
    """The block of step `t`, or the only one."""
    return block[0] if block.shape[0] == 1 else block[t]


def diffuse_basis(model: LinearModel) -> Float[Array, "n d"]:
    """Unit vectors of the diffuse coordinates of the first state."""
    n = model.states
    return jnp.eye(n, dtype=model.Q.dtype)[:, jnp.array(model.diffuse, int)]


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
