r"""How well models forecast held-out data, one step ahead and several, and the noise with which they do best.

A model with many parameters explains few data too well: its noise variances come out too small, and its
intervals hold less than they promise. So they are multiplied by the factors, at least 1, under which the data
that it has not seen are likeliest,

    Q -> q Q,   P -> q P,   R -> r R,   max over q, r of the mean log density + log prior(q, r) / n,

with $\log q, \log r \sim \mathcal{N}(0, 1)$ and `n` held-out steps. The log density is the mean over several
leads: of the hidden end of each series every second, fourth and eighth step is shown as well, each of which
is then forecast from as many steps before. `q = r` leaves the gain of a linear filter as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.filters.choice import Filtering
from rekalman.learners.batch import Batch
from rekalman.learners.em.restarts import hide_after, log_evidence
from rekalman.numerics.placing import placed

LEADS = (1, 2, 4, 8)
"""Steps ahead at which models are judged."""
FACTORS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
"""Factors of a noise variance that are tried."""
ROUNDS = 2
"""How often either factor is chosen given the other."""

Network = TypeVar("Network", bound=Any)


class Noise(NamedTuple):
    """Factors of the noise variances of a model: of `Q` and `P`, and of `R`."""

    state: float = 1.0
    observation: float = 1.0

    def of(self, model: Network) -> Network:
        """The model with its noise multiplied."""
        if self == Noise():
            return model
        blocks = model.Q * self.state, model.R * self.observation, model.P * self.state
        return eqx.tree_at(lambda m: (m.Q, m.R, m.P), model, blocks)

    def at_least(self, factor: float) -> Noise:
        """The same, with neither factor below another."""
        return Noise(*(max(each, factor) for each in self))

    def __str__(self) -> str:
        if self == Noise():
            return ""
        return f", noise times {self.state:.2g} (state) and {self.observation:.2g} (observation)"


UNSCALED = Noise()


class Lead(NamedTuple):
    """What is shown of the series, and which steps are then forecast so many steps ahead."""

    mask: Bool[Array, "batch steps obs"]
    judged: Bool[np.ndarray, "batch steps"]


class HeldOut(NamedTuple):
    """The data that models are judged on, and how they are filtered.

    Attributes:
        batch: all data.
        leads: by which the models are judged.
        filtering: what filters them.
        key: randomness, the same for every model.
        factors: of the noise that are tried.
    """

    batch: Batch
    leads: tuple[Lead, ...]
    filtering: Filtering
    key: PRNGKeyArray
    factors: tuple[float, ...]

    @classmethod
    def of(
        cls,
        batch: Batch,
        share: float,
        filtering: Filtering,
        key: PRNGKeyArray,
        *,
        leads: tuple[int, ...] = LEADS,
        factors: tuple[float, ...] = FACTORS,
    ) -> HeldOut:
        """The last share of each series.

        Args:
            batch: the data.
            share: of each series, at its end, that is held out.
            filtering: what filters the models.
            key: randomness.
            leads: steps ahead; those for which there are less than two values are left out.
            factors: of the noise that are tried.
        """
        mask = np.asarray(batch.mask)
        hidden = hide_after(batch, share)[1] & mask.any(-1)
        place = np.cumsum(hidden, 1)
        judged = [(lead, hidden & (place % lead == 0)) for lead in leads]
        chosen = tuple(
            Lead(placed(mask & (~hidden | part)[..., None]), part)
            for lead, part in judged
            if lead == 1 or part.sum() >= 2
        )
        return cls(batch, chosen, filtering, key, factors)

    @property
    def steps(self) -> int:
        """Number of steps that are held out."""
        return int(self.leads[0].judged.sum())

    def densities(self, model: Any, noise: Noise = UNSCALED) -> tuple[Float[np.ndarray, " _"], ...]:
        """Log densities of the steps that are judged, in nats, by lead."""
        made = noise.of(model)
        if not self.steps:
            return tuple(np.zeros(0) for _ in self.leads)
        return tuple(
            np.asarray(
                log_evidence(made, self.filtering, self.batch._replace(mask=lead.mask), self.key),
                np.float64,
            )[lead.judged]
            for lead in self.leads
        )

    def score(self, model: Any, noise: Noise = UNSCALED) -> float:
        """Mean log density over the leads, and the log prior of the factors."""
        return self.score_of(self.densities(model, noise), noise)

    def score_of(self, densities: tuple[Float[np.ndarray, " _"], ...], noise: Noise) -> float:
        """The score of log densities that are known already.

        Args:
            densities: by lead.
            noise: under which they were worked out.
        """
        if not self.steps:
            return -np.inf
        prior = -0.5 * float(np.sum(np.log(noise) ** 2)) / self.steps
        score = float(np.mean([each.mean() for each in densities])) + prior
        return score if np.isfinite(score) else -np.inf

    def common_noise(self, model: Any) -> Noise:
        """The one factor of all noise under which the data are likeliest."""
        return self._likeliest(model, [Noise(f, f) for f in self.factors], {})

    def noise(self, model: Any, start: Noise) -> Noise:
        """The factors of the noise under which the data are likeliest.

        Args:
            model: the network.
            start: where the search begins (`common_noise`).
        """
        best, scores = start, {}
        for _ in range(ROUNDS):
            state = [best._replace(state=f) for f in self.factors]
            best = self._likeliest(model, state, scores)
            observation = [best._replace(observation=f) for f in self.factors]
            best = self._likeliest(model, observation, scores)
        return best

    def _likeliest(self, model: Any, tried: list[Noise], scores: dict[Noise, float]) -> Noise:
        """The best of some factors; scores that are known already are not worked out again."""
        if len(tried) == 1 or not self.steps:
            return tried[0]
        for noise in tried:
            if noise not in scores:
                scores[noise] = self.score(model, noise)
        return max(tried, key=scores.__getitem__)
