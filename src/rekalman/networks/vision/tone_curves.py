"""Tone curves that a network chooses for each frame, so that noise of any strength is seen in the same way.

Where a frame is mixed with noise, what a pixel tells depends on how much of it is noise. A frame of black
and white, `f` times the picture and `1 - f` times uniform noise, cannot be black where a pixel is brighter
than `1 - f`, nor white where it is darker than `f`; all pixels between tell nothing. So what counts is a step
whose place changes from frame to frame. No sum over pixels followed by ReLU makes such a step; but the
frame's histogram tells its place.

    m_k = mean over pixels of max(x - k / 8, 0),   k = 0 ... 7          (the second integral of the histogram)
    log s, t = affine(tanh(affine(4 m)))                                (slope and place of each curve)
    y = clip(s (t - x), 0, 1)  or  clip(s (x - t), 0, 1)                (what is dark, what is bright)

Where parts of the picture have noise of their own, each has a histogram and curves of its own.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.networks.dense import Dense

LEVELS = 8
HIDDEN = 32
STEEP = (-2.0, 5.0)  # bounds of log s
START = 1.0  # of log s
PLACES = (0.3, 0.7)  # of the dark curves and of the bright ones before training
REACH = 0.3  # how far an output of 1 moves a curve


class ToneCurves(eqx.Module):
    """Curves of brightness, chosen frame by frame.

    Attributes:
        hidden: from the histogram.
        chosen: from there to slopes and places, in this order.
        places: where the curves are before the network moves them.
        count: number of curves, of which the first half shows what is dark.
        regions: a frame is `regions` times `regions` parts, each with its own histogram.
    """

    hidden: Dense
    chosen: Dense
    places: Float[Array, " curves"]
    count: int = eqx.field(static=True)
    regions: int = eqx.field(static=True)

    def __init__(self, count: int, regions: int = 1, *, key: PRNGKeyArray):
        """Make curves with fresh weights.

        Args:
            count: number of curves, even.
            regions: how many parts a frame has on each side.
            key: randomness.

        Raises:
            RekalError: no even number, or none.
        """
        if count < 2 or count % 2:
            raise RekalError(
                f"tone curves come in pairs, dark and bright: give 2, 4, ..., not {count}"
            )
        first, second = jax.random.split(key)
        self.hidden, self.chosen = (
            Dense(LEVELS, HIDDEN, key=first),
            Dense(HIDDEN, 2 * count, key=second),
        )
        self.places = jnp.repeat(jnp.array(PLACES), count // 2)
        self.count, self.regions = count, regions

    def __call__(
        self, x: Float[Array, "n rows columns block"]
    ) -> Float[Array, "n rows columns joined"]:
        """Pixels in blocks, brightness from 0 to 1, each block followed by all curves of it.

        `joined` is `(1 + count) block`. Rows and columns divide by `regions`.
        """
        n, rows, columns, block = x.shape
        part = (rows // self.regions, columns // self.regions)
        parts = x.reshape(n, self.regions, part[0], self.regions, part[1], block).swapaxes(2, 3)
        joined = self._joined(parts.reshape(n * self.regions**2, -1, block))
        apart = joined.reshape(n, self.regions, self.regions, *part, -1)
        return apart.swapaxes(2, 3).reshape(n, rows, columns, -1)

    def _joined(self, x: Float[Array, "n places block"]) -> Float[Array, "n places joined"]:
        means = [jax.nn.relu(x - k / LEVELS).mean((1, 2)) for k in range(LEVELS)]
        coefficients = self.chosen(jnp.tanh(self.hidden(4 * jnp.stack(means, -1))))
        steep, moved = jnp.split(coefficients, 2, axis=-1)
        signs = jnp.repeat(jnp.array([-1.0, 1.0]), self.count // 2)
        slope = signs * jnp.exp(jnp.clip(START + steep, *STEEP))
        offset = -slope * (self.places + REACH * moved)
        curves = jnp.clip(
            slope[:, None, :, None] * x[:, :, None] + offset[:, None, :, None], 0.0, 1.0
        )
        return jnp.concatenate([x[:, :, None], curves], 2).reshape(*x.shape[:2], -1)
