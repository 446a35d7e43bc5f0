r"""Image noise that comes and goes (Becker et al., ICML 2019, section 5.1).

How much of the picture is left wanders between 0 and 1:

    f_1 ~ U(0, 1),   f_{t+1} = clip(f_t + U(-0.2, 0.2)),

is stretched between two thresholds of each sequence, `t_1 ~ U(0, .25)` and `t_2 ~ U(.75, 1)`, to
`clip((f - t_1) / (t_2 - t_1))`, and is 1 on the first frames. A frame is `f picture + (1 - f) U(0, 255)`,
cut to whole grey levels. A sixth of the frames show nothing but noise, for up to some 40 in a row: there a
filter has to know where things are going.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

CLEAN = 5
"""Frames at the beginning without noise."""

REACH = 0.2
LOW = (0.0, 0.25)
HIGH = (0.75, 1.0)


def add_noise(
    frames: UInt8[np.ndarray, "batch time height width channel"], random: np.random.RandomState
) -> tuple[UInt8[np.ndarray, "batch time height width channel"], Float[np.ndarray, "batch time"]]:
    """Lay noise over frames.

    Drawn are the factors of all sequences (`draw_factor`), then the pixels sequence by sequence.

    Args:
        frames: clean ones, left as they are.
        random: what to draw from.

    Returns:
        The noisy frames, and the factor.
    """
    factor = draw_factor(random, *frames.shape[:2])[..., 0]
    noisy = np.empty_like(frames)
    for film, result, f in zip(frames, noisy, factor[..., None, None, None], strict=True):
        result[...] = f * film + (1 - f) * random.uniform(0.0, 255.0, film.shape)
    return noisy, factor


def add_noise_by_quarter(
    frames: UInt8[np.ndarray, "batch time height width channel"], random: np.random.RandomState
) -> tuple[UInt8[np.ndarray, "batch time height width channel"], Float[np.ndarray, "batch time 4"]]:
    """Lay noise over each quarter of the frames by itself (Becker et al., three pendulums).

    Args:
        frames: clean ones of even height and width, left as they are.
        random: what to draw from, as in `add_noise`.

    Returns:
        The noisy frames, and the factors: upper left, upper right, lower left, lower right.
    """
    batch, steps, height, width, channels = frames.shape
    high, half_width = height // 2, width // 2
    factor = draw_factor(random, batch, steps, 4)
    noisy = np.empty_like(frames)
    for film, result, four in zip(frames, noisy, factor, strict=True):
        pixels = random.uniform(0.0, 255.0, (2, 2, steps, high, half_width, channels)).astype(
            np.uint8
        )
        noise = pixels.transpose(2, 0, 3, 1, 4, 5).reshape(film.shape)
        f = four.reshape(steps, 2, 2).repeat(high, 1).repeat(half_width, 2)[..., None]
        result[...] = f * film + (1 - f) * noise
    return noisy, factor


def draw_factor(
    random: np.random.RandomState, batch: int, steps: int, regions: int = 1
) -> Float[np.ndarray, "batch time region"]:
    """Draw how much is left of the picture, for each region by itself.

    Drawn are the first values, the moves step by step, the lower thresholds, the upper ones.
    """
    size = (batch, regions)
    walk = np.empty((steps, *size))
    walk[0] = random.uniform(0.0, 1.0, size)
    for t in range(1, steps):
        walk[t] = np.clip(walk[t - 1] + random.uniform(-REACH, REACH, size), 0.0, 1.0)
    low, high = random.uniform(*LOW, size), random.uniform(*HIGH, size)
    factor = np.clip((walk - low) / (high - low), 0.0, 1.0)
    factor[:CLEAN] = 1.0
    return factor.transpose(1, 0, 2)
