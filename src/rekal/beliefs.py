"""What a filter believes: the kinds of belief that the recursion carries through time."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree


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
    """

    x: Float[Array, "particles states"]
    log_weights: Float[Array, " particles"]
    ancestors: Int[Array, " particles"]
    key: PRNGKeyArray
    pending: PyTree = None

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
        """`1 / sum w^2`, between one and the number of particles."""
        return 1 / jnp.sum(self.weights**2)


class Path(eqx.Module):
    """All particle clouds of a filtered series, the raw material of the smoothers.

    Attributes:
        x: `(steps, particles, states)`, positions after each update.
        log_weights: `(steps, particles)`, normalised.
        ancestors: `(steps, particles)`, index of the particle one step earlier.
        log_evidence: `(steps,)`, one-step predictive log densities in nats.
    """

    x: Float[Array, "*batch steps particles states"]
    log_weights: Float[Array, "*batch steps particles"]
    ancestors: Int[Array, "*batch steps particles"]
    log_evidence: Float[Array, "*batch steps"]

    @property
    def log_likelihood(self) -> Float[Array, "*batch"]:
        """Sum of the one-step predictive log densities over the observed entries."""
        return self.log_evidence.sum(-1)

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


class Gaussian(eqx.Module):
    """A Gaussian belief about the state.

    The mean is a column, followed by one column for each diffuse coordinate of the first state: how the
    mean moves with that coordinate (none once a start is proper).

    Attributes:
        columns: `(states, 1 + flat)`.
        carry: covariance, or a square root of it, given the diffuse coordinates.
        squares: summed products of the columns of the white innovations.
        step: number of the step it stands at, counted from 0.
        withheld: log density of what was observed before the diffuse coordinates were determined.
        root: whether `carry` is a square root.
    """

    columns: Float[Array, "*batch states columns"]
    carry: Float[Array, "*batch states states"]
    squares: Float[Array, "*batch columns columns"]
    step: Int[Array, "*batch"]
    withheld: Float[Array, "*batch"]
    root: bool = eqx.field(static=True, default=False)

    @property
    def mean(self) -> Float[Array, "*batch states"]:
        """Mean of the state."""
        return combined(self.columns, self.given, self.squares)[0]

    @property
    def cov(self) -> Float[Array, "*batch states states"]:
        """Covariance of the state."""
        return combined(self.columns, self.given, self.squares)[1]

    @property
    def given(self) -> Float[Array, "*batch states states"]:
        """Covariance given the diffuse coordinates."""
        return self.carry @ self.carry.mT if self.root else self.carry


class GaussianPath(eqx.Module):
    """The beliefs of all steps of a filtered series, or of several.

    Several series that share their covariances hold them once, with a leading axis of one.

    Attributes:
        mean: after each update `(steps, states)`.
        cov: its covariance `(steps, states, states)`.
        prior_mean: before each update.
        prior_cov: its covariance.
        log_evidence: one-step predictive log densities in nats `(steps,)`.
        white: innovations scaled to unit covariance `(steps, obs)`; zero where nothing was seen or where
            the start was not determined yet.
    """

    mean: Float[Array, "*steps states"]
    cov: Float[Array, "*#steps states states"]
    prior_mean: Float[Array, "*steps states"]
    prior_cov: Float[Array, "*#steps states states"]
    log_evidence: Float[Array, "*steps"]
    white: Float[Array, "*steps obs"]

    @property
    def log_likelihood(self) -> Float[Array, "*batch"]:
        """Sum of the one-step predictive log densities over the observed entries."""
        return self.log_evidence.sum(-1)

    @property
    def var(self) -> Float[Array, "*#steps states"]:
        """Filtered variance of each state variable."""
        return jnp.diagonal(self.cov, axis1=-2, axis2=-1)


class SmoothedPath(eqx.Module):
    """Moments of the states given a whole series.

    Attributes:
        mean: `(steps, states)`.
        cov: `(steps, states, states)`.
        lag: `Cov(x_t, x_{t-1})`; zero at the first step.
    """

    mean: Float[Array, "*steps states"]
    cov: Float[Array, "*steps states states"]
    lag: Float[Array, "*steps states states"]


def combined(
    columns: Float[Array, "*batch states columns"],
    given: Float[Array, "*batch states states"],
    squares: Float[Array, "*#batch columns columns"],
) -> tuple[Float[Array, "*batch states"], Float[Array, "*batch states states"]]:
    """Mean and covariance of the state, the diffuse coordinates integrated out.

    A direction of which the data say nothing yet has a huge variance, not an infinite one.
    """
    mean, effect = columns[..., 0], columns[..., 1:]
    if effect.shape[-1] == 0:
        return mean, given
    center, cov = flat_law(squares)
    mean = mean + (effect * center[..., None, :]).sum(-1)
    return mean, given + effect @ cov @ effect.mT


def flat_law(
    squares: Float[Array, "*batch columns columns"],
) -> tuple[Float[Array, "*batch flat"], Float[Array, "*batch flat flat"]]:
    """Mean and covariance of the diffuse coordinates, from the products of the white innovations.

    A direction of which the data say nothing yet has mean zero.
    """
    S, s = squares[..., 1:, 1:], squares[..., 1:, 0]
    size, scaled = balanced(S)
    values, vectors = jnp.linalg.eigh(scaled)
    raised = floored(values)
    roots = vectors / size[..., :, None]
    cov = (roots / raised[..., None, :]) @ roots.mT
    along = (roots * s[..., :, None]).sum(-2)
    along = jnp.where(values < raised, 0.0, along / raised)
    return -(roots * along[..., None, :]).sum(-1), cov


def balanced(
    S: Float[Array, "*batch flat flat"],
) -> tuple[Float[Array, "*batch flat"], Float[Array, "*batch flat flat"]]:
    """Roots of the diagonal of an information matrix, and the matrix scaled to a diagonal of one.

    The eigenvalues of what is scaled do not depend on the units of the states.
    """
    diagonal = jnp.diagonal(S, axis1=-2, axis2=-1)
    size = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    return size, S / (size[..., :, None] * size[..., None, :])


def floored(values: Float[Array, "*batch flat"]) -> Float[Array, "*batch flat"]:
    """Eigenvalues of a balanced information matrix, those that are rounding raised to just above it."""
    return jnp.maximum(values, UNKNOWN * jnp.finfo(values.dtype).eps)


UNKNOWN = 256
"""Multiples of the machine epsilon up to which information, made one for what is known, counts as none."""


def normalise(log_weights: Float[Array, " particles"]) -> tuple[Array, Array]:
    """Log weights that sum to one, and the log of the old sum."""
    # Around the largest, so that the small differences that matter keep their digits in float32.
    top = jnp.max(log_weights)
    shifted = log_weights - jnp.where(jnp.isfinite(top), top, 0.0)
    total = jnp.log(jnp.exp(shifted).sum())
    return shifted - total, top + total
