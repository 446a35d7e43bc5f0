"""What a network says of a target: a distribution at each step.

A distribution has leading axes (batch, time) and the axes of the target, `axes` of them, at the end. Unknown
entries of a target are NaN: they count 0 and poison no gradient.
"""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from rekal.errors import RekalError

LOG_2PI = float(np.log(2 * np.pi))


class DiagonalGaussian(eqx.Module):
    """Independent Gaussians.

    Attributes:
        mean: `(*lead, *target)`.
        var: variances, positive.
        axes: how many axes a target has.
    """

    mean: Float[Array, "*shape"]
    var: Float[Array, "*shape"]
    axes: int = eqx.field(static=True, default=1)

    def reshape(self, lead: tuple[int, ...]) -> DiagonalGaussian:
        """The same with other leading axes."""
        shape = (*lead, *_target_shape(self.mean, self.axes))
        return dataclasses.replace(self, mean=self.mean.reshape(shape), var=self.var.reshape(shape))

    def log_density(self, target: Float[Array, "*shape"]) -> Float[Array, "*lead"]:
        """Log density in nats, summed over the known entries of each target."""
        known = ~jnp.isnan(target)
        error = jnp.where(known, target, 0.0) - self.mean
        density = -0.5 * (LOG_2PI + jnp.log(self.var) + error * error / self.var)
        return _total(jnp.where(known, density, 0.0), self.axes)

    def interval(self, level: int | float) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """The central interval that holds each entry with probability `level`.

        Raises:
            RekalError: the level is no probability.
        """
        if not 0 < level < 1:
            raise RekalError(f"the level of an interval must lie between 0 and 1, not {level}")
        half = jax.scipy.special.ndtri(0.5 + level / 2) * jnp.sqrt(self.var)
        return self.mean - half, self.mean + half


class Bernoulli(eqx.Module):
    """Independent pixels, each on or off; grey targets are soft: the cross-entropy with them counts.

    Attributes:
        logits: log odds `(*lead, *target)`.
        axes: how many axes a target has; 3 for images.
    """

    logits: Float[Array, "*shape"]
    axes: int = eqx.field(static=True, default=3)

    @property
    def mean(self) -> Float[Array, "*shape"]:
        """Probabilities, `(*lead, *target)`."""
        return jax.nn.sigmoid(self.logits)

    @property
    def var(self) -> Float[Array, "*shape"]:
        """Variances of on (1) or off (0)."""
        return jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    def reshape(self, lead: tuple[int, ...]) -> Bernoulli:
        """The same with other leading axes."""
        shape = (*lead, *_target_shape(self.logits, self.axes))
        return dataclasses.replace(self, logits=self.logits.reshape(shape))

    def log_density(self, target: Shaped[Array, "*shape"]) -> Float[Array, "*lead"]:
        """Log density in nats, summed over the known entries of each target.

        Args:
            target: bytes, 255 = on, or floats within [0, 1].
        """
        if target.dtype == jnp.uint8:
            target = target.astype(self.logits.dtype) / 255
        known = ~jnp.isnan(target)
        # t log p + (1 - t) log(1 - p) with p = sigmoid(logits).
        density = jnp.where(known, target, 0.0) * self.logits - _softplus(self.logits)
        return _total(jnp.where(known, density, 0.0), self.axes)


def _softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # Absolutely as exact as with log1p, relatively not, and several times faster: a sum does not mind.
    return jnp.maximum(x, 0.0) + jnp.log(1 + jnp.exp(-jnp.abs(x)))


def _target_shape(x: Float[Array, "*shape"], axes: int) -> tuple[int, ...]:
    return x.shape[x.ndim - axes :]


def _total(x: Float[Array, "*shape"], axes: int) -> Float[Array, "*lead"]:
    return x.sum(tuple(range(x.ndim - axes, x.ndim)))
