"""Models of one's own: which method learns the parameters of which class of model."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rekalman.foundation.errors import RekalError
from rekalman.methods.own.base import OwnModel
from rekalman.methods.own.film import OwnFilm
from rekalman.methods.own.functions import OwnNonlinear, OwnParametric
from rekalman.methods.own.linear import OwnContinuous, OwnLinear
from rekalman.methods.own.network import OwnNetwork, OwnRBF
from rekalman.methods.own.structure import OwnStructure
from rekalman.methods.registry import names

MODELS = {
    "StochasticRNN": "rekalman.models.stochastic_rnn",
    "RBFNetwork": "rekalman.models.rbf",
    "LinearGaussian": "rekalman.models.linear",
    "LinearContinuous": "rekalman.models.continuous",
    "NonlinearGaussian": "rekalman.models.nonlinear",
    "ParametricModel": "rekalman.models.parametric",
    "Structure": "rekalman.models.structures.structures",
    "Network": "rekalman.networks.network",
}
"""The classes of models whose parameters can be learned, and the modules in which they stand."""

METHODS: dict[str, type[OwnModel | OwnStructure | OwnFilm]] = {
    "StochasticRNN": OwnNetwork,
    "RBFNetwork": OwnRBF,
    "LinearGaussian": OwnLinear,
    "LinearContinuous": OwnContinuous,
    "NonlinearGaussian": OwnNonlinear,
    "ParametricModel": OwnParametric,
    "Structure": OwnStructure,
    "Network": OwnFilm,
}
"""The method of each class of models."""


def method_of(model: Any) -> OwnModel | OwnStructure | OwnFilm:
    """The method that learns the parameters of a model.

    Args:
        model: an object of one of the classes of `MODELS`.

    Raises:
        RekalError: its parameters cannot be learned, or it is no model.
    """
    for name, module in MODELS.items():
        if isinstance(model, getattr(import_module(module), name)):
            return METHODS[name](model=model)
    from rekalman.models.base import StateSpaceModel
    from rekalman.models.time_varying import LinearTimeVarying

    if isinstance(model, LinearTimeVarying):
        raise RekalError(
            "a LinearTimeVarying does not say which of its stacks are to be learned: write it as a "
            "function of parameters (rekalman.ParametricModel.create)"
        )
    if isinstance(model, StateSpaceModel):
        raise RekalError(
            f"a {type(model).__name__} cannot be learned yet, only filtered, smoothed and simulated: "
            f"rekalman.fit learns {', '.join(MODELS)} and the models by name ({', '.join(names())})"
        )
    raise RekalError(
        f"a model is a name, a method, or one of {', '.join(MODELS)}, not {type(model).__name__}"
    )
