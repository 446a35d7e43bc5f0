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


def normalise(log_weights: Float[Array, " particles"]) -> tuple[Array, Array]:
    """Log weights that sum to one, and the log of the old sum."""
    # Around the largest, so that the small differences that matter keep their digits in float32.
    top = jnp.max(log_weights)
    shifted = log_weights - jnp.where(jnp.isfinite(top), top, 0.0)
    total = jnp.log(jnp.exp(shifted).sum())
    return shifted - total, top + total
