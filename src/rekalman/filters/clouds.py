"""What is asked of clouds of particles after a filter has run: moments, predictions, smoothing."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, cast

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.core.beliefs import Particles, Path
from rekalman.core.capabilities import Band, Moments, Predictive, Smooths
from rekalman.filters.finite import check_particles
from rekalman.filters.model_filter import ModelFilter
from rekalman.filters.moments import particle_band, particle_moments
from rekalman.filters.predictive import particle_predictive
from rekalman.models.base import StateSpaceModel
from rekalman.models.gaussian import GaussianModel
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_double_here, in_single, precision_name
from rekalman.smoothers.marginal import smooth_particles

SINGLE = 10_000
"""Particles from which single precision is enough, and twice as fast."""


class ParticleClouds(ModelFilter, Smooths):
    """A filter whose belief is a cloud of weighted particles.

    Attributes:
        model: the model that is filtered.
        particles: number of particles.
        proposal: how they are moved.
        threshold: share of the effective sample size below which they are resampled.
        seed: where the randomness starts when no key is given.
    """

    model: eqx.AbstractVar[StateSpaceModel]
    particles: eqx.AbstractVar[int]
    proposal: eqx.AbstractVar[Literal["bootstrap", "guided"]]
    threshold: eqx.AbstractVar[float]
    seed: eqx.AbstractVar[int]

    def state_mean(self, belief: Particles) -> Float[Array, " states"]:
        """Mean of the state."""
        return belief.mean

    def suited(self) -> Any:
        """In single precision for very many particles, unless JAX is switched to double."""
        return self if self.particles < SINGLE or in_double_here() else in_single(self)

    def seeded(self, seed: int) -> Any:
        """The same filter with another start of its randomness."""
        return dataclasses.replace(self, seed=seed)

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse a path of particles that no memory could hold.

        Raises:
            RekalError: it is too large.
        """
        each = (
            (self.model.states + 2) * self.particles * np.dtype(precision_name(self.model)).itemsize
        )
        check_memory(
            float(each) * series * steps,
            f"filtering {series * steps} steps with {self.particles} particles",
            "use fewer particles",
        )

    def check_path(
        self,
        path: Path,
        lengths: Int[np.ndarray, " batch"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> None:
        """Refuse what is left of clouds that broke down (`check_particles`).

        Raises:
            RekalError: one did; the sentence names the step.
        """
        numbers = jax.tree.map(np.asarray, path)
        for i, length in enumerate(lengths):
            check_particles(jax.tree.map(lambda leaf: leaf[i, : int(length)], numbers))  # noqa: B023

    def smooth_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> tuple[Path, Path]:
        """Filter, and weigh the clouds anew by the marginal smoother (`smooth_particles`).

        Raises:
            RekalError: the filter broke down, or too few ancestral lines are left.
        """
        path = cast(Path, self.run_batch(values, mask, inputs, dt, key, lengths))
        batch, steps = mask.shape[:2]
        ends = np.full(batch, steps) if lengths is None else np.asarray(lengths)
        self.check_path(path, ends)
        return path, smooth_particles(self.model, path, inputs, dt, ends)

    def state_moments(
        self, path: Path, inputs: Float[Array, "batch steps input"] | None = None
    ) -> Moments:
        """Moments of the clouds."""
        return particle_moments(self.model, path, inputs)

    def signal_band(
        self, path: Path, inputs: Float[Array, "steps input"] | None, tail: float
    ) -> Band:
        """The observations without noise as the beliefs of one series have them."""
        return particle_band(self.model, path, inputs, tail)

    def predictive(
        self,
        path: Path,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> Predictive | None:
        """Predictions by fresh draws of the transition; None of a model whose noise is not Gaussian."""
        if not self.model.gaussian:
            return None
        key = jax.random.fold_in(jax.random.key(self.seed), 1)
        return particle_predictive(
            cast(GaussianModel, self.model), path, values, mask, inputs, dt, key
        )
