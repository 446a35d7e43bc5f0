"""Which filter follows a model, as a choice that can be stored and made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rekal.errors import RekalError
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.kalman import Kalman
from rekal.filters.particle import ParticleFilter, Proposal
from rekal.models.base import StateSpaceModel
from rekal.models.linear import LinearModel

Kind = Literal["kalman", "particles"]


@dataclass(frozen=True)
class Filtering:
    """A kind of filter and its settings.

    Attributes:
        kind: "kalman" (linear models, exact) or "particles" (any model).
        particles: number of particles, where there are any.
        proposal: how they are moved.
    """

    kind: Kind = "particles"
    particles: int = 300
    proposal: Proposal = "guided"

    def __post_init__(self) -> None:
        if self.kind not in ("kalman", "particles"):
            raise RekalError(f"there is no filter {self.kind!r}: use 'kalman' or 'particles'")

    def of(self, model: StateSpaceModel, seed: int = 0) -> ParticleFilter | GaussianFilter:
        """The filter of a model."""
        if self.kind == "kalman":
            if not isinstance(model, LinearModel):
                raise RekalError(f"a {type(model).__name__} is not linear: filter it by particles")
            return Kalman(model)
        return ParticleFilter(model, self.particles, self.proposal, seed=seed)
