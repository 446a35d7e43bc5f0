"""What all filters with a Gaussian belief share: the recursion, written once.

A subclass gives `init`, `predict`, `encode`, `absorb` and `observe`. `run` drives them over a series; a
filter that knows a faster way overrides it.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekal.beliefs import Gaussian, GaussianPath, SmoothedPath
from rekal.filters.sample import observation_row
from rekal.precision import in_own_precision


class GaussianFilter(eqx.Module):
    """A filter whose belief is a mean and a covariance.

    Attributes:
        model: the model that is filtered, a `GaussianModel`.
    """

    model: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray | None = None) -> Gaussian:
        """The belief about `x_1` before anything is observed (`key` is not used)."""

    @abc.abstractmethod
    def predict(
        self,
        belief: Gaussian,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Gaussian:
        """One step through time."""

    @abc.abstractmethod
    def encode(
        self,
        y: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        u: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> PyTree:
        """All work on the observations of a series that needs no belief."""

    @abc.abstractmethod
    def absorb(
        self, belief: Gaussian, evidence: PyTree
    ) -> tuple[Gaussian, Float[Array, ""], Float[Array, " obs"]]:
        """One encoded observation enters; also its log predictive density and white innovation."""

    @in_own_precision
    def update(
        self,
        belief: Gaussian,
        y: Any,
        u: Any = None,
        mask: Any = None,
    ) -> tuple[Gaussian, Float[Array, ""]]:
        """One observation enters a predicted belief.

        Args:
            belief: before the observation (`init` or `predict`).
            y: one number for each column; NaN is missing, None = all are.
            u: inputs of this step, for a model that has inputs.
            mask: True where observed; default where `y` is no NaN.

        Returns:
            The belief after the observation, and the log predictive density of `y` in nats.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        values, seen, drive = observation_row(self.model, belief.mean.dtype, y, u, mask)
        evidence = self.encode(values, seen, drive)
        return self.absorb(belief, jax.tree.map(lambda leaf: leaf[0], evidence))[:2]

    @abc.abstractmethod
    def observe(
        self, belief: Gaussian, u: Float[Array, " input"] | None = None
    ) -> tuple[Float[Array, " obs"], Float[Array, "obs obs"]]:
        """Mean and covariance of `y`, observation noise included."""

    @abc.abstractmethod
    def smooth(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        length: Array | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth one series; steps from `length` on are padding."""

    @abc.abstractmethod
    def belief(
        self, mean: Float[Array, " states"], cov: Float[Array, "states states"], step: Array
    ) -> Gaussian:
        """A belief with given moments."""

    def sturdier(self) -> GaussianFilter | None:
        """The same filter in a form that keeps its digits where a variance is vast, or None if it does."""
        return None

    def determined(
        self, belief: Gaussian, u: Float[Array, " input"] | None = None
    ) -> Bool[Array, " obs"]:
        """Whether the variance of each entry of `y` is finite (`u` is not used)."""
        return jnp.ones(self.model.observations, bool)

    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> GaussianPath:
        """Filter one series: update with `y_1`, then predict and update to the end."""
        steps = values.shape[0]
        evidence = self.encode(values, mask, inputs, dt)
        prior = self.init()
        first, *seen = self.absorb(prior, jax.tree.map(lambda leaf: leaf[0], evidence))

        def row(prior: Gaussian, belief: Gaussian, seen: list[Array]) -> GaussianPath:
            gain, white = seen
            return GaussianPath(belief.mean, belief.cov, prior.mean, prior.cov, gain, white)

        def step(belief: Gaussian, rows: PyTree) -> tuple[Gaussian, GaussianPath]:
            evidence, u, dt = rows
            prior = self.predict(belief, u, dt)
            belief, *seen = self.absorb(prior, evidence)
            return belief, row(prior, belief, seen)

        rows = jax.tree.map(lambda leaf: leaf[1:], (evidence, inputs, dt))
        _, rest = jax.lax.scan(step, first, rows, length=steps - 1)
        head = row(prior, first, seen)
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, rest)
