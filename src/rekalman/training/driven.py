"""Training of a network that is to run by itself from its inputs: free simulation first, then the noise."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.fitting.progress import Report
from rekalman.fitting.trained import Trained
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.driven.choice import best_driven
from rekalman.learners.driven.networks import Shape
from rekalman.learners.driven.simulation_error import SimulationError, with_noise
from rekalman.learners.em.em import EM
from rekalman.learners.em.held_out import Choice
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.learners.protocol import Iterations, Progress, TrainResult
from rekalman.models.mean_network import mean_network, member_order

DECIDED = (
    "A",
    "B",
    "c",
    "C",
    "D",
    "d",
    "m",
    "P",
)  # by free simulation; a free run may begin anywhere,
# so `m` and `P` stay those of the states visited
NOISE = EM(
    smoother="gaussian",
    approximation="extended",
    freeze=DECIDED,
    strength=PriorStrength(weight_steps=1e-6, noise_share=1e-6),
    average=1,
    window=5,
)
"""How the noise is learned; its priors are weak, for sensors and simulations may be very precise."""


def train_driven(
    prepared: Sequences,
    learner: SimulationError,
    shapes: tuple[Shape, ...],
    restarts: int,
    following: Filtering,
    seed: int,
    report: Report | None,
) -> Trained:
    """Train a model that simulates, a network or the linear model where that is no worse.

    Linear simulation models and networks that begin as one compete on held-out stretches of simulation
    (`learners/driven/choice.py`). What wins is trained on everything and delivered as one `StochasticRNN`.
    `Q` and `R` are then learned by EM with the dynamics held fast, so that what a filter says of the next
    sample is as sure as it should be.

    Args:
        prepared: standardised data with inputs.
        learner: how to train.
        shapes: sizes of the networks that are tried.
        restarts: random starts of each.
        following: what filters the trained network.
        seed: start of all randomness.
        report: called after each start, and after each iteration of EM.

    Raises:
        RekalError: the data have no inputs, or not even a linear model of them has a bounded response.
        KeyboardInterrupt: Ctrl-C before the linear models were learned; later the best so far is returned.
    """
    if not prepared.n_inputs:
        raise RekalError(
            "the model driven-rnn runs by its inputs, but the data have none: name input columns, or use "
            "em-rnn"
        )
    began = time.perf_counter()
    batch = as_batch(prepared)
    choice = simulation_choice(prepared, learner, shapes, restarts, seed, report)
    with jax.enable_x64(True):
        model = delivered(choice, in_double(batch))
    dtype = batch.values.dtype
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype), model)
    following.of(model)  # refused before the noise is learned

    def learned(progress: Progress) -> None:
        if report is not None:
            report("noise", progress)

    error = choice.errors[choice.name]
    result = TrainResult(
        model, Iterations.by_likelihood(np.array([-0.5 * error**2]), "interrupted")
    )
    if not choice.interrupted:
        with contextlib.suppress(KeyboardInterrupt):  # before its first iteration
            result = NOISE.run(model, batch, callback=learned)
    history = replace(result.history, seconds=time.perf_counter() - began)
    return Trained(replace(result, history=history), following)


def simulation_choice(
    prepared: Sequences,
    learner: SimulationError,
    shapes: tuple[Shape, ...],
    restarts: int,
    seed: int,
    report: Report | None = None,
) -> Choice:
    """What simulates best, without the noise; `train_driven` says what the arguments are.

    Raises:
        RekalError: not even a linear model has a bounded response.
        KeyboardInterrupt: Ctrl-C before the linear models were learned.
    """
    seeds = [int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(restarts)]

    def after(done: int, total: int, error: float) -> None:
        if report is not None:
            report("simulation", Progress(done, total, -0.5 * error**2))

    with jax.enable_x64(True):
        batch = in_double(as_batch(prepared))
        return best_driven(batch, shapes, seeds, learner, after)


def delivered(choice: Choice, batch: Batch) -> Any:
    """What was chosen as one network, with the noise and the law of states of its simulation."""
    models = [member.model for member in choice.members]
    joint = mean_network(models, choice.weights)
    firsts = np.concatenate([member.firsts for member in choice.members], 1)
    if len(models) > 1:
        firsts = firsts[:, member_order(models)]
    return with_noise(joint, jnp.asarray(firsts), batch)
