"""Models as a JSON configuration plus named arrays, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekal.errors import RekalError
from rekal.models.gaussian import GaussianModel
from rekal.models.linear import LinearGaussian
from rekal.models.stochastic_rnn import StochasticRNN

ARRAYS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


def model_config(model: GaussianModel) -> dict[str, Any]:
    """What is not an array.

    Raises:
        RekalError: the activation is a function and not a name, or the model is of a kind that a file
            cannot hold.
    """
    if isinstance(model, LinearGaussian):
        return {"type": "LinearGaussian", "initial": model.initial, "flat": list(model.flat)}
    if not isinstance(model, StochasticRNN):
        raise RekalError(
            f"a {type(model).__name__} cannot be saved: a file holds a StochasticRNN or a LinearGaussian"
        )
    if callable(model.activation):
        raise RekalError(
            "a model whose activation is your own function cannot be saved: use a named activation"
        )
    return {
        "type": "StochasticRNN",
        "activation": model.activation,
        "linear_observation": model.linear_observation,
    }


def model_arrays(model: GaussianModel) -> dict[str, np.ndarray]:
    """All parameters by name."""
    return {name: np.asarray(getattr(model, name)) for name in ARRAYS}


def model_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> GaussianModel:
    """Rebuild a model.

    Raises:
        RekalError: an unknown type of model, or blocks that are missing or do not fit.
    """
    build = BUILDERS.get(str(config.get("type")))
    if build is None:
        raise RekalError(f"this version of rekal knows no model of type {config.get('type')!r}")
    if set(arrays) != set(ARRAYS):
        missing = ", ".join(sorted(set(ARRAYS) - set(arrays))) or "none"
        raise RekalError(f"the model file lacks parameter blocks (missing: {missing})")
    return build({name: jnp.asarray(array) for name, array in arrays.items()}, config)


def _network(arrays: dict[str, Array], config: dict[str, Any]) -> StochasticRNN:
    return StochasticRNN.create(
        **arrays,
        activation=config["activation"],
        linear_observation=config["linear_observation"],
    )


def _linear(arrays: dict[str, Array], config: dict[str, Any]) -> LinearGaussian:
    flat = tuple(config["flat"]) if config["initial"] == "diffuse" else None
    return LinearGaussian.create(**arrays, initial=config["initial"], flat=flat)


BUILDERS: dict[str, Callable[[dict[str, Array], dict[str, Any]], GaussianModel]] = {
    "StochasticRNN": _network,
    "LinearGaussian": _linear,
}
"""How each type of model is rebuilt."""
