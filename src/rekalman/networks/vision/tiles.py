"""Convolutions on the CPU as one matrix product: tiles of the output from windows of the input.

The patches of a plain im2col overlap so much that memory traffic takes all the time (25 numbers for each
output of a 5 x 5 kernel, and as many again in the gradient). Here a whole tile of outputs is made at once:

    4 x 4 outputs of a 5 x 5 kernel need a window of 8 x 8 inputs:  64 numbers for 16 outputs,
    outputs of the tile = window (64) times a matrix (64, 16 channels)

that holds the kernel at shifted places (a Toeplitz matrix) and zeros elsewhere. More than half of the
multiplications are with zeros, and yet a product of this form is several times faster.

Images are grids of square blocks, `(n, rows, columns, numbers of a block)`. A window is made of neighbouring
blocks laid one after another, a tile of outputs, pooled, is a block for the next stage: nothing is ever
rearranged pixel by pixel.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


def to_blocks(
    x: Shaped[Array, "n height width channels"], side: int
) -> Shaped[Array, "n rows columns block"]:
    """Cut images into squares of `side` that do not overlap, each flattened with its channels."""
    n, height, width, channels = x.shape
    cut = x.reshape(n, height // side, side, width // side, side * channels)
    # Only runs of `side * channels` numbers change places.
    return cut.swapaxes(2, 3).reshape(n, height // side, width // side, side * side * channels)


def from_blocks(
    x: Shaped[Array, "n rows columns block"], side: int
) -> Shaped[Array, "n height width channels"]:
    """The inverse of `to_blocks`."""
    n, rows, columns, block = x.shape
    runs = x.reshape(n, rows, columns, side, block // side).swapaxes(2, 3)
    return runs.reshape(n, rows * side, columns * side, block // side**2)


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How a convolution with pooling over 2 x 2 is cut into tiles.

    Attributes:
        kernel: side of the kernel.
        stride: of the convolution.
        outputs: side of a tile of outputs before pooling, even.
        block: side of an input block.
        blocks: side of a window, in blocks.
    """

    kernel: int
    stride: int
    outputs: int
    block: int
    blocks: int

    @property
    def step(self) -> int:
        """From a window to the next, in blocks."""
        return self.outputs * self.stride // self.block

    def matrix(
        self, kernel: Float[Array, "side side inputs outputs"]
    ) -> Float[Array, "window tile"]:
        """The kernel as a matrix from windows to tiles.

        Rows are (block row, block column, pixel row, pixel column, channel); columns are (row and column in
        the pool, pooled row, pooled column, channel), so that the four numbers of a pool lie a quarter apart.
        """
        at = np.arange(self.block * self.blocks)[:, None] - self.stride * np.arange(self.outputs)
        # 1 where kernel row `a` leads from window row `w` to output row `t`: w = stride t + a.
        place = (at == np.arange(self.kernel)[:, None, None]).astype(np.float32)
        place = jnp.asarray(place.reshape(self.kernel, self.blocks, self.block, -1, 2))
        matrix = jnp.einsum("axpRr,byqCc,abio->xypqircRCo", place, place, kernel)
        rows = (self.blocks * self.block) ** 2 * kernel.shape[2]
        return matrix.reshape(rows, -1)

    def windows(
        self, x: Shaped[Array, "n rows columns block"]
    ) -> Shaped[Array, "n tile_rows tile_columns window"]:
        """The blocks of each window side by side.

        Args:
            x: blocks, with those that pad the image at the end.
        """
        rows, columns = ((size - self.blocks) // self.step + 1 for size in x.shape[1:3])
        parts = [
            x[:, r : r + rows * self.step : self.step, c : c + columns * self.step : self.step]
            for r in range(self.blocks)
            for c in range(self.blocks)
        ]
        return jnp.concatenate(parts, -1)
