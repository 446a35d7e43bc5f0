"""A fast decoder of images: `PatchEncoder` the other way round, from places over splits to patches."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.bernoulli import Bernoulli
from rekalman.foundation.errors import RekalError
from rekalman.networks.chunks import in_chunks
from rekalman.networks.dense import Dense
from rekalman.networks.vision.tiles import from_blocks


class PatchDecoder(eqx.Module):
    """Dense, dense to all places, splits of a place in 2 x 2, patches of pixels; ReLU between.

    It reads the means of a belief and nothing of its variances.

    Attributes:
        stages: the affine maps, from the features first to the pixels of a patch last.
        shape: height, width and channels of an image.
        patch: side of a patch in pixels.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> decoder = rekalman.PatchDecoder(10, (24, 24, 1), key=jax.random.key(0))
        >>> decoder.shape
        (24, 24, 1)
    """

    stages: tuple[Dense, ...]
    shape: tuple[int, int, int] = eqx.field(static=True)
    patch: int = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        widths: tuple[int, ...] = (64, 64, 32),
        patch: int = 4,
        *,
        key: PRNGKeyArray,
    ):
        """Make a decoder with fresh weights.

        Args:
            features: length of the vector that is read.
            shape: height, width and channels of an image.
            widths: size of the dense layer, then channels before and after each split; one more entry means
                one more split.
            patch: side of a patch in pixels.
            key: randomness.

        Raises:
            RekalError: patches and splits do not divide the image.
        """
        splits = len(widths) - 2
        unit = patch * 2**splits
        if splits < 0 or shape[0] % unit or shape[1] % unit:
            raise RekalError(
                f"patches of {patch} pixels and {splits} splits need images with sides divisible by "
                f"{unit}, not {shape}"
            )
        places = (shape[0] // unit) * (shape[1] // unit)
        inputs = (features, *widths)
        outputs = (
            widths[0],
            places * widths[1],
            *(4 * width for width in widths[2:]),
            patch * patch * shape[2],
        )
        keys = jax.random.split(key, len(inputs))
        self.stages = tuple(
            Dense(a, b, key=k) for a, b, k in zip(inputs, outputs, keys, strict=True)
        )
        self.shape, self.patch = shape, patch

    def __call__(
        self, features: Float[Array, "n features"], spread: Float[Array, "n spread"]
    ) -> Bernoulli:
        """The distribution of the pixels, leading axis `n`."""
        return Bernoulli(in_chunks(lambda x: self._draw(x), features))

    def _draw(self, x: Float[Array, "n features"]) -> Float[Array, "n height width channels"]:
        n = len(x)
        *hidden, last = self.stages
        for stage in hidden:
            # A place and its four parts stay together: rows are rearranged once, as pixels.
            x = jax.nn.relu(stage(x.reshape(-1, stage.weight.shape[0])))
        x = last(x.reshape(-1, last.weight.shape[0]))
        side = self.patch
        for _ in range(len(self.stages) - 3):
            block = x.shape[-1]
            x = from_blocks(x.reshape(-1, 2, 2, block), side).reshape(-1, 4 * block)
            side *= 2
        rows, columns = self.shape[0] // side, self.shape[1] // side
        return from_blocks(x.reshape(n, rows, columns, -1), side)
