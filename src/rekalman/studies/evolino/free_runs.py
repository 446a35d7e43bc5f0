"""Free runs of predictors: what they say when they are given what they said."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rekalman.networks.predictors.recurrent import RecurrentPredictor


def free_runs(
    predictor: RecurrentPredictor,
    rows: Float[np.ndarray, "steps obs"],
    origins: Int[np.ndarray, " runs"],
    steps: int,
) -> Float[np.ndarray, "runs horizon obs"]:
    """Predictions of the steps from each origin on, from the rows before it.

    Args:
        predictor: a trained network.
        rows: standardised observations.
        origins: first steps that are predicted.
        steps: length of each run.
    """
    with jax.enable_x64(True):
        return np.asarray(_free_runs(predictor, jnp.asarray(rows), jnp.asarray(origins), steps))


@eqx.filter_jit
def _free_runs(predictor: RecurrentPredictor, rows: Array, origins: Array, steps: int) -> Array:
    """The same, compiled."""
    after = lambda state, row: (predictor.advance(state, row), state)  # noqa: E731
    last, states = jax.lax.scan(after, predictor.start().astype(rows.dtype), rows)
    known = jnp.concatenate([states, last[None]])[origins]

    def step(state: Array, _: None) -> tuple[Array, Array]:
        said = predictor.output(state)
        return predictor.advance(state, said), said

    return jax.vmap(lambda state: jax.lax.scan(step, state, None, length=steps)[1])(known)
