"""The decoder of images of Becker et al. (2019): transposed convolutions, fast on the CPU."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.bernoulli import Bernoulli
from rekalman.foundation.errors import RekalError
from rekalman.networks.chunks import in_chunks
from rekalman.networks.dense import Convolution, Dense, LayerNorm
from rekalman.networks.vision.tiles import from_blocks
from rekalman.networks.vision.upsampling import Upsampling

DEPTH = 16
"""Channels of the first, smallest images."""


class ImageDecoder(eqx.Module):
    """A dense layer and three transposed convolutions, to the probability of each pixel.

        dense -> ReLU -> images of 16 channels
        5 x 5 stride 4 -> layer norm -> ReLU
        3 x 3 stride 2 -> layer norm -> ReLU          (quad link: stride 4)
        3 x 3 -> logits

    all 'same' as in TensorFlow. It reads the means of a belief and nothing of its variances. Images of
    24 x 24 (stride 2) and of 48 x 48 (stride 4) both start from 3 x 3.

    Attributes:
        dense: from the features to the smallest images.
        convolutions: the three.
        norms: layer norms after the first two, or none.
        shape: height, width and channels of an image.
        stride: of the second convolution.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> decoder = rekalman.ImageDecoder(10, (24, 24, 1), key=jax.random.key(0))
        >>> decoder.shape
        (24, 24, 1)
    """

    dense: Dense
    convolutions: tuple[Convolution, Convolution, Convolution]
    norms: tuple[LayerNorm, ...]
    shape: tuple[int, int, int] = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        widths: tuple[int, int] = (16, 12),
        stride: int = 2,
        *,
        norm: bool = True,
        key: PRNGKeyArray,
    ):
        """Make a decoder with fresh weights.

        Args:
            features: length of the vector that is read.
            shape: height, width and channels of an image.
            widths: channels after the first and the second convolution.
            stride: of the second convolution.
            norm: layer norms before the ReLUs.
            key: randomness.

        Raises:
            RekalError: the strides do not divide the image.
        """
        unit = 4 * stride
        if shape[0] % unit or shape[1] % unit:
            raise RekalError(
                f"strides of 4 and {stride} need images with sides divisible by {unit}, not {shape}"
            )
        keys = jax.random.split(key, 4)
        one, two = widths
        self.dense = Dense(features, (shape[0] // unit) * (shape[1] // unit) * DEPTH, key=keys[0])
        self.convolutions = (
            Convolution(5, DEPTH, one, key=keys[1]),
            Convolution(3, one, two, key=keys[2]),
            Convolution(3, two, shape[2], key=keys[3]),
        )
        self.norms = (LayerNorm(one), LayerNorm(two)) if norm else ()
        self.shape, self.stride = shape, stride

    def __call__(
        self, features: Float[Array, "n features"], spread: Float[Array, "n spread"]
    ) -> Bernoulli:
        """The distribution of the pixels, leading axis `n`."""
        height, width, _ = self.shape
        unit = 4 * self.stride
        steps = Upsampling(5, 4, 1), Upsampling(3, self.stride, 1), Upsampling(3, 1, self.stride)
        # Matrices and repeated vectors are made once, not for each chunk.
        matrices, biases = [], []
        for step, weights in zip(steps, self.convolutions, strict=True):
            matrices.append(step.matrices(weights.kernel))
            biases.append(jnp.tile(weights.bias, (step.block * step.stride) ** 2))
        norms = [n.repeated(s.stride**2) for n, s in zip(self.norms, steps, strict=False)]

        def layer(i: int, x: Array) -> Array:
            x = steps[i](x, matrices[i]) + biases[i]
            return jax.nn.relu(norms[i](x) if norms else x)

        def draw(features: Array) -> Array:
            x = jax.nn.relu(self.dense(features))
            x = x.reshape(len(x), height // unit, width // unit, DEPTH)
            x = layer(1, from_blocks(layer(0, x), 4))
            x = from_blocks(steps[2](x, matrices[2]) + biases[2], self.stride)
            cut = steps[2].cut
            return x[:, cut : cut + height, cut : cut + width]

        return Bernoulli(in_chunks(draw, features))
