"""Models as a JSON configuration plus named arrays, and back."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from rekal.errors import RekalError
from rekal.models.stochastic_rnn import StochasticRNN

ARRAYS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


def model_config(model: StochasticRNN) -> dict[str, Any]:
    """What is not an array.

    Raises:
        RekalError: the activation is a function and not a name.
    """
    if callable(model.activation):
        raise RekalError(
            "a model whose activation is your own function cannot be saved: use a named activation"
        )
    return {
        "type": "StochasticRNN",
        "activation": model.activation,
        "linear_observation": model.linear_observation,
    }


def model_arrays(model: StochasticRNN) -> dict[str, np.ndarray]:
    """All parameters by name."""
    return {name: np.asarray(getattr(model, name)) for name in ARRAYS}


def model_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> StochasticRNN:
    """Rebuild a model.

    Raises:
        RekalError: an unknown type of model, or blocks that are missing or do not fit.
    """
    if config.get("type") != "StochasticRNN":
        raise RekalError(f"this version of rekal knows no model of type {config.get('type')!r}")
    if set(arrays) != set(ARRAYS):
        missing = ", ".join(sorted(set(ARRAYS) - set(arrays))) or "none"
        raise RekalError(f"the model file lacks parameter blocks (missing: {missing})")
    return StochasticRNN.create(
        **{name: jnp.asarray(array) for name, array in arrays.items()},
        activation=config["activation"],
        linear_observation=config["linear_observation"],
    )
