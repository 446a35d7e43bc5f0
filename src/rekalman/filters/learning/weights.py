"""The weights of a recurrent predictor as they are learned: those of each unit side by side."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.networks.predictors.recurrent import RecurrentPredictor


class Weights(eqx.Module):
    """What is learned of a `RecurrentPredictor`.

    Attributes:
        units: of each gate of each unit, the rows being those of what it is given, of the hidden vector, and
            the bias: `(row + units + 1, gates, units)`.
        readout: `(features, obs)`.
        log_deviation: logarithm of the standard deviation of the innovations, `(obs,)`.
    """

    units: Float[Array, "rows gates units"]
    readout: Float[Array, "features obs"]
    log_deviation: Float[Array, " obs"]


def weights_of(predictor: RecurrentPredictor) -> Weights:
    """The weights of a predictor whose innovations are taken to be uncorrelated."""
    layer, N = predictor.layer, predictor.noise_factor
    rows = jnp.concatenate([layer.into, layer.across, layer.bias[None]])
    units = rows.reshape(len(rows), layer.gates, layer.units)
    return Weights(units, predictor.readout, 0.5 * jnp.log(jnp.square(N).sum(1)))


def with_weights(predictor: RecurrentPredictor, weights: Weights) -> RecurrentPredictor:
    """The predictor with other weights.

    Args:
        predictor: of the same sizes.
        weights: what was learned.
    """
    layer = predictor.layer
    rows = weights.units.reshape(len(weights.units), layer.gates * layer.units)
    parts = lambda each: (  # noqa: E731
        each.layer.into,
        each.layer.across,
        each.layer.bias,
        each.readout,
        each.noise_factor,
    )
    into = predictor.row
    values = (
        rows[:into],
        rows[into:-1],
        rows[-1],
        weights.readout,
        jnp.diag(jnp.exp(weights.log_deviation)),
    )
    return eqx.tree_at(parts, predictor, values)
