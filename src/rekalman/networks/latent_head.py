"""From the features of an encoder to a latent observation and its variance."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.networks.dense import Dense
from rekalman.networks.positive import positive


def unit(x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
    """`x` at Euclidean length 1; of vectors shorter than 1e-4 the length shrinks to 0 smoothly."""
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-8)


class LatentHead(eqx.Module):
    """Two affine maps on the same features: the latent observation and its variance.

    Attributes:
        mean: to the latent observation.
        var: to what `variance` maps onto the variance.
        normalise: "post" brings each latent observation to length 1 (the paper), "pre" the features (the
            authors' later code), None neither.
        variance: name of the positive map.
    """

    mean: Dense
    var: Dense
    normalise: str | None = eqx.field(static=True)
    variance: str = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        latent: int,
        *,
        normalise: str | None = "post",
        variance: str = "elu1",
        key: PRNGKeyArray,
    ):
        positive(variance)
        if normalise not in ("post", "pre", None):
            raise RekalError(f"unknown normalise={normalise!r}: use 'post', 'pre' or None")
        of_mean, of_bias, of_var = jax.random.split(key, 3)
        self.mean = Dense(features, latent, key=of_mean)
        if normalise == "post":
            # Frames without any feature still need a direction; N(0, 0.05) is the authors' choice.
            bias = 0.05 * jax.random.normal(of_bias, (latent,), jnp.float32)
            self.mean = eqx.tree_at(lambda dense: dense.bias, self.mean, bias)
        self.var = Dense(features, latent, key=of_var)
        self.normalise, self.variance = normalise, variance

    def __call__(
        self, features: Float[Array, "*batch features"]
    ) -> tuple[Float[Array, "*batch latent"], Float[Array, "*batch latent"]]:
        """The latent observation and its variance."""
        features = unit(features) if self.normalise == "pre" else features
        mean = self.mean(features)
        var = positive(self.variance).forward(self.var(features))
        return unit(mean) if self.normalise == "post" else mean, var
