r"""The weights of a recurrent layer as one vector for each of its units, and back.

The genes of a unit are all weights that lead to it: from what the layer is given, from the hidden vector of
the step before, and its biases, for each of its gates. A network is a team of one vector for each unit, which
is what enforced subpopulations (Gomez and Miikkulainen 1997) breed.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.networks.recurrent import Recurrent


def genes_of(layer: Recurrent) -> Float[Array, "units genes"]:
    """The weights that lead to each unit.

    Args:
        layer: the units.

    Returns:
        For each unit its weights of the given row, of the hidden vector and its bias, gates within each.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> from rekalman.learners.evolution.genes import genes_of
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> made = RecurrentPredictor.create(rekalman.LSTM, 1, units=5, key=jax.random.key(0))
        >>> genes_of(made.layer).shape  # 4 gates of 1 value, 5 hidden units and 1 bias
        (5, 28)
    """
    weights = jnp.concatenate([layer.into, layer.across, layer.bias[None]])
    by_unit = weights.reshape(len(weights), layer.gates, layer.units)
    return jnp.moveaxis(by_unit, 2, 0).reshape(layer.units, -1)


def layer_of(layer: Recurrent, genes: Float[Array, "units genes"]) -> Recurrent:
    """A layer with other weights.

    Args:
        layer: of the same size.
        genes: as `genes_of` gives them.
    """
    features, units = layer.into.shape[0], layer.units
    by_unit = genes.reshape(units, features + units + 1, layer.gates)
    weights = jnp.moveaxis(by_unit, 0, 2).reshape(-1, layer.gates * units)
    return dataclasses.replace(
        layer,
        into=weights[:features],
        across=weights[features:-1],
        bias=weights[-1],
    )
