"""A fast encoder of frames: patches that do not overlap, merged two by two.

A convolution of stride equal to its width is one matrix product over patches, so each stage costs one product
and moves each number once.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from rekalman.foundation.errors import RekalError
from rekalman.networks.chunks import in_chunks
from rekalman.networks.dense import Dense, LayerNorm
from rekalman.networks.encoders import BYTE, check_observations
from rekalman.networks.latent_head import LatentHead
from rekalman.networks.vision.tiles import to_blocks
from rekalman.networks.vision.tone_curves import ToneCurves


class PatchEncoder(eqx.Module):
    """Patches, merges of 2 x 2 neighbours, one dense layer, each followed by ReLU.

    Attributes:
        stages: the affine maps, from patches first, over merges, to the dense layer over all positions last.
        norms: a layer norm before each ReLU, or none.
        head: to latent observation and variance.
        tones: curves of brightness that the patches are joined with, or None.
        shape: height, width and channels of a frame.
        latent: length of the latent observation.
        patch: side of a patch in pixels.
        scale: what pixels are multiplied by first.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> encoder = rekalman.PatchEncoder((8, 8, 1), latent=5, key=jax.random.key(0))
        >>> mean, var = encoder(jnp.zeros((2, 8, 8, 1), jnp.uint8))  # two frames
        >>> mean.shape, var.shape
        ((2, 5), (2, 5))
    """

    stages: tuple[Dense, ...]
    norms: tuple[LayerNorm, ...]
    head: LatentHead
    tones: ToneCurves | None
    shape: tuple[int, ...] = eqx.field(static=True)
    latent: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)
    scale: int | float = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        widths: tuple[int, ...] = (32, 64, 64),
        patch: int = 4,
        *,
        scale: int | float = BYTE,
        norm: bool = False,
        tones: int = 0,
        regions: int = 1,
        normalise: str | None = "post",
        variance: str = "elu1",
        key: PRNGKeyArray,
    ):
        """Make an encoder with fresh weights.

        Args:
            shape: height, width and channels of a frame.
            latent: length of the latent observation.
            widths: channels after the patches and after each merge, then the size of the dense layer; one
                more entry means one more merge.
            patch: side of a patch in pixels.
            scale: what pixels are multiplied by first.
            norm: layer norms before the ReLUs.
            tones: number of tone curves, for frames under noise of changing strength; they take pixels that
                are between 0 and 1 once scaled.
            regions: parts on each side of a frame whose noise differs, for the tone curves.
            normalise: see `LatentHead`.
            variance: name of the positive map.
            key: randomness.

        Raises:
            RekalError: patches, merges and regions do not divide the frame, or an odd number of tone curves.
        """
        merges = len(widths) - 2
        unit = patch * 2**merges
        if len(shape) != 3 or merges < 0 or shape[0] % unit or shape[1] % unit:
            raise RekalError(
                f"patches of {patch} pixels and {merges} merges need frames (height, width, channels) with "
                f"sides divisible by {unit}, not {tuple(shape)}"
            )
        if regions < 1 or any(side // patch % regions for side in shape[:2]):
            raise RekalError(
                f"{regions} regions must divide the {shape[0] // patch} x {shape[1] // patch} patches"
            )
        places = (shape[0] // unit) * (shape[1] // unit)
        inputs = (
            (1 + tones) * patch * patch * shape[2],
            *(4 * width for width in widths[:-2]),
            places * widths[-2],
        )
        *of_stages, of_head = jax.random.split(key, len(widths) + 1)
        self.tones = ToneCurves(tones, regions, key=jax.random.fold_in(key, 1)) if tones else None
        self.stages = tuple(
            Dense(a, b, key=k) for a, b, k in zip(inputs, widths, of_stages, strict=True)
        )
        self.norms = tuple(LayerNorm(width) for width in widths) if norm else ()
        self.head = LatentHead(
            widths[-1], latent, normalise=normalise, variance=variance, key=of_head
        )
        self.shape, self.latent, self.patch, self.scale = tuple(shape), latent, patch, float(scale)

    def __call__(
        self, values: Shaped[Array, "n height width channels"]
    ) -> tuple[Float[Array, "n latent"], Float[Array, "n latent"]]:
        """Latent observations and variances.

        Raises:
            RekalError: frames of another size or type.
        """
        check_observations(values, self.shape, self.scale)
        return self.head(in_chunks(lambda frames: self._features(frames), values))

    def _features(
        self, frames: Shaped[Array, "n height width channels"]
    ) -> Float[Array, "n features"]:
        x = to_blocks(frames, self.patch).astype(jnp.float32) * self.scale
        if self.tones is not None:
            x = self.tones(x)
        x = self._bend(0, x)
        for i in range(1, len(self.stages) - 1):
            x = self._bend(i, to_blocks(x, 2))
        return self._bend(len(self.stages) - 1, x.reshape(len(x), -1))

    def _bend(self, i: int, x: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        x = self.stages[i](x)
        return jax.nn.relu(self.norms[i](x) if self.norms else x)
