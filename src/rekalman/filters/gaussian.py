"""What all filters with a Gaussian belief share: the recursion, written once.

A subclass gives `init`, `predict`, `encode`, `condition` and `observe`. `run` drives them over a series; a
filter that knows a faster way overrides it.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.beliefs import GaussianBelief, GaussianPath, SmoothedPath
from rekalman.core.capabilities import Band, Moments, Predictive, Smooths
from rekalman.core.gaussian import Gaussian
from rekalman.core.row import observation_row
from rekalman.filters.finite import check_finite, is_sound
from rekalman.filters.model_filter import ModelFilter
from rekalman.filters.moments import gaussian_band, gaussian_moments
from rekalman.filters.predictive import gaussian_predictive
from rekalman.numerics.memory import check_moments_memory
from rekalman.numerics.placing import taken
from rekalman.numerics.precision import in_own_precision


class GaussianFilter(ModelFilter, Smooths):
    """A filter of a `GaussianModel` whose belief is a mean and a covariance."""

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray | None = None) -> GaussianBelief:
        """The belief about `x_1` before anything is observed (`key` is not used)."""

    @abc.abstractmethod
    def predict(
        self,
        belief: GaussianBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> GaussianBelief:
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
    def condition(
        self, belief: GaussianBelief, evidence: PyTree
    ) -> tuple[GaussianBelief, Float[Array, ""], Float[Array, " obs"]]:
        """One encoded observation enters; also its log predictive density and white innovation."""

    @in_own_precision
    def update(
        self,
        belief: GaussianBelief,
        y: Any,
        mask: Any = None,
        u: Any = None,
    ) -> tuple[GaussianBelief, Float[Array, ""]]:
        """One observation enters a predicted belief.

        Args:
            belief: before the observation (`init` or `predict`).
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step, for a model that has inputs.

        Returns:
            The belief after the observation, and the log predictive density of `y` in nats.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        values, seen, drive = observation_row(
            self.observations, self.n_inputs, belief.mean.dtype, y, mask, u
        )
        self._check_step(belief)
        return self._updated(belief, values, seen, drive)

    @eqx.filter_jit
    def _updated(
        self, belief: GaussianBelief, y: Array, mask: Array | None, u: Array | None
    ) -> tuple[GaussianBelief, Float[Array, ""]]:
        evidence = self.encode(y, mask, u)
        return self.condition(belief, jax.tree.map(lambda leaf: leaf[0], evidence))[:2]

    def _check_step(self, belief: GaussianBelief) -> None:
        """Refuse a belief beyond the end of a model whose matrices are given step by step."""

    @abc.abstractmethod
    def observe(self, belief: GaussianBelief, u: Float[Array, " input"] | None = None) -> Gaussian:
        """The distribution of `y`, observation noise included."""

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

    def smooth_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth several series, padded at their ends to one length (`key` is not used)."""
        return _smooth_each(self, (values, mask, inputs, dt, lengths))

    @abc.abstractmethod
    def belief(
        self, mean: Float[Array, " states"], cov: Float[Array, "states states"], step: Array
    ) -> GaussianBelief:
        """A belief with given moments."""

    def skip(self, belief: GaussianBelief) -> GaussianBelief:
        """The belief itself: where nothing is observed, an update changes nothing."""
        return belief

    def proper(self, belief: GaussianBelief) -> bool:
        """Whether every direction of a diffuse start is known."""
        return belief.basis is None or not np.asarray(belief.basis).any()

    def moments(self, belief: GaussianBelief) -> PyTree:
        """Mean and covariance, and a basis of what is unknown."""
        return belief.moments

    def restore(self, moments: PyTree, step: Array) -> GaussianBelief:
        """The belief with given moments (`beliefs.GaussianPath.moments`)."""
        mean, cov, *basis = moments
        return self.belief(mean, cov, step, *basis)

    def state_moments(
        self, path: PyTree, inputs: Float[Array, "batch steps input"] | None = None
    ) -> Moments:
        """Moments of the state, and the mean of the observations that they give."""
        return gaussian_moments(self, path, inputs)

    def state_mean(self, belief: GaussianBelief) -> Float[Array, " states"]:
        """Mean of the state."""
        return belief.mean

    def signal_band(
        self, path: GaussianPath, inputs: Float[Array, "steps input"] | None, tail: float
    ) -> Band:
        """The observations without noise as the beliefs of one series have them."""
        return gaussian_band(self, path, inputs, tail)

    def predictive(
        self,
        path: GaussianPath,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> Predictive:
        """Predictions one step ahead against what came (`mask` and `dt` are not used)."""
        return gaussian_predictive(self, path, values, inputs)

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose filtered moments no memory could hold.

        Raises:
            RekalError: they are too large.
        """
        model = self.model
        check_moments_memory(
            model.states, series, steps, model.observations, model.Q.dtype.itemsize, smoothing
        )

    def check_path(
        self,
        path: GaussianPath,
        lengths: Int[np.ndarray, " batch"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> None:
        """Refuse what is left of a filter that broke down.

        Raises:
            RekalError: it did; the sentence names the step (`check_finite`).
        """
        numbers = jax.tree.map(np.asarray, path)
        if is_sound(self.model, numbers):
            return
        for i, length in enumerate(lengths):
            one = jax.tree.map(lambda leaf: leaf[i % len(leaf), : int(length)], numbers)  # noqa: B023
            drive = (None if leaf is None else taken(leaf, i) for leaf in (inputs, dt))
            check_finite(self.model, one, *drive)

    def determined(
        self, belief: GaussianBelief, u: Float[Array, " input"] | None = None
    ) -> Bool[Array, " obs"]:
        """Whether the variance of each entry of `y` is finite (`u` is not used)."""
        return jnp.ones(self.model.observations, bool)

    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> GaussianPath:
        """Filter one series: update with `y_1`, then predict and update to the end (`key` is not used)."""
        steps = values.shape[0]
        evidence = self.encode(values, mask, inputs, dt)
        prior = self.init()
        first, *seen = self.condition(prior, jax.tree.map(lambda leaf: leaf[0], evidence))

        def row(prior: GaussianBelief, belief: GaussianBelief, seen: list[Array]) -> GaussianPath:
            gain, white = seen
            return GaussianPath(belief.mean, belief.cov, prior.mean, prior.cov, gain, white)

        def step(belief: GaussianBelief, rows: PyTree) -> tuple[GaussianBelief, GaussianPath]:
            evidence, u, dt = rows
            prior = self.predict(belief, u, dt)
            belief, *seen = self.condition(prior, evidence)
            return belief, row(prior, belief, seen)

        rows = jax.tree.map(lambda leaf: leaf[1:], (evidence, inputs, dt))
        _, rest = jax.lax.scan(step, first, rows, length=steps - 1)
        head = row(prior, first, seen)
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, rest)


@eqx.filter_jit
def _smooth_each(algorithm: GaussianFilter, rows: PyTree) -> tuple[GaussianPath, SmoothedPath]:
    return jax.lax.map(lambda row: algorithm.smooth(*row), rows)
