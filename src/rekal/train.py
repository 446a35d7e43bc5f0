"""`rekal.fit`: data in, trained model out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekal.errors import RekalError
from rekal.fit import Fit
from rekal.forecast import Labels
from rekal.history import History
from rekal.learning.batch import Batch, as_batch
from rekal.learning.em import EM, Progress
from rekal.learning.restarts import Trial, hide_after, try_starts
from rekal.learning.subspace import subspace_start
from rekal.models.activations import Activation
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.progress import progress_bar
from rekal.sequences import Sequences
from rekal.sequences.checks import check_learnable
from rekal.sequences.standardiser import Standardiser

MODELS = ("em-rnn",)

START_SCALE = 0.3  # standard deviation of the states at the start: tanh bends, but only a little


def fit(
    data: Sequences,
    model: str | StochasticRNN = "em-rnn",
    learner: EM | None = None,
    *,
    states: int = 5,
    restarts: int = 3,
    hold_out: float = 0.2,
    trial_iterations: int = 40,
    activation: Activation = "tanh",
    linear_observation: bool = False,
    seed: int = 0,
    progress: bool | Callable[[str, Progress], None] = True,
) -> Fit:
    """Learn the dynamics under one or several noisy series.

    Args:
        data: what was measured; missing entries and ragged series are fine.
        model: "em-rnn", which standardises the data and starts by itself, or a `StochasticRNN` of
            your own to start from, whose parameters are taken to be in the raw units of the data.
        learner: how to train; default `EM()`.
        states: number of hidden units (of a model given by name).
        restarts: number of starts that compete on held-out likelihood: one by subspace
            identification when there are several columns, the others random (of a model given by name).
        hold_out: share of each series that judges the starts; the winner is trained on everything.
        trial_iterations: EM iterations of each trial.
        activation: elementwise function of the hidden units (of a model given by name).
        linear_observation: the outputs read `C x` instead of `C f(x)` (of a model given by name).
        seed: start of all randomness; the same seed gives the same fit.
        progress: True shows a bar on stderr; a function is called after each iteration.

    Raises:
        RekalError: the data cannot be learned from (a constant column, fewer than ten samples,
            fewer samples than states, ...), or an argument is out of range.
    """
    em = EM() if learner is None else learner
    check_learnable(data, "the data")
    own = isinstance(model, StochasticRNN)
    if not own and model not in MODELS:
        raise RekalError(f"unknown model {model!r}: use one of {', '.join(MODELS)}")
    _check_numbers(data, states, restarts, hold_out)

    standardiser = _identity(data) if own else Standardiser.of(data)
    prepared = standardiser.apply(data)
    batch = as_batch(prepared)
    volume = standardiser.log_volume(data)
    entries = int(np.asarray(data.mask).sum())
    start_key, trial_key, run_key = jax.random.split(jax.random.key(seed), 3)

    with progress_bar(progress, volume) as report:
        trials: tuple[tuple[str, float], ...] = ()
        ranked: list[Trial] = []
        interrupted: Trial | None = None
        if isinstance(model, StochasticRNN):
            best = model
        else:
            starts = make_starts(
                prepared,
                batch,
                states,
                restarts,
                start_key,
                activation=activation,
                linear_observation=linear_observation,
            )
            best = starts[0][1]
            if len(starts) > 1:
                trial = dataclasses.replace(em, iterations=min(trial_iterations, em.iterations))
                ranked = try_starts(trial, starts, batch, hold_out, trial_key, report)
                best = ranked[0].result.model
                trials = _in_raw_units(ranked, batch, hold_out, standardiser)
                interrupted = next((t for t in ranked if t.result.stopped == "interrupted"), None)
        if interrupted is not None:
            result = ranked[0].result._replace(stopped="interrupted")
        else:
            told = None if report is None else lambda p: report("training", p)
            result = em.run(best, batch, run_key, told)
    return Fit(
        model=result.model,
        standardiser=standardiser,
        history=History(
            log_likelihood=result.log_likelihood - volume,
            trials=trials,
            stopped=result.stopped,
            seconds=result.seconds,
            entries=entries,
        ),
        particles=max(em.particles, 300),
        proposal=em.proposal,
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
    )


def make_starts(
    prepared: Sequences,
    batch: Batch,
    states: int,
    restarts: int,
    key: PRNGKeyArray,
    *,
    activation: Activation,
    linear_observation: bool,
) -> list[tuple[str, StochasticRNN]]:
    """Starts as in the paper (section 4.3), and with several columns one by subspace identification.

    With one column the subspace start gives each hidden unit a direction of its own, down to those
    that only fit noise, and wins trials by converging sooner; the paper's start, in which all units
    are nearly alike, ends up forecasting better. With several columns it is the other way round.

    Args:
        prepared: standardised data.
        batch: the same as arrays.
        states: number of hidden units.
        restarts: number of starts.
        key: randomness of the random ones.
        activation: elementwise function of the hidden units.
        linear_observation: the outputs read `C x` instead of `C f(x)`.
    """
    starts: list[tuple[str, StochasticRNN]] = []
    if batch.values.shape[-1] > 1:
        first = subspace_start(
            np.asarray(prepared.values),
            np.asarray(prepared.mask),
            states,
            inputs=None if prepared.inputs is None else np.asarray(prepared.inputs),
            lengths=np.asarray(prepared.lengths),
            scale=START_SCALE,
            activation=activation,
            linear_observation=linear_observation,
        )
        # In the basis of its eigenvectors the process noise is diagonal, as the M-step has it.
        starts.append(("subspace", rotate(first, jnp.linalg.eigh(first.Q)[1].T)))
    for i, one in enumerate(jax.random.split(key, restarts)[len(starts) :]):
        random = StochasticRNN.init(
            states,
            batch.values.shape[-1],
            key=one,
            inputs=prepared.n_inputs,
            activation=activation,
            linear_observation=linear_observation,
        )
        starts.append((f"random {i + 1}", random))
    return starts


def rotate(model: StochasticRNN, U: Float[Array, "states states"]) -> StochasticRNN:
    """The network in the coordinates `U x`, `U` orthogonal; the same while `f` is nearly linear."""
    blocks = (
        U @ model.A @ U.T,
        U @ model.B,
        U @ model.c,
        model.C @ U.T,
        U @ model.Q @ U.T,
        U @ model.m,
    )
    return eqx.tree_at(lambda m: (m.A, m.B, m.c, m.C, m.Q, m.m), model, blocks)


def _in_raw_units(
    ranked: list[Trial], batch: Batch, hold_out: float, standardiser: Standardiser
) -> tuple[tuple[str, float], ...]:
    """Held-out log-likelihood per observed entry, in nats of the raw units."""
    hidden = hide_after(batch, hold_out)[1]
    counts = np.sum(np.asarray(batch.mask) & hidden[..., None], axis=(0, 1))
    volume = float(np.sum(counts * np.log(np.asarray(standardiser.scale))))
    entries = max(1, int(counts.sum()))
    return tuple((trial.name, (trial.held_out - volume) / entries) for trial in ranked)


def _identity(data: Sequences) -> Standardiser:
    p, k = data.observations, data.n_inputs
    inputs = (np.zeros(k), np.ones(k)) if k else (None, None)
    return Standardiser(np.zeros(p), np.ones(p), *inputs)


def _check_numbers(data: Sequences, states: int, restarts: int, hold_out: float) -> None:
    if states < 1:
        raise RekalError(f"states must be at least 1, but is {states}")
    longest = int(np.max(data.lengths))
    if states >= longest:
        raise RekalError(
            f"{states} states cannot be learned from {longest} samples: use fewer states or more data"
        )
    if restarts < 1:
        raise RekalError(f"restarts must be at least 1, but is {restarts}")
    if not 0 < hold_out < 1:
        raise RekalError(f"hold_out must lie between 0 and 1, but is {hold_out}")
