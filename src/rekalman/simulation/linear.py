"""Series drawn from any linear model, also from one that varies in time or runs in continuous time."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.filters.kalman.system import check_series
from rekalman.models.linear_model import Blocks, LinearModel
from rekalman.models.roots import square_root
from rekalman.numerics.precision import in_own_precision
from rekalman.simulation.models import check_run


@in_own_precision
def simulate_linear(
    model: LinearModel,
    steps: int,
    key: PRNGKeyArray,
    batch: int = 1,
    inputs: Float[Array, "steps input"] | None = None,
    dt: Float[Array, " steps"] | None = None,
) -> tuple[Float[Array, "batch steps states"], Float[Array, "batch steps obs"]]:
    """Draw states and observations, in the units of the model.

    Args:
        model: any linear model whose start is not diffuse.
        steps: length of each series.
        key: randomness.
        batch: number of series.
        inputs: known inputs, the same for all series.
        dt: time since the step before, for a model in continuous time; default its interval.

    Raises:
        RekalError: steps or batch below 1, a diffuse start, inputs that do not fit, or a model that varies in
            time and is given for fewer steps.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=one, R=one)
        >>> states, y = rekalman.simulate_linear(model, 100, jax.random.key(0), batch=3)
        >>> y.shape
        (3, 100, 1)
    """
    check_run(steps, batch)
    check_series(model, jnp.zeros((steps, model.observations)), None, inputs, dt)
    return _simulate(model, steps, key, batch, inputs, dt)


@eqx.filter_jit
def _simulate(
    model: LinearModel, steps: int, key: PRNGKeyArray, batch: int, u: Array | None, dt: Array | None
) -> tuple[Array, Array]:
    given = model.given()
    blocks = Blocks(*(block[:steps] for block in model.blocks(dt)))
    drift, offset = blocks.c, blocks.d
    if u is not None:  # inputs first: see `models/portions.py`
        drift = drift + (u[:, None, :] * blocks.B).sum(-1)
        offset = offset + (u[:, None, :] * blocks.D).sum(-1)
    state_key, observation_key = jax.random.split(key)
    dtype = given.P.dtype
    noise = jax.random.normal(state_key, (steps, batch, given.m.size), dtype)
    shocks = jnp.einsum("tij,tbj->tbi", _wide(square_root(blocks.Q), steps), noise)
    first = given.m + noise[0] @ square_root(given.P).T

    def step(x: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        A, drift, shock = row
        x = x @ A.T + drift + shock
        return x, x

    rows = (_wide(blocks.A, steps)[1:], _wide(drift, steps)[1:], shocks[1:])
    _, rest = jax.lax.scan(step, first, rows)
    states = jnp.concatenate([first[None], rest])
    noise = jax.random.normal(observation_key, (steps, batch, model.observations), dtype)
    roots = _wide(square_root(blocks.R), steps)
    seen = jnp.einsum("tpn,tbn->tbp", _wide(blocks.C, steps), states) + offset[:, None]
    seen = seen + jnp.einsum("tpq,tbq->tbp", roots, noise)
    return jnp.moveaxis(states, 0, 1), jnp.moveaxis(seen, 0, 1)


def _wide(block: Array, steps: int) -> Array:
    return jnp.broadcast_to(block, (steps, *block.shape[1:]))
