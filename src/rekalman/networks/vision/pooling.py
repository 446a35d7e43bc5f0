"""Affine map, layer norm and 2 x 2 maximum of tiles, with a gradient written by hand.

Scale, offset and ReLU of a layer norm rise or fall with their argument, so they may come after the maximum,
on a quarter of the numbers:

    z = max over the pool of (y - mean) / deviation      (the minimum, where the channel's scale is negative)

and only `z` and which of the four it was need to be kept for the gradient; `y = windows W + b` is made again.
With `N` numbers in a frame and `g` the gradient with respect to `z`,

    dy = ([y is the chosen one] g - sum(g) / N - (y - mean) / deviation * sum(g z) / N) / deviation.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int8


class Kept(NamedTuple):
    """What the gradient needs beside the result.

    Attributes:
        chosen: which of the four numbers of a pool it was.
        mean: of all numbers of a frame, 0 without layer norm.
        rate: one over their deviation, 1 without layer norm.
    """

    chosen: Int8[Array, "n tiles outputs"]
    mean: Float[Array, " n"]
    rate: Float[Array, " n"]


def pooled(
    windows: Float[Array, "n tiles window"],
    matrix: Float[Array, "window four_outputs"],
    bias: Float[Array, " four_outputs"],
    falling: Bool[Array, " outputs"],
    eps: float | None,
) -> tuple[Float[Array, "n tiles outputs"], Kept]:
    """The chosen numbers `z`, normalised.

    Args:
        windows: of each frame.
        matrix: from windows to tiles (`Tiling.matrix`).
        bias: of each column of it.
        falling: where the scale that comes after is negative.
        eps: added to the variance of the layer norm; None = no layer norm.
    """
    y = _affine(windows, matrix, bias)
    n = y.shape[0]
    if eps is None:
        mean, rate = jnp.zeros(n, y.dtype), jnp.ones(n, y.dtype)
    else:
        mean = y.mean((1, 2))
        rate = jax.lax.rsqrt(jnp.square(y - mean[:, None, None]).mean((1, 2)) + eps)
    a, b, c, d = _quarters(y)
    high = jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))
    low = jnp.minimum(jnp.minimum(a, b), jnp.minimum(c, d))
    best = jnp.where(falling, low, high)
    chosen = jnp.where(a == best, 0, jnp.where(b == best, 1, jnp.where(c == best, 2, 3)))
    z = (best - mean[:, None, None]) * rate[:, None, None]
    return z, Kept(chosen.astype(jnp.int8), mean, rate)


def pooled_gradient(
    windows: Float[Array, "n tiles window"],
    matrix: Float[Array, "window four_outputs"],
    bias: Float[Array, " four_outputs"],
    normed: bool,
    z: Float[Array, "n tiles outputs"],
    retained: Kept,
    g: Float[Array, "n tiles outputs"],
) -> tuple[
    Float[Array, "n tiles window"],
    Float[Array, "window four_outputs"],
    Float[Array, " four_outputs"],
]:
    """Gradients with respect to windows, matrix and bias, given the one `g` with respect to `z`."""
    y = _affine(windows, matrix, bias)
    n, tiles, width = y.shape
    mean, rate = retained.mean[:, None, None], retained.rate[:, None, None]
    of_best = g * rate
    parts = [jnp.where(retained.chosen == i, of_best, 0.0) for i in range(4)]
    if normed:
        along = rate**2 * (g * z).sum((1, 2), keepdims=True) / (tiles * width)
        level = rate * g.sum((1, 2), keepdims=True) / (tiles * width) - along * mean
        quarters = zip(parts, _quarters(y), strict=True)
        parts = [part - quarter * along - level for part, quarter in quarters]
    dy = jnp.concatenate(parts, -1).reshape(n * tiles, width)
    flat = windows.reshape(n * tiles, -1)
    return (dy @ matrix.T).reshape(windows.shape), flat.T @ dy, dy.sum(0)


def _affine(
    windows: Float[Array, "n tiles window"],
    matrix: Float[Array, "window width"],
    bias: Float[Array, " width"],
) -> Float[Array, "n tiles width"]:
    n, tiles, size = windows.shape
    return (windows.reshape(n * tiles, size) @ matrix + bias).reshape(n, tiles, -1)


def _quarters(y: Float[Array, "n tiles width"]) -> list[Float[Array, "n tiles quarter"]]:
    size = y.shape[-1] // 4
    return [y[..., i * size : (i + 1) * size] for i in range(4)]
