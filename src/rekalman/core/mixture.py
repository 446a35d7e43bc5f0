"""Mixtures of Gaussians: what a cloud of particles says of an observation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core import mixtures
from rekalman.core.cholesky import cholesky, whitened
from rekalman.core.distribution import Distribution
from rekalman.core.metrics import LOG_2PI, crps_mixture
from rekalman.foundation.arguments import probability
from rekalman.numerics.precision import in_own_precision


class GaussianMixture(Distribution):
    r"""A mixture $\sum_i w_i\, \mathcal{N}(\mu_i, \Sigma)$ whose components share their covariance.

    Attributes:
        means: of the components, `(*lead, components, obs)`.
        within: covariance of each component, the same for all, `(*#lead, obs, obs)`.
        log_weights: normalised log weights `(*#lead, components)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.mixture import GaussianMixture
        >>> ahead = GaussianMixture(jnp.array([[-1.0], [1.0]]), jnp.eye(1), jnp.log(jnp.array([0.5, 0.5])))
        >>> ahead.mean.tolist(), ahead.cov.tolist()
        ([0.0], [[2.0]])
    """

    means: Float[Array, "*lead components obs"]
    within: Float[Array, "*#lead obs obs"]
    log_weights: Float[Array, "*#lead components"]

    @property
    @in_own_precision
    def mean(self) -> Float[Array, "*lead obs"]:
        """`sum w mu`."""
        return (jnp.exp(self.log_weights)[..., None] * self.means).sum(-2)

    @property
    @in_own_precision
    def cov(self) -> Float[Array, "*lead obs obs"]:
        """The covariance within the components plus that between their means."""
        centred = self.means - self.mean[..., None, :]
        weighted = jnp.exp(self.log_weights)[..., None] * centred
        return self.within + jnp.swapaxes(weighted, -1, -2) @ centred

    @property
    @in_own_precision
    def var(self) -> Float[Array, "*lead obs"]:
        """The diagonal of `cov`."""
        centred = self.means - self.mean[..., None, :]
        return self._within + (jnp.exp(self.log_weights)[..., None] * centred**2).sum(-2)

    @in_own_precision
    def log_prob(self, y: Float[Array, "*lead obs"]) -> Float[Array, "*lead"]:
        """Log density of the known entries."""
        known = jnp.broadcast_to(~jnp.isnan(y)[..., None, :], self.means.shape)
        error = jnp.where(known, y[..., None, :], 0.0) - self.means
        cov = jnp.broadcast_to(
            self.within[..., None, :, :], (*self.means.shape, self.means.shape[-1])
        )
        white, log_scale = whitened(error, cov, known)
        each = jnp.where(known, -0.5 * (LOG_2PI + white * white) - log_scale, 0.0).sum(-1)
        return jax.scipy.special.logsumexp(self.log_weights + each, axis=-1)

    @in_own_precision
    def cdf(self, y: Float[Array, "*lead obs"]) -> Float[Array, "*lead obs"]:
        """Mixture of the components' distribution functions."""
        return jnp.asarray(mixtures.mixture_cdf(y, *self._entries()))

    @in_own_precision
    def quantile(self, q: int | float) -> Float[Array, "*lead obs"]:
        """By a safeguarded Newton iteration (`rekalman.core.mixtures.mixture_quantile`)."""
        q = probability(q, "the probability of a quantile")
        return jnp.asarray(mixtures.mixture_quantile(q, *self._entries()))

    @in_own_precision
    def crps(self, y: Float[Array, "*lead obs"]) -> Float[Array, "*lead obs"]:
        """In closed form (Grimit et al. 2006, eq. 5)."""
        return jnp.asarray(crps_mixture(y, *self._entries()))

    @in_own_precision
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
        """A component by its weight, then its noise."""
        pick, noise_key = jax.random.split(key)
        log_weights = jnp.broadcast_to(self.log_weights, self.means.shape[:-1])
        at = jax.random.categorical(pick, log_weights, shape=(*shape, *log_weights.shape[:-1]))
        means = jnp.broadcast_to(self.means, (*shape, *self.means.shape))
        chosen = jnp.take_along_axis(means, at[..., None, None], -2)[..., 0, :]
        noise = jax.random.normal(noise_key, chosen.shape, chosen.dtype)
        return chosen + (cholesky(self.within) @ noise[..., None])[..., 0]

    @property
    def _within(self) -> Float[Array, "*lead obs"]:
        return jnp.diagonal(self.within, axis1=-2, axis2=-1)

    def _entries(self) -> tuple[Array, Array, Array]:
        """Means, variances and log weights with the components on the last axis, as scores take them."""
        means = jnp.swapaxes(self.means, -1, -2)
        return means, self._within[..., None], self.log_weights[..., None, :]
