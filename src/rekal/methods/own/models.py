"""Models of one's own: which method learns the parameters of which class of model."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rekal.foundation.errors import RekalError
from rekal.methods.own.base import OwnModel
from rekal.methods.own.functions import OwnNonlinear, OwnParametric
from rekal.methods.own.linear import OwnContinuous, OwnLinear
from rekal.methods.own.network import OwnNetwork, OwnRBF
from rekal.methods.own.structure import OwnStructure
from rekal.methods.registry import names

MODELS = {
    "StochasticRNN": "rekal.models.stochastic_rnn",
    "RBFNetwork": "rekal.models.rbf",
    "LinearGaussian": "rekal.models.linear",
    "LinearContinuous": "rekal.models.continuous",
    "NonlinearGaussian": "rekal.models.nonlinear",
    "ParametricModel": "rekal.models.parametric",
    "Structure": "rekal.models.structures.structures",
}
"""The classes of models whose parameters can be learned, and the modules in which they stand."""

METHODS: dict[str, type[OwnModel | OwnStructure]] = {
    "StochasticRNN": OwnNetwork,
    "RBFNetwork": OwnRBF,
    "LinearGaussian": OwnLinear,
    "LinearContinuous": OwnContinuous,
    "NonlinearGaussian": OwnNonlinear,
    "ParametricModel": OwnParametric,
    "Structure": OwnStructure,
}
"""The method of each class of models."""


def method_of(model: Any) -> OwnModel | OwnStructure:
    """The method that learns the parameters of a model.

    Args:
        model: an object of one of the classes of `MODELS`.

    Raises:
        RekalError: its parameters cannot be learned, or it is no model.
    """
    for name, module in MODELS.items():
        if isinstance(model, getattr(import_module(module), name)):
            return METHODS[name](model=model)
    from rekal.models.base import StateSpaceModel
    from rekal.models.time_varying import LinearTimeVarying

    if isinstance(model, LinearTimeVarying):
        raise RekalError(
            "a LinearTimeVarying does not say which of its stacks are to be learned: write it as a "
            "function of parameters (rekal.ParametricModel.create)"
        )
    if isinstance(model, StateSpaceModel):
        raise RekalError(
            f"a {type(model).__name__} cannot be learned yet, only filtered, smoothed and simulated: "
            f"rekal.fit learns {', '.join(MODELS)} and the models by name ({', '.join(names())})"
        )
    raise RekalError(
        f"a model is a name, a method, or one of {', '.join(MODELS)}, not {type(model).__name__}"
    )
