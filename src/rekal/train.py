"""`rekal.fit`: data in, trained model out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rekal.arguments import seed_of
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.filters.gaussian import GaussianFilter
from rekal.first_state import first_state
from rekal.fit import Fit
from rekal.fit_base import Data
from rekal.fit_network import NetworkFit
from rekal.forecast import Labels
from rekal.history import History
from rekal.interrupts import interruptible
from rekal.learning.backprop import Backprop
from rekal.learning.em import EM, Progress
from rekal.learning.likelihood import MaximumLikelihood
from rekal.learning.simulation_error import SimulationError
from rekal.models.activations import Activation
from rekal.models.base import StateSpaceModel
from rekal.models.continuous import LinearContinuous
from rekal.models.linear import LinearGaussian
from rekal.models.linear_model import LinearModel
from rekal.models.nonlinear import NonlinearGaussian
from rekal.models.parametric import ParametricModel
from rekal.models.rbf import RBFNetwork
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.models.structure_units import with_one_scale
from rekal.models.structures import Structure
from rekal.progress import progress_bar
from rekal.sequences import Sequences
from rekal.sequences.checks import check_learnable
from rekal.sequences.standardiser import Standardiser
from rekal.sequences.volume import log_volume
from rekal.train_checks import Learner, check_arguments, check_learner, check_model, read_data
from rekal.train_driven import DrivenOptions, train_driven
from rekal.train_linear import LINEAR_EM, train_linear
from rekal.train_network import RBF_EM, NetworkOptions, RBFOptions, train_network
from rekal.train_own import train_own
from rekal.train_recurrent import NETWORKS, USUAL, RecurrentOptions, train_recurrent
from rekal.train_structure import STRUCTURES, StructureOptions, structure_of, train_structure

Kind = TypeVar("Kind", Fit, NetworkFit)


def fit(
    data: Data,
    model: str | StateSpaceModel | Structure | ParametricModel = "em-rnn",
    learner: Learner | None = None,
    *,
    states: int | None = None,
    kernels: int | None = None,
    units: int | None = None,
    restarts: int | None = None,
    hold_out: float | None = None,
    trial_iterations: int | None = None,
    activation: Activation | None = None,
    linear_observation: bool | None = None,
    period: int | float | None = None,
    filtering: str | Filtering | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    progress: bool | Callable[[str, Progress], None] = True,
) -> Fit | NetworkFit:
    """Learn the dynamics under one or several noisy series.

    Args:
        data: what was measured, as `Sequences`, or as a frame of pandas or a list of frames, which
            `Sequences.from_pandas` reads; missing entries and ragged series are fine.
        model: "em-rnn", "driven-rnn" (a network with inputs that is to simulate freely), "rbf" or "linear",
            which standardise the data and start by themselves; "rkn", "lstm", "gru" or "elman", recurrent
            networks that forecast the next row and do the same; a
            structure: "local-level", "local-linear-trend", "seasonal", "oscillator", "constant-velocity",
            "constant-acceleration" or "ar"; or a `StochasticRNN`, `RBFNetwork`, `LinearGaussian`,
            `LinearContinuous`, `NonlinearGaussian` (two functions), `ParametricModel` (a function of
            parameters) or `Structure` of your own to start from, whose parameters are taken to be
            in the raw units of the data. Series that are sampled irregularly need a `LinearContinuous`,
            a structure that has a form in continuous time, or a network.
        learner: how to train: `EM` for networks and linear models, `MaximumLikelihood` for structures,
            linear models, models in continuous time and models written as functions, `SimulationError` for
            "driven-rnn", `Backprop` for recurrent networks; default with settings that fit the model.
        states: number of state variables of "em-rnn" (default 5), "rbf" (default 2) and "linear" (default:
            the number with the least BIC), number of lags of "ar" (default 2), size of the latent
            observation of recurrent networks (default 10).
        units: number of bounded units of "driven-rnn", beside its `states` linear ones (default 3);
            default 8. Length of the hidden vector of "lstm", "gru" and "elman"; default 4 for each state.
        kernels: number of radial basis functions of "rbf"; default 10.
        restarts: number of starts of "em-rnn" that compete on held-out likelihood: one by subspace
            identification when there are several columns, the others random; default 3. Of "driven-rnn":
            random starts that compete on training loss; default 8.
        hold_out: share of each series that judges the starts of "em-rnn" and "rbf"; the winner is trained
            on everything; default 0.2. Of recurrent networks: the end of each series that is not trained on
            but chooses the epoch; default 0.2.
        trial_iterations: EM iterations of each of these trials; default 40.
        activation: elementwise function of the hidden units of "em-rnn"; default "tanh".
        linear_observation: the outputs of "em-rnn" read `C x` instead of `C f(x)`; default False.
        period: steps per season of "seasonal", or where the search of "oscillator" begins.
        filtering: what filters the trained model, and so forecasts and follows a stream: "kalman",
            "extended", "unscented", "particles", or a `Filtering` with settings of your own. Default: the
            Kalman filter for linear models, particles for "em-rnn", the unscented filter for "rbf" and
            `NonlinearGaussian`, whose likelihood by this filter is what is maximised.
        checkpoint: folder for a checkpoint after each epoch of a recurrent network; the same call
            continues from there.
        seed: start of all randomness; the same seed gives the same fit.
        progress: True shows a bar on stderr; a function is called after each iteration.

    Raises:
        RekalError: the data cannot be learned from (a constant column, fewer than ten samples,
            fewer samples than states, ...), the model has no learner, an argument is out of range or belongs
            to another model, or the filter cannot filter the model.
        KeyboardInterrupt: Ctrl-C before anything was learned. Later it ends the training with the best so
            far, and the diagnosis of a finished training at once, without its diagnostics.
    """
    data = read_data(data)
    seed = seed_of(seed)
    check_learnable(data, "the data")
    check_model(model)
    given = {
        "states": states,
        "kernels": kernels,
        "units": units,
        "restarts": restarts,
        "hold_out": hold_out,
        "trial_iterations": trial_iterations,
        "activation": activation,
        "linear_observation": linear_observation,
        "period": period,
        "checkpoint": checkpoint,
    }
    told = {name: value for name, value in given.items() if value is not None}
    check_arguments(data, model, told)
    check_learner(model, learner)
    if isinstance(model, str) and model in NETWORKS:
        if filtering is not None:
            raise RekalError("a network is its own filter: leave filtering out")
        assert learner is None or isinstance(learner, Backprop)
        options = RecurrentOptions(**told)
        return _judged(train_recurrent(data, model, learner, options, seed, progress), data)
    assert not isinstance(learner, Backprop)
    standardiser = _standardiser(data, model)
    prepared = standardiser.apply(data)
    structure = model if isinstance(model, Structure) else None
    if isinstance(model, str) and model in STRUCTURES:
        structure = structure_of(model, data, StructureOptions(states, period))
    diffuse = 0 if structure is None else len(structure.build().diffuse)
    volume = float(log_volume(np.asarray(data.mask), np.asarray(standardiser.scale), diffuse).sum())
    with progress_bar(progress, volume) as report:
        if structure is not None:
            assert not isinstance(learner, EM | SimulationError)
            own = not isinstance(model, str)
            found = train_structure(
                prepared, structure, learner, standardiser, filtering, report, own=own
            )
        elif isinstance(model, ParametricModel | NonlinearGaussian):
            assert not isinstance(learner, EM | SimulationError)
            found = train_own(prepared, model, learner, filtering, report)
        elif isinstance(model, LinearGaussian | LinearContinuous) or model == "linear":
            start = model if isinstance(model, LinearGaussian | LinearContinuous) else None
            assert not isinstance(learner, SimulationError)
            found = train_linear(prepared, start, learner, states, filtering, report)
        elif model == "driven-rnn":
            assert not isinstance(learner, EM | MaximumLikelihood)
            options = DrivenOptions(**told)
            found = train_driven(prepared, learner, options, filtering, seed, report)
        else:
            start = None if isinstance(model, str) else model
            assert start is None or isinstance(start, StochasticRNN | RBFNetwork)
            assert not isinstance(learner, MaximumLikelihood | SimulationError)
            radial = model == "rbf" or isinstance(model, RBFNetwork)
            usual = RBF_EM if radial else {}
            em = EM(**usual) if learner is None else learner
            options = RBFOptions(**told) if radial else NetworkOptions(**told)
            how = (standardiser, filtering, seed, report)
            found = train_network(prepared, start, em, options, *how)
    trained = Fit(
        model=found.result.model,
        standardiser=standardiser,
        history=History(
            log_likelihood=found.result.log_likelihood - volume,
            trials=found.trials,
            stopped=found.result.stopped,
            seconds=found.result.seconds,
            entries=int(np.asarray(data.mask).sum()),
            criteria=found.criteria,
        ),
        filtering=found.filtering,
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=model if isinstance(model, str) else "own",
        parameters=found.parameters,
        uncertainty=found.uncertainty,
    )
    if isinstance(trained.model, LinearModel) and trained.model.diffuse:
        assert isinstance(trained.algorithm, GaussianFilter)
        trained = dataclasses.replace(trained, first=first_state(trained.algorithm, prepared))
    return _judged(trained, data)


def default_learner(model: str, **settings: Any) -> Learner:
    """The learner of a model given by name, with some settings of your own.

    Args:
        model: one of `MODELS`.
        settings: as for `EM`, for `MaximumLikelihood` where the model is a structure, for
            `SimulationError` where it is "driven-rnn", and for `Backprop` where it is a recurrent network.

    Raises:
        RekalError: a setting is of no use to this model.
    """
    if model == "linear":
        useful = ("iterations", "tolerance", "freeze", "fixed", "process_noise", "observation_noise",
                  "strength")  # fmt: skip
        useless = [name for name in settings if name not in useful]
        known = {**LINEAR_EM, **settings}
        kind: Any = EM
    elif model == "rbf":
        particular = ("particles", "proposal", "trajectories", "smoother", "warm_start")
        useless = [name for name in settings if name in particular]
        known, kind = {**RBF_EM, **settings}, EM
    elif model == "driven-rnn":
        useless = [name for name in settings if name not in ("iterations", "tolerance")]
        known, kind = settings, SimulationError
    elif model in NETWORKS:
        useless = [name for name in settings if name not in Backprop.__dataclass_fields__]
        known, kind = {**USUAL, **settings}, Backprop
    elif model == "em-rnn":
        useless = [name for name in settings if name not in EM.__dataclass_fields__]
        known, kind = settings, EM
    else:
        useful = ("iterations", "tolerance", "freeze")
        useless = [name for name in settings if name not in useful]
        known, kind = settings, MaximumLikelihood
    if useless:
        raise RekalError(f"{useless[0]} is of no use to the model {model}: leave it out")
    return kind(**known)


def _judged(trained: Kind, data: Sequences) -> Kind:
    """The same with diagnostics of the training data; Ctrl-C leaves them out."""
    try:
        diagnostics = interruptible(lambda: trained.diagnose(data))
    except RekalError:  # the filter breaks down on these data, and says so when it is used
        return trained
    except KeyboardInterrupt:  # what was learned is not lost
        return trained
    history = dataclasses.replace(trained.history, diagnostics=diagnostics)
    return dataclasses.replace(trained, history=history)


def _standardiser(data: Sequences, model: Any) -> Standardiser:
    """Names and structures standardise; one's own models nothing.

    The columns of a structure share one scale, for they share their noise.
    """
    if isinstance(model, Structure) or model in STRUCTURES:
        return with_one_scale(Standardiser.of(data))
    if model in ("em-rnn", "driven-rnn", "rbf", "linear"):
        return Standardiser.of(data)
    p, k = data.observations, data.n_inputs
    inputs = (np.zeros(k), np.ones(k)) if k else (None, None)
    return Standardiser(np.zeros(p), np.ones(p), *inputs)
