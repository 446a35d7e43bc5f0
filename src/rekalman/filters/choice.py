"""Which filter follows a model, as a choice by name and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from rekalman.filters.extended import ExtendedKalman
from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.particle import ParticleFilter, Proposal
from rekalman.filters.unscented import UnscentedKalman
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError

Kind = Literal["kalman", "extended", "unscented", "particles"]


@dataclass(frozen=True)
class Filtering:
    """A kind of filter and its settings.

    Attributes:
        kind: "kalman" (linear models, exact), "extended" or "unscented" (models with additive Gaussian
            noise), or "particles" (any model whose first state can be drawn).
        particles: number of particles, where there are any.
        proposal: how they are moved.
        iterations: how often the extended filter linearises each observation; above 1 it is the
            iterated one.

    Examples:
        >>> import rekalman
        >>> rekalman.Filtering("extended", iterations=3).iterations
        3
    """

    kind: Kind = "particles"
    particles: int = 300
    proposal: Proposal = "guided"
    iterations: int = 1

    def __post_init__(self) -> None:
        _known(self.kind)
        whole("iterations", self.iterations)
        whole("particles", self.particles)
        if self.iterations > 1 and self.kind != "extended":
            raise RekalError(
                f"the filter {self.kind!r} linearises nothing again: leave iterations out"
            )

    def of(self, model: Any, seed: int = 0) -> ParticleFilter | GaussianFilter:
        """The filter of a model, a `StateSpaceModel`.

        Raises:
            RekalError: it cannot filter this model.
        """
        if self.kind == "kalman":
            if not model.linear:
                raise RekalError(
                    f"a {type(model).__name__} is not linear: filter it by 'extended', 'unscented' or "
                    "'particles'"
                )
            return Kalman(model)
        if self.kind in ("extended", "unscented"):
            if not model.gaussian:
                raise RekalError(
                    f"a {type(model).__name__} has no additive Gaussian noise: filter it by 'particles'"
                )
            if self.kind == "unscented":
                return UnscentedKalman(model)
            return ExtendedKalman(model, iterations=self.iterations)
        if model.diffuse:
            raise RekalError(
                "particles cannot be drawn from a diffuse start: use 'kalman', which is exact"
            )
        return ParticleFilter(model, self.particles, self.proposal, seed=seed)


def _known(kind: str) -> Kind:
    if kind not in get_args(Kind):
        raise RekalError(
            f"there is no filter {kind!r}: use 'kalman', 'extended', 'unscented' or 'particles'"
        )
    return cast(Kind, kind)


def chosen(filtering: str | Filtering | None, default: Filtering) -> Filtering:
    """What was asked for: a kind with its default settings, a whole choice, or nothing.

    Raises:
        RekalError: there is no filter of that name.
    """
    if filtering is None:
        return default
    return filtering if isinstance(filtering, Filtering) else Filtering(_known(filtering))
