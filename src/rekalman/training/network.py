"""Training of stochastic networks and of radial basis functions: restarts selected on held-out data, EM."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.fitting.progress import Report
from rekalman.fitting.trained import Trained
from rekalman.learners.batch import Batch, as_batch, check_width
from rekalman.learners.em.em import EM
from rekalman.learners.em.restarts import Trial, hide_after, try_starts
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.activations import Activation
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.training.warnings import network_warnings

Starts = Callable[[Batch, PRNGKeyArray], Sequence[tuple[str, StochasticRNN | RBFNetwork]]]
"""What makes starts for some data: each with its name; of several, held-out likelihood selects one."""

START_SCALE = 0.3  # standard deviation of the states at the start: tanh bends, but only a little


def train_network(
    prepared: Sequences,
    make_starts: Starts,
    em: EM,
    *,
    hold_out: float,
    trial_iterations: int,
    volume: Float[np.ndarray, "batch steps obs"],
    following: Filtering,
    seed: int,
    report: Report | None,
    advise: bool,
) -> Trained:
    """Train a network by EM.

    Args:
        prepared: data in the units of the model.
        make_starts: what makes the networks to begin with.
        em: how to train.
        hold_out: share of each series that selects the start.
        trial_iterations: EM iterations of each start before one is selected.
        volume: of the data (`log_volume`), for held-out scores in raw units.
        following: what filters the trained network, and the starts on held-out data.
        seed: start of all randomness.
        report: called after each iteration.
        advise: whether held-out data are asked for what they say against the network.

    Raises:
        RekalError: a network of one's own has other columns or inputs than the data, or the filter cannot
            filter it.
        KeyboardInterrupt: Ctrl-C before anything was learned; later it ends the training with the best so
            far.
    """
    batch = as_batch(prepared)
    start_key, trial_key, run_key = jax.random.split(jax.random.key(seed), 3)
    trials: tuple[tuple[str, float], ...] = ()
    ranked: list[Trial] = []
    interrupted: Trial | None = None
    starts = make_starts(batch, start_key)
    best = starts[0][1]
    check_width(best, prepared.observations, prepared.n_inputs)
    following.of(best)  # refused before the work, not after
    if len(starts) > 1:
        iterations = min(trial_iterations, em.iterations)
        trial = dataclasses.replace(em, iterations=iterations)
        ranked = try_starts(trial, starts, batch, hold_out, trial_key, report, filtering=following)
        best = ranked[0].result.model
        judged = [
            trial for trial in ranked if np.isfinite(trial.held_out)
        ]  # Ctrl-C left one unjudged
        trials = _in_raw_units(judged, batch, hold_out, volume)
        interrupted = next((t for t in ranked if t.result.stopped == "interrupted"), None)
    if interrupted is not None:
        result = ranked[0].result.interrupted()
    else:
        each = None if report is None else lambda progress: report("training", progress)
        try:
            result = em.run(best, batch, key=run_key, callback=each)
        except (
            KeyboardInterrupt
        ):  # before its first iteration: there is still what the trials learned
            if not ranked:
                raise
            result = ranked[0].result.interrupted()
    score = None if not trials else trials[0][1]
    warnings: tuple[str, ...] = ()
    if advise:
        judge = following.of(ranked[0].result.model, seed) if trials else None
        warnings = network_warnings(prepared, hold_out, score, volume, judge)
    return Trained(result, following, trials, warnings=warnings)


def random_starts(
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
        restarts: how many.
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
    ranked: list[Trial], batch: Batch, hold_out: float, volume: np.ndarray
) -> tuple[tuple[str, float], ...]:
    """Held-out log-likelihood per observed entry, in nats of the raw units."""
    counted = np.asarray(batch.mask) & hide_after(batch, hold_out)[1][..., None]
    total = float(volume[counted[:, : volume.shape[1]]].sum())
    entries = max(1, int(counted.sum()))
    return tuple((trial.name, (trial.held_out - total) / entries) for trial in ranked)
