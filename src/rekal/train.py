"""`rekal.fit`: data in, trained model out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rekal.errors import RekalError
from rekal.fit import Fit
from rekal.forecast import Labels
from rekal.history import History
from rekal.learning.em import EM, Progress
from rekal.models.activations import Activation
from rekal.models.linear import LinearGaussian
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.progress import progress_bar
from rekal.sequences import Sequences
from rekal.sequences.checks import check_learnable
from rekal.sequences.standardiser import Standardiser
from rekal.train_linear import train_linear
from rekal.train_network import NetworkOptions, train_network

MODELS = ("em-rnn", "linear")


def fit(
    data: Sequences,
    model: str | StochasticRNN | LinearGaussian = "em-rnn",
    learner: EM | None = None,
    *,
    states: int | None = None,
    restarts: int | None = None,
    hold_out: float | None = None,
    trial_iterations: int | None = None,
    activation: Activation | None = None,
    linear_observation: bool | None = None,
    seed: int = 0,
    progress: bool | Callable[[str, Progress], None] = True,
) -> Fit:
    """Learn the dynamics under one or several noisy series.

    Args:
        data: what was measured; missing entries and ragged series are fine.
        model: "em-rnn" or "linear", which standardise the data and start by themselves, or a
            `StochasticRNN` or `LinearGaussian` of your own to start from, whose parameters are taken to be
            in the raw units of the data.
        learner: how to train; default `EM()`.
        states: number of state variables (of a model given by name); default 5 for "em-rnn", for "linear"
            the number with the least BIC.
        restarts: number of starts of "em-rnn" that compete on held-out likelihood: one by subspace
            identification when there are several columns, the others random; default 3.
        hold_out: share of each series that judges the starts of "em-rnn"; the winner is trained on
            everything; default 0.2.
        trial_iterations: EM iterations of each of these trials; default 40.
        activation: elementwise function of the hidden units of "em-rnn"; default "tanh".
        linear_observation: the outputs of "em-rnn" read `C x` instead of `C f(x)`; default False.
        seed: start of all randomness; the same seed gives the same fit.
        progress: True shows a bar on stderr; a function is called after each iteration.

    Raises:
        RekalError: the data cannot be learned from (a constant column, fewer than ten samples,
            fewer samples than states, ...), or an argument is out of range or belongs to another model.
    """
    check_learnable(data, "the data")
    if isinstance(model, str) and model not in MODELS:
        raise RekalError(f"unknown model {model!r}: use one of {', '.join(MODELS)}")
    given = {
        "states": states,
        "restarts": restarts,
        "hold_out": hold_out,
        "trial_iterations": trial_iterations,
        "activation": activation,
        "linear_observation": linear_observation,
    }
    told = {name: value for name, value in given.items() if value is not None}
    _check_arguments(data, model, told)
    own = not isinstance(model, str)
    standardiser = _identity(data) if own else Standardiser.of(data)
    prepared = standardiser.apply(data)
    volume = standardiser.log_volume(data)
    with progress_bar(progress, volume) as report:
        if isinstance(model, LinearGaussian) or model == "linear":
            start = model if isinstance(model, LinearGaussian) else None
            found = train_linear(prepared, start, learner, states, report)
        else:
            start = model if isinstance(model, StochasticRNN) else None
            em = EM() if learner is None else learner
            options = NetworkOptions(**told)
            found = train_network(prepared, start, em, options, standardiser, seed, report)
    return Fit(
        model=found.result.model,
        standardiser=standardiser,
        history=History(
            log_likelihood=found.result.log_likelihood - volume,
            trials=found.trials,
            stopped=found.result.stopped,
            seconds=found.result.seconds,
            entries=int(np.asarray(data.mask).sum()),
        ),
        filtering=found.filtering,
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=model if isinstance(model, str) else "own",
    )


def _identity(data: Sequences) -> Standardiser:
    p, k = data.observations, data.n_inputs
    inputs = (np.zeros(k), np.ones(k)) if k else (None, None)
    return Standardiser(np.zeros(p), np.ones(p), *inputs)


def _check_arguments(data: Sequences, model: Any, told: dict[str, Any]) -> None:
    """Refuse what is out of range, and what the model has no use for."""
    if not isinstance(model, str):
        if told:
            raise RekalError(
                f"{next(iter(told))} is of no use to a model of your own: leave it out"
            )
        return
    for name in told:
        if model == "linear" and name != "states":
            raise RekalError(f"{name} belongs to em-rnn: the linear model has no use for it")
    states, restarts, hold_out = (told.get(k) for k in ("states", "restarts", "hold_out"))
    if states is not None and states < 1:
        raise RekalError(f"states must be at least 1, but is {states}")
    longest = int(np.max(data.lengths))
    wanted = states or (5 if model == "em-rnn" else 1)
    if wanted >= longest:
        raise RekalError(
            f"{wanted} states cannot be learned from {longest} samples: use fewer states or more data"
        )
    if restarts is not None and restarts < 1:
        raise RekalError(f"restarts must be at least 1, but is {restarts}")
    if hold_out is not None and not 0 < hold_out < 1:
        raise RekalError(f"hold_out must lie between 0 and 1, but is {hold_out}")
