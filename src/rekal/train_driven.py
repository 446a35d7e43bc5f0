"""Training of a network that is to run by itself from its inputs: free simulation first, then the noise."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rekal.errors import RekalError
from rekal.filters.choice import Filtering, chosen
from rekal.learning.batch import as_batch
from rekal.learning.em import EM, Progress
from rekal.learning.priors import PriorStrength
from rekal.learning.simulation_error import SimulationError
from rekal.learning.simulation_starts import simulation_start
from rekal.progress import Report
from rekal.sequences import Sequences
from rekal.trained import Trained

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


@dataclasses.dataclass(frozen=True)
class DrivenOptions:
    """What the training of "driven-rnn" can be told.

    Attributes:
        states: number of linear units.
        units: number of bounded units.
        restarts: number of random starts; the one with the least training loss is taken.
    """

    states: int = 3
    units: int = 8
    restarts: int = 8


def train_driven(
    prepared: Sequences,
    learner: SimulationError | None,
    options: DrivenOptions,
    filtering: str | Filtering | None,
    seed: int,
    report: Report | None,
) -> Trained:
    """Train a `StochasticRNN` with linear units on its free simulation.

    The simulation fixes the dynamics. `Q` and `R` are then learned by EM with the dynamics held fast, so that
    what a filter says of the next sample is as sure as it should be.

    Args:
        prepared: standardised data with inputs.
        learner: how to train; default `SimulationError()`.
        options: what the network is, and how many starts there are.
        filtering: what filters the trained network; default the extended filter.
        seed: start of all randomness.
        report: told after each iteration.

    Raises:
        RekalError: the data have no inputs.
    """
    if not prepared.n_inputs:
        raise RekalError(
            "the model driven-rnn runs by its inputs, but the data have none: name input columns, or use "
            "em-rnn"
        )
    following = chosen(filtering, Filtering("extended"))
    batch = as_batch(prepared)
    starts: list[Any] = [
        simulation_start(
            "rnn",
            options.states,
            prepared.observations,
            prepared.n_inputs,
            options.units,
            int(np.random.SeedSequence([seed, i]).generate_state(1)[0]),
        )
        for i in range(options.restarts)
    ]
    following.of(starts[0])  # refused before the work, not after

    def told(name: str) -> Callable[[Progress], None] | None:
        return None if report is None else functools.partial(report, name)

    found = (learner or SimulationError()).search(starts, batch, told("simulation"))
    best = found[0]
    if any(each.stopped == "interrupted" for each in found):
        return Trained(best._replace(stopped="interrupted"), following)
    try:
        result = NOISE.run(best.model, batch, jax.random.key(seed), told("noise"))
    except KeyboardInterrupt:  # before its first iteration: the dynamics were learned
        return Trained(best._replace(stopped="interrupted"), following)
    seconds = result.seconds + sum(each.seconds for each in found)
    return Trained(result._replace(seconds=seconds), following)
