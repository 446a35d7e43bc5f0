"""Models as a JSON configuration plus named arrays, and back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekal.errors import RekalError
from rekal.models.continuous import LinearContinuous
from rekal.models.gaussian import GaussianModel
from rekal.models.linear import LinearGaussian
from rekal.models.rbf import Kernels, RBFNetwork
from rekal.models.stochastic_rnn import StochasticRNN

LINEAR = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")
FLOW = ("F", "G", "g", "C", "D", "d", "Q", "R", "m", "P")
RADIAL = ("kernels.centers", "kernels.spreads", "output_kernels.centers", "output_kernels.spreads")
ARRAYS = {
    "StochasticRNN": LINEAR,
    "LinearGaussian": LINEAR,
    "LinearContinuous": FLOW,
    "RBFNetwork": (*LINEAR, "H", "G", *RADIAL),
}
"""The arrays of each type of model, by what they are called in it."""


def model_config(model: GaussianModel) -> dict[str, Any]:
    """What is not an array.

    Raises:
        RekalError: the activation is a function and not a name, or the model is of a kind that a file
            cannot hold.
    """
    name = type(model).__name__
    if name not in ARRAYS:
        raise RekalError(f"a {name} cannot be saved: a file holds one of {', '.join(ARRAYS)}")
    config: dict[str, Any] = {"type": name}
    if isinstance(model, LinearContinuous):
        config["interval"] = model.interval
    if isinstance(model, LinearGaussian | LinearContinuous):
        return {**config, "initial": model.initial, "flat": list(model.flat)}
    if not isinstance(model, StochasticRNN):
        return config
    if callable(model.activation):
        raise RekalError(
            "a model whose activation is your own function cannot be saved: use a named activation"
        )
    return {
        **config,
        "activation": model.activation,
        "linear_observation": model.linear_observation,
        "linear_units": model.linear_units,
    }


def model_arrays(model: GaussianModel) -> dict[str, np.ndarray]:
    """All parameters by name."""
    names = ARRAYS[type(model).__name__]
    return {name: np.asarray(operator.attrgetter(name)(model)) for name in names}


def model_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> GaussianModel:
    """Rebuild a model.

    Raises:
        RekalError: an unknown type of model, or blocks that are missing or do not fit.
    """
    kind = str(config.get("type"))
    build = BUILDERS.get(kind)
    if build is None:
        raise RekalError(f"this version of rekal knows no model of type {config.get('type')!r}")
    if set(arrays) != set(ARRAYS[kind]):
        missing = ", ".join(sorted(set(ARRAYS[kind]) - set(arrays))) or "none"
        raise RekalError(f"the model file lacks parameter blocks (missing: {missing})")
    return build({name: jnp.asarray(array) for name, array in arrays.items()}, config)


def _network(arrays: dict[str, Array], config: dict[str, Any]) -> StochasticRNN:
    return StochasticRNN.create(
        **arrays,
        activation=config["activation"],
        linear_observation=config["linear_observation"],
        linear_units=config.get("linear_units", 0),  # files of older versions have none
    )


def _linear(arrays: dict[str, Array], config: dict[str, Any]) -> LinearGaussian:
    flat = tuple(config["flat"]) if config["initial"] == "diffuse" else None
    return LinearGaussian.create(**arrays, initial=config["initial"], flat=flat)


def _continuous(arrays: dict[str, Array], config: dict[str, Any]) -> LinearContinuous:
    start = {"initial": config["initial"], "flat": tuple(config["flat"])}
    return LinearContinuous(**arrays, interval=config["interval"], **start)


def _radial(arrays: dict[str, Array], config: dict[str, Any]) -> RBFNetwork:
    kernels, output = (Kernels(*(arrays[name] for name in RADIAL[k : k + 2])) for k in (0, 2))
    blocks = {name: array for name, array in arrays.items() if name not in RADIAL}
    return RBFNetwork.create(**blocks, kernels=kernels, output_kernels=output)


BUILDERS: dict[str, Callable[[dict[str, Array], dict[str, Any]], GaussianModel]] = {
    "StochasticRNN": _network,
    "LinearGaussian": _linear,
    "LinearContinuous": _continuous,
    "RBFNetwork": _radial,
}
"""How each type of model is rebuilt."""
