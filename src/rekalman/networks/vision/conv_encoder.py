"""The convolutional encoder of Becker et al. (2019), fast on the CPU."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from rekalman.foundation.errors import RekalError
from rekalman.networks.dense import Convolution, Dense, LayerNorm
from rekalman.networks.encoders import BYTE, check_observations
from rekalman.networks.latent_head import LatentHead
from rekalman.networks.vision.conv_stages import SECOND, Plan, Stage, two_stages
from rekalman.networks.vision.tiles import Tiling


class ConvEncoder(eqx.Module):
    """Two convolutions and a dense layer.

        5 x 5 'same' -> layer norm -> ReLU -> maximum over 2 x 2
        3 x 3 stride 2 'same' -> layer norm -> ReLU -> maximum over 2 x 2
        dense -> ReLU -> head

    'same' is TensorFlow's: the output has the size of the input over the stride, and uneven padding goes to
    the end. Pendulum: stride 1, widths (12, 12, 30) on 24 x 24; quad link: stride 2, widths (12, 12, 200) on
    48 x 48.

    Attributes:
        convolutions: the two.
        norms: their layer norms, or none.
        dense: from all places and channels.
        head: to latent observation and variance.
        shape: height, width and channels of a frame.
        latent: length of the latent observation.
        stride: of the first convolution, 1 or 2.
        scale: what pixels are multiplied by first.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> encoder = rekalman.ConvEncoder((24, 24, 1), latent=5, key=jax.random.key(0))
        >>> encoder.shape, encoder.latent
        ((24, 24, 1), 5)
    """

    convolutions: tuple[Convolution, Convolution]
    norms: tuple[LayerNorm, ...]
    dense: Dense
    head: LatentHead
    shape: tuple[int, ...] = eqx.field(static=True)
    latent: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        widths: tuple[int, int, int] = (12, 12, 30),
        stride: int = 1,
        *,
        scale: int | float = BYTE,
        norm: bool = True,
        eps: int | float = 1e-5,
        normalise: str | None = "post",
        variance: str = "elu1",
        key: PRNGKeyArray,
    ):
        """Make an encoder with fresh weights.

        Args:
            shape: height, width and channels of a frame.
            latent: length of the latent observation.
            widths: channels of the convolutions and size of the dense layer.
            stride: of the first convolution, 1 or 2.
            scale: what pixels are multiplied by first.
            norm: layer norms before the ReLUs.
            eps: of the layer norms.
            normalise: see `LatentHead`.
            variance: name of the positive map.
            key: randomness.

        Raises:
            RekalError: frames or a stride the two stages cannot divide.
        """
        if stride not in (1, 2):
            raise RekalError(f"the stride of the first convolution must be 1 or 2, not {stride}")
        unit = 8 * stride
        if len(shape) != 3 or shape[0] % unit or shape[1] % unit:
            raise RekalError(
                f"two convolutions with first stride {stride} need frames (height, width, channels) with "
                f"sides divisible by {unit}, not {tuple(shape)}"
            )
        one, two, features = widths
        keys = jax.random.split(key, 4)
        self.convolutions = (
            Convolution(5, shape[2], one, key=keys[0]),
            Convolution(3, one, two, key=keys[1]),
        )
        self.norms = (LayerNorm(one, eps), LayerNorm(two, eps)) if norm else ()
        places = (shape[0] // unit) * (shape[1] // unit)
        self.dense = Dense(places * two, features, key=keys[2])
        self.head = LatentHead(
            features, latent, normalise=normalise, variance=variance, key=keys[3]
        )
        self.shape, self.latent = tuple(shape), latent
        self.stride, self.scale = stride, float(scale)

    def __call__(
        self, values: Shaped[Array, "n height width channels"]
    ) -> tuple[Float[Array, "n latent"], Float[Array, "n latent"]]:
        """Latent observations and variances.

        Raises:
            RekalError: frames of another size or type.
        """
        check_observations(values, self.shape, self.scale)
        plan = Plan(self.stride, self.norms[0].eps if self.norms else None, self.scale)
        first, second = self._stage(0, plan.first), self._stage(1, SECOND)
        x = second.bend(two_stages(plan, values, first, second))
        return self.head(jax.nn.relu(self.dense(x.reshape(len(x), -1))))

    def _stage(self, i: int, tiling: Tiling) -> Stage:
        kernel, bias = self.convolutions[i].kernel, self.convolutions[i].bias
        # The layer norm of nothing: what comes out is neither stretched nor shifted.
        scale, offset = jnp.ones_like(bias), jnp.zeros_like(bias)
        if self.norms:
            scale, offset = self.norms[i].scale, self.norms[i].offset
        places = tiling.outputs**2
        return Stage(
            tiling.matrix(kernel),
            jnp.tile(bias, places),
            jnp.tile(scale, places // 4),
            jnp.tile(offset, places // 4),
        )
