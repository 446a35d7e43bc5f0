"""Training of stochastic networks and of radial basis functions: starts that compete, EM, one winner."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekal.filters.choice import Filtering, chosen
from rekal.learning.batch import Batch, as_batch
from rekal.learning.em import EM
from rekal.learning.rbf_start import rbf_starts
from rekal.learning.restarts import Trial, hide_after, try_starts
from rekal.learning.subspace import subspace_start
from rekal.models.activations import Activation
from rekal.models.rbf import RBFNetwork
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.progress import Report
from rekal.sequences import Sequences
from rekal.sequences.standardiser import Standardiser
from rekal.trained import Trained

START_SCALE = 0.3  # standard deviation of the states at the start: tanh bends, but only a little


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """What the training of a network by name can be told.

    Attributes:
        states: number of hidden units.
        restarts: number of starts that compete on held-out likelihood.
        hold_out: share of each series that judges them.
        trial_iterations: EM iterations of each trial.
        activation: elementwise function of the hidden units.
        linear_observation: the outputs read `C x` instead of `C f(x)`.
    """

    states: int = 5
    restarts: int = 3
    hold_out: float = 0.2
    trial_iterations: int = 40
    activation: Activation = "tanh"
    linear_observation: bool = False


@dataclasses.dataclass(frozen=True)
class RBFOptions:
    """What the training of a network of radial basis functions by name can be told.

    Attributes:
        states: number of states.
        kernels: number of kernels.
        hold_out: share of each series that judges its two starts.
        trial_iterations: EM iterations of each trial.
    """

    states: int = 2
    kernels: int = 10
    hold_out: float = 0.2
    trial_iterations: int = 40


RBF_EM: dict[str, Any] = {"smoother": "gaussian", "window": 5, "average": 1}
"""Settings of EM that fit a network of radial basis functions: its steps are not random."""


def train_network(
    prepared: Sequences,
    model: StochasticRNN | RBFNetwork | None,
    em: EM,
    options: NetworkOptions | RBFOptions,
    standardiser: Standardiser,
    filtering: str | Filtering | None,
    seed: int,
    report: Report | None,
) -> Trained:
    """Train a network by EM.

    Args:
        prepared: data in the units of the model.
        model: where to begin, or None for starts that compete.
        em: how to train.
        options: say, of a network by name, what it is and how its starts compete.
        standardiser: how the data were prepared, to tell held-out scores in raw units.
        filtering: what filters the trained network; default what filtered it in the training.
        seed: start of all randomness.
        report: told after each iteration.

    Raises:
        KeyboardInterrupt: Ctrl-C before anything was learned; later it ends the training with the best so
            far.
    """
    batch = as_batch(prepared, model)
    start_key, trial_key, run_key = jax.random.split(jax.random.key(seed), 3)
    trials: tuple[tuple[str, float], ...] = ()
    ranked: list[Trial] = []
    interrupted: Trial | None = None
    starts: Sequence[tuple[str, StochasticRNN | RBFNetwork]]
    if model is not None:
        starts = [("own", model)]
    elif isinstance(options, RBFOptions):
        starts = rbf_starts(
            np.asarray(prepared.values),
            np.asarray(prepared.mask),
            options.states,
            options.kernels,
            inputs=None if prepared.inputs is None else np.asarray(prepared.inputs),
            lengths=np.asarray(prepared.lengths),
        )
    else:
        starts = make_starts(
            prepared,
            batch,
            options.states,
            options.restarts,
            start_key,
            activation=options.activation,
            linear_observation=options.linear_observation,
        )
    best = starts[0][1]
    if isinstance(best, RBFNetwork):
        usual = Filtering(em.approximation)
    else:
        usual = Filtering("particles", max(em.particles, 300), em.proposal)
    following = chosen(filtering, usual)
    following.of(best)  # refused before the work, not after
    if len(starts) > 1:
        iterations = min(options.trial_iterations, em.iterations)
        trial = dataclasses.replace(em, iterations=iterations)
        ranked = try_starts(
            trial, starts, batch, options.hold_out, trial_key, report, filtering=following
        )
        best = ranked[0].result.model
        judged = [
            trial for trial in ranked if np.isfinite(trial.held_out)
        ]  # Ctrl-C left one unjudged
        trials = _in_raw_units(judged, batch, options.hold_out, standardiser)
        interrupted = next((t for t in ranked if t.result.stopped == "interrupted"), None)
    if interrupted is not None:
        result = ranked[0].result._replace(stopped="interrupted")
    else:
        told = None if report is None else lambda p: report("training", p)
        try:
            result = em.run(best, batch, run_key, told)
        except (
            KeyboardInterrupt
        ):  # before its first iteration: there is still what the trials learned
            if not ranked:
                raise
            result = ranked[0].result._replace(stopped="interrupted")
    return Trained(result, following, trials)


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
