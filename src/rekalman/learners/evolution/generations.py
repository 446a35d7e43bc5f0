"""The loop over generations: teams are judged, the better vectors breed, and a lull ends in a burst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.foundation.interrupts import interruptible
from rekalman.learners.evolution.evaluation import Judged, judge
from rekalman.learners.evolution.genes import genes_of, layer_of
from rekalman.learners.evolution.parts import Parts, whole_series
from rekalman.learners.evolution.population import (
    Subpopulations,
    burst,
    credit,
    next_generation,
    teams,
    with_elite,
)
from rekalman.learners.protocol import Callback, Progress
from rekalman.networks.predictors.recurrent import RecurrentPredictor

if TYPE_CHECKING:
    from rekalman.learners.evolution.evolino import Evolino


class Generations:
    """The evolution of a network, generation by generation.

    Attributes:
        errors: of the best network after each generation.
        bursts: generations before which a burst began the subpopulations anew.
    """

    def __init__(
        self, learner: Evolino, start: RecurrentPredictor, parts: Parts, key: PRNGKeyArray
    ) -> None:
        self.learner, self.start, self.parts = learner, start, parts
        self.random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
        self.gaps = not whole_series(parts)
        self.sizes = gene_sizes(start, learner.feedback, learner.drive)
        self.vectors = self.first()
        self.errors: list[float] = []
        self.bursts: list[int] = []
        self.readout = start.readout

    def first(self) -> Subpopulations:
        """The first generation: normal around the start, which is the first vector of each."""
        genes = np.asarray(genes_of(self.start.layer))
        noise = self.random.normal(size=(len(genes), self.learner.population, genes.shape[1]))
        noise[:, 0] = 0.0
        return self.sizes * (genes[:, None] + self.learner.spread * noise)

    def run(self, callback: Callback | None) -> str:
        """Breed until nothing better comes; gives the reason why it stopped.

        Raises:
            RekalError: no network of the first generation has finite errors.
            KeyboardInterrupt: Ctrl-C before the first generation was judged.
        """
        learner = self.learner
        lull = dry = 0  # generations, and bursts, since the best network was found
        try:
            for number in range(1, learner.generations + 1):
                better = self.step()
                lull, dry = (0, 0) if better else (lull + 1, dry)
                if callback is not None:
                    callback(Progress(number, learner.generations, -0.5 * self.errors[-1]))
                if lull >= learner.patience:
                    if dry >= learner.bursts:
                        return "patience"
                    self.vectors = burst(self.random, self.vectors, learner.scale * self.sizes)
                    self.bursts.append(number)
                    lull, dry = 0, dry + 1
        except KeyboardInterrupt:
            if not self.errors:
                raise
            return "interrupted"
        return "iterations"

    def step(self) -> bool:
        """One generation; whether its best network is the best so far.

        Raises:
            RekalError: no network has finite errors.
        """
        learner, units = self.learner, len(self.vectors)
        team = teams(self.random, units, learner.population, learner.trials)
        judged = interruptible(lambda: self.judged(self.vectors[np.arange(units), team]))
        errors = np.asarray(judged.error)
        best = int(np.argmin(errors))
        if not np.isfinite(errors[best]):
            raise RekalError(
                "no network of the first generation predicts finite values: use a smaller spread or a "
                "larger penalty"
            )
        better = not self.errors or bool(errors[best] < self.errors[-1])
        own = credit(errors, team, learner.population)
        if better:
            self.readout = judged.readout[best]
            self.vectors = with_elite(self.vectors, team[best])
            own = with_elite(own[..., None], team[best])[..., 0]
        self.errors.append(float(errors[best]) if better else self.errors[-1])
        moves = learner.scale * self.sizes
        self.vectors = next_generation(self.random, self.vectors, own, learner.mutation, moves)
        return better

    def judged(self, genes: Float[np.ndarray, "networks units genes"]) -> Judged:
        """Networks with their readouts and errors, in one compiled call."""
        penalty = jnp.asarray(self.learner.penalty)
        judged = judge(self.start, jnp.asarray(genes), self.parts, penalty, self.gaps)
        return jax.block_until_ready(judged)

    def best(self) -> RecurrentPredictor:
        """The best network so far."""
        layer = layer_of(self.start.layer, jnp.asarray(self.vectors[:, 0]))
        where = lambda each: (each.layer, each.readout)  # noqa: E731
        return eqx.tree_at(where, self.start, (layer, self.readout))


def gene_sizes(
    start: RecurrentPredictor, feedback: float, drive: float
) -> Float[np.ndarray, " genes"]:
    """The size of the genes of a unit: 1, but for those of the rows and of the inputs.

    Args:
        start: whose units are evolved.
        feedback: size of the weights of the rows.
        drive: size of the weights of the inputs.
    """
    row, gates = start.layer.into.shape[0], start.layer.gates
    sizes = np.ones((row + start.layer.units + 1, gates))
    sizes[: start.observations], sizes[start.observations : row] = feedback, drive
    return sizes.ravel()
