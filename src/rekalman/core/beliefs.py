"""What a filter believes: the kinds of belief that the recursion carries through time."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.trajectory import Trajectory
from rekalman.numerics.precision import in_own_precision


class Particles(eqx.Module):
    """A weighted cloud of states, with its own randomness.

    Attributes:
        x: positions `(particles, states)`.
        log_weights: normalised log weights `(particles,)`.
        ancestors: where each particle was one step earlier, an index `(particles,)`.
        key: the randomness still to be used.
        pending: what a prediction leaves for the next update of a guided filter: the resampled
            previous positions (None at the first observation), the noise of the transition, the
            input and the time step; None once an observation has entered.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> log_weights = jnp.log(jnp.array([0.25, 0.5, 0.25]))
        >>> x, ancestors = jnp.array([[-1.0], [0.0], [1.0]]), jnp.arange(3)
        >>> cloud = rekalman.Particles(x, log_weights, ancestors, jnp.zeros(2, jnp.uint32))
        >>> float(cloud.mean[0]), float(cloud.cov[0, 0])
        (0.0, 0.5)
    """

    x: Float[Array, "particles states"]
    log_weights: Float[Array, " particles"]
    ancestors: Int[Array, " particles"]
    key: PRNGKeyArray
    pending: PyTree = None

    @property
    def moments(self) -> tuple[Array, Array]:
        """Positions and log weights."""
        return self.x, self.log_weights

    @property
    def weights(self) -> Float[Array, " particles"]:
        """Weights that sum to one."""
        return jnp.exp(self.log_weights)

    @property
    def mean(self) -> Float[Array, " states"]:
        """Mean of the state."""
        return self.weights @ self.x

    @property
    def cov(self) -> Float[Array, "states states"]:
        """Covariance of the state."""
        centred = self.x - self.mean
        return (self.weights[:, None] * centred).T @ centred

    @property
    def effective_sample_size(self) -> Float[Array, ""]:
        r"""$1 / \sum_i w_i^2$, between one and the number of particles."""
        return 1 / jnp.sum(self.weights**2)


class Path(Trajectory):
    """All particle clouds of a filtered series, the raw material of the smoothers.

    Attributes:
        x: `(steps, particles, states)`, positions after each update.
        log_weights: `(steps, particles)`, normalised.
        ancestors: `(steps, particles)`, index of the particle one step earlier.
        log_evidence: `(steps,)`, one-step predictive log densities in nats.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> x = jnp.linspace(-1.0, 1.0, 12).reshape(2, 6, 1)  # two steps, six particles
        >>> path = rekalman.Path(x, jnp.full((2, 6), -jnp.log(6.0)), jnp.zeros((2, 6), int), jnp.zeros(2))
        >>> path.mean.shape, path.var.shape
        ((2, 1), (2, 1))
    """

    x: Float[Array, "*batch steps particles states"]
    log_weights: Float[Array, "*batch steps particles"]
    ancestors: Int[Array, "*batch steps particles"]
    log_evidence: Float[Array, "*batch steps"]  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def moments(self) -> tuple[Array, Array]:
        """Positions and log weights."""
        return self.x, self.log_weights

    @property
    def mean(self) -> Float[Array, "*batch steps states"]:
        """Filtered mean of the state."""
        return jnp.einsum("...n,...ns->...s", jnp.exp(self.log_weights), self.x)

    @property
    def var(self) -> Float[Array, "*batch steps states"]:
        """Filtered variance of each state variable."""
        # Centred first: in float32 the difference of two second moments may have no digit left.
        centred = self.x - self.mean[..., None, :]
        return jnp.einsum("...n,...ns->...s", jnp.exp(self.log_weights), centred**2)


class GaussianBelief(eqx.Module):
    """A Gaussian belief about the state.

    Attributes:
        mean: `(states,)`.
        carry: covariance of the known directions, or a square root of it.
        step: number of the step it stands at, counted from 0.
        basis: unknown directions of a diffuse start as columns, zero once they are known; None for any other
            start.
        root: whether `carry` is a square root.
    """

    mean: Float[Array, "*batch states"]
    carry: Float[Array, "*batch states states"]
    step: Int[Array, "*batch"]
    basis: Float[Array, "*batch states unknown"] | None = None
    root: bool = eqx.field(static=True, default=False)

    @property
    @in_own_precision
    def moments(self) -> tuple[Array, ...]:
        """Mean and covariance; of a diffuse start that of the known directions, and a basis."""
        return (self.mean, self.cov) if self.basis is None else (self.mean, self.known, self.basis)

    @property
    @in_own_precision
    def known(self) -> Float[Array, "*batch states states"]:
        """Covariance of the known directions."""
        return self.carry @ self.carry.mT if self.root else self.carry

    @property
    @in_own_precision
    def cov(self) -> Float[Array, "*batch states states"]:
        """Covariance of the state; vast, but finite, along unknown directions."""
        return self.known if self.basis is None else reported(self.known, self.basis)


class DiffuseMoments(NamedTuple):
    """Covariances of the known directions, and bases of the unknown ones, after and before each update."""

    cov: Float[Array, "*#steps states states"]
    basis: Float[Array, "*#steps states unknown"]
    prior_cov: Float[Array, "*#steps states states"]
    prior_basis: Float[Array, "*#steps states unknown"]


class GaussianPath(Trajectory):
    """The beliefs of all steps of a filtered series, or of several.

    Several series that share their covariances hold them once, with a leading axis of one.

    Attributes:
        mean: after each update `(steps, states)`.
        cov: its covariance `(steps, states, states)`.
        prior_mean: before each update.
        prior_cov: its covariance.
        log_evidence: one-step predictive log densities in nats `(steps,)`.
        white: innovations scaled to unit covariance `(steps, obs)`; zero where nothing was seen or where
            there is no predictive density.
        judged: whether an entry has one, given those before it at the same step: not where it is the first to
            see an unknown direction of a diffuse start, nor where it was known exactly. None: all have.
        diffuse: the moments of a diffuse start, the unknown directions apart; None for any other.
    """

    mean: Float[Array, "*steps states"]
    cov: Float[Array, "*#steps states states"]
    prior_mean: Float[Array, "*steps states"]
    prior_cov: Float[Array, "*#steps states states"]
    log_evidence: Float[Array, "*steps"]  # pyright: ignore[reportIncompatibleMethodOverride]
    white: Float[Array, "*steps obs"]
    judged: Bool[Array, "*#steps obs"] | None = None
    diffuse: DiffuseMoments | None = None

    @property
    def moments(self) -> tuple[Array, ...]:
        """Mean and covariance; of a diffuse start that of the known directions, and a basis."""
        if self.diffuse is None:
            return self.mean, self.cov
        return self.mean, self.diffuse.cov, self.diffuse.basis

    @property
    def determined(self) -> Bool[np.ndarray, "*#steps"] | None:
        """After which steps every direction of a diffuse start is known."""
        if self.diffuse is None:
            return None
        return (np.asarray(self.diffuse.basis) == 0).all((-2, -1))

    @property
    @in_own_precision
    def var(self) -> Float[Array, "*#steps states"]:
        """Filtered variance of each state variable."""
        return jnp.diagonal(self.cov, axis1=-2, axis2=-1)


class SmoothedPath(eqx.Module):
    r"""Moments of the states given a whole series.

    Several series that share their covariances hold them once, with a leading axis of one.

    Attributes:
        mean: `(steps, states)`.
        cov: `(steps, states, states)`.
        lag: $\operatorname{Cov}(x_t, x_{t-1})$; zero at the first step.
    """

    mean: Float[Array, "*steps states"]
    cov: Float[Array, "*#steps states states"]
    lag: Float[Array, "*#steps states states"]


def reported(
    cov: Float[Array, "*batch n n"], basis: Float[Array, "*batch n d"]
) -> Float[Array, "*batch n n"]:
    """A covariance with a vast, but finite, variance along the unknown directions.

    No vaster than this: what such coordinates have in common with others, and cancels in a known combination
    of them, keeps some of its digits.
    """
    return cov + jnp.finfo(cov.dtype).eps ** -0.6 * (basis @ basis.mT)


BEYOND = 2
"""The variance of what sees an unknown direction is this negative power of the machine epsilon."""


def beyond(
    cov: Float[Array, "*batch p p"], effect: Float[Array, "*batch p d"]
) -> Float[Array, "*batch p p"]:
    """A covariance of observations, beyond all data for those that see an unknown direction.

    Args:
        cov: what is known of it.
        effect: of the unknown coordinates, exactly zero on an observation that sees none.
    """
    return cov + jnp.finfo(cov.dtype).eps ** -BEYOND * (effect @ effect.mT)


def normalise(log_weights: Float[Array, " particles"]) -> tuple[Array, Array]:
    """Log weights that sum to one, and the log of the old sum."""
    # Around the largest, so that the small differences that matter keep their digits in float32.
    top = jnp.max(log_weights)
    shifted = log_weights - jnp.where(jnp.isfinite(top), top, 0.0)
    total = jnp.log(jnp.exp(shifted).sum())
    return shifted - total, top + total
