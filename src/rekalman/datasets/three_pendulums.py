"""Three pendulums in three colours that hide each other, under noise that differs by quarter of the image.

Becker et al., ICML 2019, section 5.1. The red pendulum hangs behind the green one and both behind the blue
one: where a nearer one is brighter than a tenth, the farther ones are black.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from rekalman.data.images import Frames
from rekalman.datasets.filmed import Filmed, Seed, generator, sine_names, sines
from rekalman.datasets.image_noise import add_noise_by_quarter
from rekalman.datasets.pendulum import SIZE, WIDTH, rod, swing
from rekalman.datasets.rendering import draw

PENDULUMS = 3
OPAQUE = 0.1
VISIBLE = 5
ENOUGH = 10


def three_pendulums(
    sequences: int = 2000,
    steps: int = 75,
    *,
    dt: float = 0.05,
    process_noise: int | float = 0.1,
    friction: int | float = 0.1,
    image_noise: bool = True,
    seed: Seed = 0,
) -> Filmed:
    """Film three pendulums that do not touch each other.

    Drawn as for `pendulum`, for one of them after the other in each frame; then the noise of the images
    (`add_noise_by_quarter`).

    Args:
        sequences: number of films.
        steps: frames of each.
        dt: seconds between frames, a multiple of 1e-4.
        process_noise: standard deviation of the push to the velocities, radians/s.
        friction: 1/s.
        image_noise: whether the frames are noisy.
        seed: a number, or a generator to go on with.

    Returns:
        Frames of 24 x 24 x 3; targets are sine and cosine of the three angles. The factor of a pendulum is
        that of the quarter it shows most of itself in, and 0 where it is hidden.

    Raises:
        RekalError: no sequence, fewer than two frames, a `dt`, noise or friction out of range.
    """
    random = generator(seed)
    angles, shown = swing(random, sequences, steps, dt, process_noise, friction, PENDULUMS)
    clean = _film(shown)
    if image_noise:
        frames, quarters = add_noise_by_quarter(clean, random)
    else:
        frames, quarters = clean, np.ones((sequences, steps, 4))
    film = Frames.from_arrays(frames, sines(angles), names=sine_names(PENDULUMS))
    return Filmed(film, angles, _factor(clean, quarters))


def _film(angles: Float[np.ndarray, "batch time 3"]) -> UInt8[np.ndarray, "batch time 24 24 3"]:
    """Draw red, green and blue, and what each leaves to be seen of those behind it."""
    pictures = draw(rod(angles), SIZE, WIDTH)
    frames = np.empty((*angles.shape[:2], SIZE, SIZE, PENDULUMS), np.uint8)
    for result, which in zip(frames, pictures.which, strict=True):
        red, green, blue = (pictures.distinct[one] for one in which.T)
        red = np.where((green > OPAQUE) | (blue > OPAQUE), 0.0, red)
        green = np.where(blue > OPAQUE, 0.0, green)
        result[...] = 255.0 * np.stack([red, green, blue], -1)
    return frames


def _factor(
    clean: UInt8[np.ndarray, "batch time 24 24 3"], quarters: Float[np.ndarray, "batch time 4"]
) -> Float[np.ndarray, "batch time 3"]:
    """The factor where most of each pendulum is to be seen, 0 where hardly anything is."""
    half = SIZE // 2
    blocks = (clean > VISIBLE).reshape(*clean.shape[:2], 2, half, 2, half, PENDULUMS)
    count = blocks.sum((3, 5)).reshape(*clean.shape[:2], 4, PENDULUMS)
    factor = np.take_along_axis(quarters, count.argmax(2), axis=2)
    return np.where(count.max(2) < ENOUGH, 0.0, factor)
