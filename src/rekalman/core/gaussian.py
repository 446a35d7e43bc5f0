"""Gaussian distributions of vectors: with a full covariance, or with independent entries."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.cholesky import cholesky, whitened
from rekalman.core.distribution import Distribution, diagonal
from rekalman.core.metrics import LOG_2PI, crps_gaussian
from rekalman.foundation.arguments import probability
from rekalman.numerics.precision import in_own_precision


class _Normal(Distribution):
    """What depends on the law of each entry alone."""

    @property
    def gaussian(self) -> bool:
        """Whether the law of each entry is Gaussian: it is."""
        return True

    @in_own_precision
    def cdf(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        r"""$\Phi((y - \mu) / \sigma)$ of each entry."""
        return ndtr((y - self.mean) / self.std)

    @in_own_precision
    def quantile(self, q: int | float) -> Float[Array, "*shape"]:
        r"""$\mu + \sigma \Phi^{-1}(q)$ of each entry."""
        q = probability(q, "the probability of a quantile")
        return self.mean + self.std * ndtri(jnp.asarray(q, self.mean.dtype))

    @in_own_precision
    def crps(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """In closed form (Gneiting et al. 2005, eq. 5)."""
        return jnp.asarray(crps_gaussian(y, self.mean, self.var))


class Gaussian(_Normal):
    r"""A Gaussian $\mathcal{N}(\mu, \Sigma)$ with a full covariance.

    Attributes:
        mean: `(*lead, obs)`.
        cov: `(*lead, obs, obs)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.gaussian import Gaussian
        >>> ahead = Gaussian(jnp.zeros(2), jnp.eye(2))
        >>> [round(float(end[0]), 2) for end in ahead.interval(0.9)]
        [-1.64, 1.64]
    """

    mean: Float[Array, "*lead obs"]  # pyright: ignore[reportIncompatibleMethodOverride]
    cov: Float[Array, "*lead obs obs"]  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    @in_own_precision
    def var(self) -> Float[Array, "*lead obs"]:
        """The diagonal of the covariance."""
        return jnp.diagonal(self.cov, axis1=-2, axis2=-1)

    @in_own_precision
    def log_prob(self, y: Float[Array, "*lead obs"]) -> Float[Array, "*lead"]:
        """Log density of the known entries, by the Cholesky factor of their covariance."""
        known = ~jnp.isnan(y)
        white, log_scale = whitened(jnp.where(known, y, 0.0) - self.mean, self.cov, known)
        each = -0.5 * (LOG_2PI + white * white) - log_scale
        return jnp.where(known, each, 0.0).sum(-1)

    @in_own_precision
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
        r"""$\mu + L e$ with $L L^\top = \Sigma$ and independent standard normal $e$."""
        noise = jax.random.normal(key, (*shape, *self.mean.shape), self.mean.dtype)
        return self.mean + (cholesky(self.cov) @ noise[..., None])[..., 0]


class DiagonalGaussian(_Normal):
    """Independent Gaussians.

    Attributes:
        mean: `(*lead, *event)`.
        var: variances, positive.
        axes: number of axes of an event: 1 for vectors, 3 for images.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.gaussian import DiagonalGaussian
        >>> ahead = DiagonalGaussian(jnp.zeros(2), jnp.array([1.0, 4.0]))
        >>> print(ahead.crps(jnp.zeros(2)).round(2))  # of each entry
        [0.22999999 0.47      ]
    """

    mean: Float[Array, "*shape"]  # pyright: ignore[reportIncompatibleMethodOverride]
    var: Float[Array, "*shape"]  # pyright: ignore[reportIncompatibleMethodOverride]
    axes: int = eqx.field(static=True, default=1)

    @property
    @in_own_precision
    def cov(self) -> Float[Array, "*lead obs obs"]:
        """A diagonal covariance."""
        return diagonal(self.var)

    def as_vector(self) -> DiagonalGaussian:
        """The same with the entries of an event in one axis."""
        shape = (*self.mean.shape[: self.mean.ndim - self.axes], -1)
        return DiagonalGaussian(self.mean.reshape(shape), self.var.reshape(shape))

    def reshape(self, lead: tuple[int, ...]) -> DiagonalGaussian:
        """The same with other leading axes."""
        shape = (*lead, *event_shape(self.mean, self.axes))
        return dataclasses.replace(self, mean=self.mean.reshape(shape), var=self.var.reshape(shape))

    @in_own_precision
    def log_prob(self, y: Float[Array, "*shape"]) -> Float[Array, "*lead"]:
        """Log density summed over the known entries of each event; NaN poisons no gradient."""
        known = ~jnp.isnan(y)
        error = jnp.where(known, y, 0.0) - self.mean
        density = -0.5 * (LOG_2PI + jnp.log(self.var) + error * error / self.var)
        return event_sum(jnp.where(known, density, 0.0), self.axes)

    @in_own_precision
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
        """`mean + std e` with independent standard normal `e`."""
        noise = jax.random.normal(key, (*shape, *self.mean.shape), self.mean.dtype)
        return self.mean + self.std * noise


def event_shape(x: Float[Array, "*shape"], axes: int) -> tuple[int, ...]:
    """Shape of one event."""
    return x.shape[x.ndim - axes :]


def event_sum(x: Float[Array, "*shape"], axes: int) -> Float[Array, "*lead"]:
    """Sum over the axes of an event."""
    return x.sum(tuple(range(x.ndim - axes, x.ndim)))
