"""Transposed convolutions as matrix products between blocks of pixels.

With stride `s` and a kernel of side `k`, an input pixel `i` adds to the outputs `s i ... s i + k - 1`. A
block of `b` input pixels thus adds to the block of `b s` outputs at its own place and, by what the kernel
reaches over, to the next one. An output block comes from the input block at its place and the one before it,
in both directions from four. Either the four are laid side by side and multiplied once, or, where outputs are
fewer than inputs, they are multiplied first and the products added at their places.
"""

from __future__ import annotations

import dataclasses
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.networks.dense import rows_times


@dataclasses.dataclass(frozen=True)
class Upsampling:
    """A transposed convolution whose output is `stride` times as large as its input (TensorFlow's 'same').

    Attributes:
        kernel: side of the kernel.
        stride: of the convolution that this one transposes.
        block: side of an input block; an output block has `block * stride`.
    """

    kernel: int
    stride: int
    block: int

    @property
    def cut(self) -> int:
        """How many rows and columns of pixels TensorFlow cuts off before the first one."""
        return max(self.kernel - self.stride, 0) // 2

    @property
    def reach(self) -> int:
        """How many input blocks an output block depends on, in one direction."""
        return -(-((self.block - 1) * self.stride + self.kernel) // (self.block * self.stride))

    def matrices(
        self, kernel: Float[Array, "side side inputs outputs"]
    ) -> Float[Array, "reach reach block_in block_out"]:
        """The kernel as matrices from the block at the same place and those before it to an output block."""
        i = np.arange(self.block) - self.block * np.arange(self.reach)[:, None]
        a = np.arange(self.kernel)[:, None, None, None]
        o = np.arange(self.block * self.stride)
        place = jnp.asarray((o == self.stride * i[..., None] + a).astype(np.float32))
        matrices = jnp.einsum("axpo,byqu,abcd->xypqcoud", place, place, kernel)
        sizes = self.block**2 * kernel.shape[2], (self.block * self.stride) ** 2 * kernel.shape[3]
        return matrices.reshape(self.reach, self.reach, *sizes)

    def __call__(
        self,
        x: Float[Array, "n rows columns block_in"],
        matrices: Float[Array, "reach reach block_in block_out"],
    ) -> Float[Array, "n rows2 columns2 block_out"]:
        """Output blocks, in which `cut` rows and columns of pixels are still to be cut off.

        There are as many as input blocks, and where something is cut off one row and column more.
        """
        reach, _, inputs, outputs = matrices.shape
        more = int(self.cut > 0)
        rows, columns = x.shape[1] + more, x.shape[2] + more
        pad = ((0, 0), (reach - 1, more), (reach - 1, more), (0, 0))
        places = [(r, c) for r in range(reach) for c in range(reach)]

        def before(x: Array, r: int, c: int) -> Array:
            r, c = reach - 1 - r, reach - 1 - c
            return x[:, r : r + rows, c : c + columns]

        if outputs < inputs:
            products = rows_times(x, jnp.concatenate([matrices[p] for p in places], -1))
            products = jnp.pad(products, pad)
            parts = [products[..., k * outputs : (k + 1) * outputs] for k in range(len(places))]
            return reduce(
                jnp.add, (before(part, *p) for part, p in zip(parts, places, strict=True))
            )
        x = jnp.pad(x, pad)
        windows = jnp.concatenate([before(x, *p) for p in places], -1)
        return rows_times(windows, matrices.reshape(-1, outputs))
