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
from rekalman.learners.em.restarts import Trial, hide_after, log_evidence, try_starts
from rekalman.learners.protocol import Callback, Iterations, TrainResult
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.activations import Activation
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.training.stochastic.selection import LinearStart, Selection, select, short
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
    linear: LinearStart | None = None,
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
        linear: the linear model that a network must beat (`selection.py`), if there is one.

    Raises:
        RekalError: a network of one's own has other columns or inputs than the data, or the filter cannot
            filter it.
        KeyboardInterrupt: Ctrl-C before anything was learned; later it ends the training with the best so
            far.
    """
    batch = as_batch(prepared)
    start_key, trial_key, run_key = jax.random.split(jax.random.key(seed), 3)
    starts = make_starts(batch, start_key)
    check_width(starts[0][1], prepared.observations, prepared.n_inputs)
    following.of(starts[0][1])  # refused before the work, not after
    each = None if report is None else lambda progress: report("training", progress)
    if linear is not None and short(batch, hold_out):
        starts = []
    elif linear is not None:
        starts = [*starts, (f"{linear.name}, trained", linear.blind)]
    elif len(starts) == 1:
        result = em.run(starts[0][1], batch, key=run_key, callback=each)
        warnings = network_warnings(prepared, hold_out, None, volume, None) if advise else ()
        return Trained(result, following, (), warnings=warnings)
    trial = dataclasses.replace(em, iterations=min(trial_iterations, em.iterations))
    ranked: list[Trial] = []
    try:
        ranked = try_starts(trial, starts, batch, hold_out, trial_key, report, filtering=following)
        if any(one.result.stopped == "interrupted" for one in ranked):
            raise KeyboardInterrupt
        select_key = jax.random.split(trial_key)[1]
        selection = select(ranked, linear, em, batch, hold_out, following, select_key)
    except KeyboardInterrupt:
        if linear is None and not ranked:
            raise
        judged = [one for one in ranked if np.isfinite(one.held_out)]  # Ctrl-C left one unjudged
        trials = _in_raw_units([(t.name, t.held_out) for t in judged], batch, hold_out, volume)
        learned = ranked[0].result if linear is None else linear.result
        return Trained(learned.interrupted(), following, trials)
    noise = selection.noise
    result = _finished(selection, em, batch, run_key, each)
    best, hidden = selection.judged[0], hide_after(batch, hold_out)[1]
    steps = int((hidden & np.asarray(batch.mask).any(-1)).sum())
    named = [(one.name + str(one.noise), one.one_step * steps) for one in selection.judged if steps]
    trials = _in_raw_units(named, batch, hold_out, volume)
    warnings = ()
    if advise and trials:
        judge = following.of(noise.of(best.model), seed)
        warnings = network_warnings(prepared, hold_out, trials[0][1], volume, judge)
    result = dataclasses.replace(result, model=noise.of(result.model))
    if selection.result is not None:  # whose likelihood is that of the linear model
        value = log_evidence(result.model, following, batch, run_key).sum()
        entries = result.history.entries
        history = Iterations.by_likelihood(np.array([float(value)]), "converged", entries=entries)
        result = TrainResult(result.model, history)
    return Trained(result, following, trials, warnings=warnings)


def _finished(
    selection: Selection, em: EM, batch: Batch, key: PRNGKeyArray, callback: Callback | None
) -> TrainResult:
    """The selected network, trained on all data."""
    if selection.result is not None:
        return selection.result
    model = selection.judged[0].model
    iterations = em.iterations if selection.iterations is None else selection.iterations
    try:
        go_on = dataclasses.replace(em, iterations=iterations, warm_start=0)
        return go_on.run(model, batch, key=key, callback=callback)
    except KeyboardInterrupt:  # before its first iteration: there is still what was selected
        entries = int(np.asarray(batch.mask).sum())
        history = Iterations.by_likelihood(np.zeros(0), "interrupted", entries=entries)
        return TrainResult(model, history)


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
    scores: list[tuple[str, float]], batch: Batch, hold_out: float, volume: np.ndarray
) -> tuple[tuple[str, float], ...]:
    """Held-out log-likelihood per observed entry, in nats of the raw units."""
    counted = np.asarray(batch.mask) & hide_after(batch, hold_out)[1][..., None]
    total = float(volume[counted[:, : volume.shape[1]]].sum())
    entries = max(1, int(counted.sum()))
    return tuple((name, (score - total) / entries) for name, score in scores)
