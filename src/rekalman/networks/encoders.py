"""What encoders have in common, and the simplest one: dense layers on all entries of an observation.

An encoder has `shape` and `latent`, takes observations `(n, *shape)`, bytes or floats, and gives latent
observations and their variances, `(n, latent)` each. It does not know of time.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from rekalman.foundation.errors import RekalError
from rekalman.models.activations import Activation
from rekalman.networks.dense import MLP
from rekalman.networks.latent_head import LatentHead

BYTE = 1 / 255
"""The scale that brings bytes to [0, 1]."""


def check_observations(
    values: Shaped[Array, "n ..."], shape: tuple[int, ...], scale: int | float
) -> None:
    """Refuse observations that an encoder was not made for.

    Raises:
        RekalError: another shape, or no bytes where the scale is that of bytes.
    """
    if values.shape[1:] != shape:
        raise RekalError(
            f"the encoder was made for observations of shape {shape}, not {values.shape[1:]}"
        )
    if scale == BYTE and values.dtype != jnp.uint8:
        raise RekalError(f"the encoder was made for bytes (uint8, 0 to 255), not {values.dtype}")


class DenseEncoder(eqx.Module):
    """Dense layers on all entries of an observation, for tables and small frames.

    Attributes:
        body: the hidden layers.
        head: to latent observation and variance.
        shape: of an observation.
        latent: length of the latent observation.
        scale: what entries are multiplied by first; `BYTE` for frames.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> encoder = rekalman.DenseEncoder((3,), latent=2, sizes=(16,), key=jax.random.key(0))
        >>> mean, var = encoder(jnp.ones((5, 3)))
        >>> mean.shape, bool((var > 0).all())
        ((5, 2), True)
    """

    body: MLP
    head: LatentHead
    shape: tuple[int, ...] = eqx.field(static=True)
    latent: int = eqx.field(static=True)
    scale: int | float = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        sizes: tuple[int, ...] = (64, 64),
        activation: Activation = "relu",
        *,
        scale: int | float = 1.0,
        norm: bool = False,
        normalise: str | None = "post",
        variance: str = "elu1",
        key: PRNGKeyArray,
    ):
        of_body, of_head = jax.random.split(key)
        self.body = MLP(math.prod(shape), sizes, activation, norm=norm, key=of_body)
        self.head = LatentHead(
            self.body.outputs, latent, normalise=normalise, variance=variance, key=of_head
        )
        self.shape, self.latent, self.scale = tuple(shape), latent, float(scale)

    def __call__(
        self, values: Shaped[Array, "n ..."]
    ) -> tuple[Float[Array, "n latent"], Float[Array, "n latent"]]:
        """Latent observations and variances.

        Raises:
            RekalError: observations of another shape or type.
        """
        check_observations(values, self.shape, self.scale)
        flat = values.reshape(values.shape[0], -1).astype(jnp.float32)
        return self.head(self.body(flat * self.scale))
