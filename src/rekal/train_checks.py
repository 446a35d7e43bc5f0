"""What `rekal.fit` refuses before anything is trained: learners and arguments that do not go with a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekal.arguments import real, whole
from rekal.errors import RekalError
from rekal.learning.backprop import Backprop
from rekal.learning.em import EM
from rekal.learning.likelihood import MaximumLikelihood
from rekal.learning.simulation_error import SimulationError
from rekal.models.base import StateSpaceModel
from rekal.models.continuous import LinearContinuous
from rekal.models.linear import LinearGaussian
from rekal.models.nonlinear import NonlinearGaussian
from rekal.models.parametric import ParametricModel
from rekal.models.rbf import RBFNetwork
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.models.structures import Structure
from rekal.models.time_varying import LinearTimeVarying
from rekal.sequences import Sequences
from rekal.sequences.numeric import holds_tables
from rekal.suggest import choices
from rekal.train_driven import DrivenOptions
from rekal.train_network import NetworkOptions, RBFOptions
from rekal.train_recurrent import NETWORKS, RecurrentOptions
from rekal.train_structure import STRUCTURES

MODELS = ("em-rnn", "driven-rnn", "rbf", "linear", *NETWORKS, *STRUCTURES)
MOST = {"kernels": 10_000, "units": 10_000, "restarts": 10_000, "trial_iterations": 10_000_000}
"""More than anybody has use for; beyond it is a slip that would fill the memory."""
Learner = EM | MaximumLikelihood | SimulationError | Backprop


def read_data(data: Any) -> Sequences:
    """The data as `Sequences`: frames are read by their names and time stamps.

    Raises:
        RekalError: neither `Sequences` nor frames, or frames that cannot be read.
    """
    if isinstance(data, Sequences):
        return data
    if holds_tables(data):
        return Sequences.from_pandas(data)
    raise RekalError(
        f"rekal.fit learns from Sequences or frames, not from {type(data).__name__}: make some with "
        "Sequences.from_arrays; networks that watch Frames are trained by Backprop.run"
    )


def check_model(model: Any) -> None:
    """Refuse what cannot be learned: other models than those that a learner knows the parameters of.

    Raises:
        RekalError: an unknown name, or a model of another class.
    """
    if isinstance(model, str):
        if model not in MODELS:
            raise RekalError(f"unknown model {model!r}: {choices(model, MODELS)}")
        return
    learned = (StochasticRNN, RBFNetwork, LinearGaussian, LinearContinuous, NonlinearGaussian,
               ParametricModel, Structure)  # fmt: skip
    if isinstance(model, learned):
        return
    names = ", ".join(kind.__name__ for kind in learned)
    if isinstance(model, LinearTimeVarying):
        raise RekalError(
            "a LinearTimeVarying does not say which of its stacks are to be learned: write it as a "
            "function of parameters (rekal.ParametricModel.create)"
        )
    if isinstance(model, StateSpaceModel):
        raise RekalError(
            f"a {type(model).__name__} cannot be learned yet, only filtered, smoothed and simulated: "
            f"rekal.fit learns {names} and the models by name ({', '.join(MODELS)})"
        )
    raise RekalError(f"a model is a name, or one of {names}, not {type(model).__name__}")


def check_learner(model: Any, learner: Learner | None) -> None:
    """Refuse a learner that cannot train a model.

    Raises:
        RekalError: it cannot, or is none.
    """
    if learner is not None and not isinstance(learner, Learner):
        raise RekalError(
            f"a learner is an EM, MaximumLikelihood, SimulationError or Backprop, not {learner!r}"
        )
    if learner is not None and isinstance(learner, SimulationError) != (model == "driven-rnn"):
        raise RekalError("SimulationError trains the model driven-rnn, and nothing else does")
    if learner is not None and isinstance(learner, Backprop) != (model in NETWORKS):
        raise RekalError(f"Backprop trains {', '.join(NETWORKS)} here, and nothing else does")
    if isinstance(learner, Backprop) and learner.hold_out:
        raise RekalError(
            "hold_out of Backprop is a share of whole series: give that of fit instead"
        )
    network = isinstance(model, StochasticRNN | RBFNetwork) or model in ("em-rnn", "rbf")
    if network and isinstance(learner, MaximumLikelihood):
        raise RekalError("a network has no exact likelihood to maximise: train it by EM")
    if model == "rbf" and isinstance(learner, EM) and learner.smoother != "gaussian":
        raise RekalError("the model rbf is trained by EM(smoother='gaussian'), not by particles")
    if isinstance(model, LinearContinuous) and isinstance(learner, EM):
        raise RekalError(
            "a model in continuous time has no closed-form M-step: use MaximumLikelihood"
        )
    if isinstance(model, ParametricModel | NonlinearGaussian) and isinstance(learner, EM):
        raise RekalError(
            f"a {type(model).__name__} has no closed-form M-step: use MaximumLikelihood"
        )
    structure = isinstance(model, Structure) or model in STRUCTURES
    if structure and isinstance(learner, EM):
        raise RekalError(
            "the parameters of a structure have no closed-form M-step: use MaximumLikelihood"
        )


def check_arguments(data: Sequences, model: Any, told: dict[str, Any]) -> None:
    """Refuse what is out of range, and what the model has no use for.

    Args:
        data: what is trained on.
        model: a name or a model.
        told: the arguments of `rekal.fit` that were given.

    Raises:
        RekalError: the first such argument.
    """
    if not isinstance(model, str):
        if told:
            raise RekalError(
                f"{next(iter(told))} is of no use to a model of your own: leave it out"
            )
        return
    useful = {
        "em-rnn": tuple(NetworkOptions.__dataclass_fields__),
        "driven-rnn": tuple(DrivenOptions.__dataclass_fields__),
        "rbf": tuple(RBFOptions.__dataclass_fields__),
        "linear": ("states",),
        **dict.fromkeys(NETWORKS, tuple(RecurrentOptions.__dataclass_fields__)),
        "rkn": ("states", "hold_out", "checkpoint"),
    }
    for name in told:
        if name not in useful.get(model, ("states", "period")):
            raise RekalError(f"{name} is of no use to the model {model}: leave it out")
    longest = int(np.max(data.lengths))
    for name in ("states", "kernels", "units", "restarts", "trial_iterations"):
        if name in told:
            told[name] = whole(name, told[name], most=MOST.get(name))
    for name in ("hold_out", "period"):
        if name in told:
            real(name, told[name])
    if told.get("period", 0) >= longest:
        raise RekalError(
            f"a period of {told['period']:g} steps cannot be seen in {longest} samples: it must be shorter"
        )
    states, hold_out = told.get("states"), told.get("hold_out")
    wanted = states or {"em-rnn": 5, "driven-rnn": 3, "rbf": 2, **dict.fromkeys(NETWORKS, 10)}.get(
        model, 1
    )
    if wanted >= longest:
        raise RekalError(
            f"{wanted} states cannot be learned from {longest} samples: use fewer states or more data"
        )
    if hold_out is not None and not 0 < hold_out < 1:
        raise RekalError(f"hold_out must lie between 0 and 1, but is {hold_out}")
