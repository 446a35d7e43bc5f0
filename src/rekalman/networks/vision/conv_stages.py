"""The two convolutions of the paper's encoder, chunk by chunk, with the gradient.

The forward pass keeps what the maxima chose; the gradient makes windows and convolutions of a chunk again,
which costs less than to write and read them.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from rekalman.networks.chunks import join, split
from rekalman.networks.vision.pooling import Kept, pooled, pooled_gradient
from rekalman.networks.vision.tiles import Tiling, to_blocks

SECOND = Tiling(kernel=3, stride=2, outputs=2, block=2, blocks=3)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed of the two stages.

    Attributes:
        stride: of the first convolution, 1 or 2.
        eps: of the layer norms; None = there are none.
        scale: what pixels are multiplied by.
    """

    stride: int
    eps: float | None
    scale: float

    @property
    def first(self) -> Tiling:
        """The first stage."""
        return Tiling(kernel=5, stride=self.stride, outputs=4, block=4, blocks=1 + self.stride)

    def first_rows(self, shape: tuple[int, ...]) -> int:
        """How many rows of tiles the first stage makes of frames `(n, height, width, channels)`."""
        return shape[1] // (4 * self.stride)

    def first_windows(
        self, frames: Shaped[Array, "n height width channels"]
    ) -> Float[Array, "n tiles window"]:
        """Windows of pixels, scaled; bytes stay bytes until they are in place."""
        # TensorFlow's 'same': what does not divide evenly goes to the end.
        low = 2 // self.stride
        edge = (low, 4 - low)
        blocks = to_blocks(jnp.pad(frames, ((0, 0), edge, edge, (0, 0))), 4)
        windows = self.first.windows(blocks)
        return _rows(windows).astype(jnp.float32) * self.scale

    def second_windows(
        self, z: Float[Array, "n tiles outputs"], stage: Stage, rows: int
    ) -> Float[Array, "n tiles2 window"]:
        """Windows of what the first stage found, on a grid of `rows` rows of tiles."""
        x = stage.bend(z)
        x = x.reshape(len(x), rows, -1, x.shape[-1])
        return _rows(SECOND.windows(jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))))


class Stage(NamedTuple):
    """The weights of a stage, repeated for all places of a tile.

    Attributes:
        matrix: from windows to tiles.
        bias: of each column of it.
        scale: of the layer norm, for a quarter of the columns.
        offset: of the layer norm.
    """

    matrix: Float[Array, "window four_outputs"]
    bias: Float[Array, " four_outputs"]
    scale: Float[Array, " outputs"]
    offset: Float[Array, " outputs"]

    def bend(self, z: Float[Array, "*lead outputs"]) -> Float[Array, "*lead outputs"]:
        """Scale, offset and ReLU, after the maximum."""
        return jax.nn.relu(z * self.scale + self.offset)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def two_stages(
    plan: Plan, frames: Shaped[Array, "n height width channels"], first: Stage, second: Stage
) -> Float[Array, "n places outputs"]:
    """Convolution, layer norm, maximum, ReLU, twice; the last scale, offset and ReLU are left to do."""
    return _forward(plan, frames, first, second)[0]


class _Saved(NamedTuple):
    frames: Array
    first: Stage
    second: Stage
    pooled: tuple[Array, Kept, Array, Kept]


def _forward(plan: Plan, frames: Array, first: Stage, second: Stage) -> tuple[Array, _Saved]:
    rows = plan.first_rows(frames.shape)

    def chunk(frames: Array) -> tuple[Array, Kept, Array, Kept]:
        z, saved = _pool(plan, plan.first_windows(frames), first)
        return z, saved, *_pool(plan, plan.second_windows(z, first, rows), second)

    result = jax.lax.map(chunk, split(frames))
    return join(result[2], len(frames)), _Saved(frames, first, second, result)


def _backward(plan: Plan, saved: _Saved, g: Array) -> tuple[Array | None, Stage, Stage]:
    frames, first, second, result = saved
    rows = plan.first_rows(frames.shape)
    normed = plan.eps is not None

    def chunk(total: tuple[Stage, Stage], these: tuple) -> tuple[tuple[Stage, Stage], Array | None]:
        frames, (z, retained, z2, kept2), g = these
        windows, pull = jax.vjp(lambda z, s: plan.second_windows(z, s, rows), z, first)
        g, matrix2, bias2 = pooled_gradient(
            windows, second.matrix, second.bias, normed, z2, kept2, g
        )
        g, of_first = pull(g)
        windows, pull = jax.vjp(plan.first_windows, frames)
        g, matrix, bias = pooled_gradient(windows, first.matrix, first.bias, normed, z, retained, g)
        of_first = of_first._replace(matrix=matrix, bias=bias)
        of_second = Stage(
            matrix2, bias2, jnp.zeros_like(second.scale), jnp.zeros_like(second.offset)
        )
        total = jax.tree.map(jnp.add, total, (of_first, of_second))
        floats = jnp.issubdtype(frames.dtype, jnp.floating)
        return total, pull(g)[0] if floats else None  # bytes have no gradient

    zero = jax.tree.map(jnp.zeros_like, (first, second))
    total, of_frames = jax.lax.scan(chunk, zero, (split(frames), result, split(g)))
    return None if of_frames is None else join(of_frames, len(frames)), *total


two_stages.defvjp(_forward, _backward)


def _pool(plan: Plan, windows: Array, stage: Stage) -> tuple[Array, Kept]:
    return pooled(windows, stage.matrix, stage.bias, stage.scale < 0, plan.eps)


def _rows(windows: Shaped[Array, "n rows columns window"]) -> Shaped[Array, "n tiles window"]:
    return windows.reshape(len(windows), -1, windows.shape[-1])
