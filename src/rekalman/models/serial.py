"""Models as a JSON configuration plus named arrays, and back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from jaxtyping import Array

from rekalman.core.serial import Codec, store_by
from rekalman.foundation.entries import Entries, floats
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import check_block_shapes, check_covariances, check_stable_flow
from rekalman.models.continuous import LinearContinuous
from rekalman.models.defaults import Initial
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import Kernels, RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import stored_precision

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
    name, settings = type(model).__name__, model.stored_settings()
    if name not in ARRAYS:
        raise RekalError(f"a {name} cannot be saved: a file holds one of {', '.join(ARRAYS)}")
    return {"type": name, **settings}


def model_arrays(model: GaussianModel) -> dict[str, np.ndarray]:
    """All parameters by name."""
    names = ARRAYS[type(model).__name__]
    return {name: np.asarray(operator.attrgetter(name)(model)) for name in names}


def model_from(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> GaussianModel:
    """Rebuild a model, in the precision in which it was stored.

    Raises:
        RekalError: an unknown type of model; blocks or settings that are missing, unknown, of another kind,
            or that do not fit.
    """
    with stored_precision(arrays):
        return _built(config, arrays)


def _built(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> GaussianModel:
    kind = str(config.get("type"))
    build = BUILDERS.get(kind)
    if build is None:
        raise RekalError(f"this version of rekalman knows no model of type {config.get('type')!r}")
    left = dict(arrays)
    blocks = {name: placed(floats(left, name, None, "model.")) for name in ARRAYS[kind]}
    if left:
        raise RekalError(f"a {kind} has no block '{min(left)}' in this version of rekalman")
    for name in ("A", "F", "C"):
        if name in blocks and (blocks[name].ndim != 2 or 0 in blocks[name].shape):
            raise RekalError(
                f"the array 'model.{name}' has shape {blocks[name].shape}: it is no matrix"
            )
    for name in ("B", "D"):
        if name in blocks and blocks[name].ndim != 2:
            raise RekalError(
                f"the array 'model.{name}' has shape {blocks[name].shape}: it is no matrix"
            )
    entries = Entries(config, "model")
    entries.take("type", str)
    model = build(blocks, entries)
    entries.end()
    check_covariances({name: blocks[name] for name in ("Q", "R", "P")})
    return model


def _network(arrays: dict[str, Array], config: Entries) -> StochasticRNN:
    return StochasticRNN.create(
        **arrays,
        activation=config.take("activation", str),
        linear_observation=config.take("linear_observation", bool),
        linear_units=config.take(
            "linear_units", int, default=0
        ),  # files of older versions have none
    )


def _start(config: Entries, states: int) -> dict[str, Any]:
    """How the first state is known.

    Raises:
        RekalError: diffuse coordinates that the state has not, or that go with another start.
    """
    initial = config.take("initial", str, one_of=get_args(Initial))
    diffuse = config.items("flat", int)
    if diffuse and (
        initial != "diffuse"
        or len(set(diffuse)) < len(diffuse)
        or not all(0 <= k < states for k in diffuse)
    ):
        raise RekalError(f"'model.flat' names no coordinates of {states} states with this start")
    return {"initial": initial, "flat": diffuse}


def _linear(arrays: dict[str, Array], config: Entries) -> LinearGaussian:
    start = _start(config, len(arrays["A"]))
    diffuse = start["flat"] if start["initial"] == "diffuse" else None
    return LinearGaussian.create(**arrays, initial=start["initial"], flat=diffuse)


def _continuous(arrays: dict[str, Array], config: Entries) -> LinearContinuous:
    start, interval = _start(config, len(arrays["F"])), config.number("interval", above=0)
    inputs = arrays["G"].shape[-1] if arrays["G"].ndim == 2 else 0
    check_block_shapes(arrays, len(arrays["F"]), len(arrays["C"]), inputs)
    if start["initial"] == "stationary":
        check_stable_flow(arrays["F"])
    return LinearContinuous(**arrays, interval=interval, **start)


def _radial(arrays: dict[str, Array], config: Entries) -> RBFNetwork:
    kernels, output = (Kernels(*(arrays[name] for name in RADIAL[k : k + 2])) for k in (0, 2))
    blocks = {name: array for name, array in arrays.items() if name not in RADIAL}
    return RBFNetwork.create(**blocks, kernels=kernels, output_kernels=output)


BUILDERS: dict[str, Callable[[dict[str, Array], Entries], GaussianModel]] = {
    "StochasticRNN": _network,
    "LinearGaussian": _linear,
    "LinearContinuous": _continuous,
    "RBFNetwork": _radial,
}
"""How each type of model is rebuilt."""


def register_models() -> None:
    """Let trees of modules that hold a model be stored (`core/serial.py`)."""
    store_by("model", Codec(GaussianModel, model_config, model_arrays, model_from))
