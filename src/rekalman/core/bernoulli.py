"""Pixels that are on or off."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from rekalman.core.distribution import Distribution, diagonal
from rekalman.core.gaussian import event_shape, event_sum
from rekalman.foundation.arguments import probability
from rekalman.numerics.precision import in_own_precision


class Bernoulli(Distribution):
    """Independent pixels, each on (1) or off (0); grey targets are soft: the cross-entropy with them counts.

    Attributes:
        logits: log odds `(*lead, *event)`.
        axes: number of axes of an event; 3 for images.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.bernoulli import Bernoulli
        >>> pixels = Bernoulli(jnp.array([0.0, 4.0]), axes=1)
        >>> print(pixels.mean.round(2))
        [0.5        0.97999996]
    """

    logits: Float[Array, "*shape"]
    axes: int = eqx.field(static=True, default=3)

    @property
    @in_own_precision
    def mean(self) -> Float[Array, "*shape"]:
        """Probabilities."""
        return jax.nn.sigmoid(self.logits)

    @property
    @in_own_precision
    def var(self) -> Float[Array, "*shape"]:
        """`p (1 - p)`."""
        return jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    @property
    @in_own_precision
    def cov(self) -> Float[Array, "*lead obs obs"]:
        """A diagonal covariance of the last axis."""
        return diagonal(self.var)

    def as_vector(self) -> Bernoulli:
        """The same with the pixels of an image in one axis."""
        lead = self.logits.shape[: self.logits.ndim - self.axes]
        return Bernoulli(self.logits.reshape(*lead, -1), axes=1)

    def reshape(self, lead: tuple[int, ...]) -> Bernoulli:
        """The same with other leading axes."""
        shape = (*lead, *event_shape(self.logits, self.axes))
        return dataclasses.replace(self, logits=self.logits.reshape(shape))

    @in_own_precision
    def log_prob(self, y: Shaped[Array, "*shape"]) -> Float[Array, "*lead"]:
        """Log probability summed over the known entries of each event.

        Args:
            y: bytes, 255 = on, or floats within [0, 1].
        """
        if y.dtype == jnp.uint8:
            y = y.astype(self.logits.dtype) / 255
        known = ~jnp.isnan(y)
        # y log p + (1 - y) log(1 - p) with p = sigmoid(logits).
        each = jnp.where(known, y, 0.0) * self.logits - _softplus(self.logits)
        return event_sum(jnp.where(known, each, 0.0), self.axes)

    @in_own_precision
    def cdf(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """0 below 0, the probability of off from there to 1, then 1."""
        return jnp.where(y < 0, 0.0, jnp.where(y < 1, 1 - self.mean, 1.0))

    @in_own_precision
    def quantile(self, q: int | float) -> Float[Array, "*shape"]:
        """0 up to the probability of off, then 1."""
        q = probability(q, "the probability of a quantile")
        return (q > 1 - self.mean).astype(self.logits.dtype)

    @in_own_precision
    def crps(self, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """`E|X - y| - E|X - X'| / 2`: the squared error of the probability where `y` is 0 or 1."""
        p = self.mean
        return p * jnp.abs(1 - y) + (1 - p) * jnp.abs(y) - p * (1 - p)

    @in_own_precision
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
        """Independent pixels."""
        drawn = jax.random.bernoulli(key, self.mean, (*shape, *self.logits.shape))
        return drawn.astype(self.logits.dtype)


def _softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # Absolutely as exact as with log1p, relatively not, and several times faster: a sum does not mind.
    return jnp.maximum(x, 0.0) + jnp.log(1 + jnp.exp(-jnp.abs(x)))
