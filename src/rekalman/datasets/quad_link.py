"""A pendulum of four links, filmed: the hard experiment on Recurrent Kalman Networks.

Becker et al., ICML 2019, section 5.2. The motion (`chain`) is chaotic and has no noise of its own. The angles
are relative, from link to link, and so is the picture: every link is drawn in the direction of its own angle,
not of their sum. It therefore does not show where the links are, but shows each angle by itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.data.images import Frames
from rekalman.datasets.chain import simulate
from rekalman.datasets.filmed import (
    Filmed,
    Seed,
    check_size,
    clean_factor,
    generator,
    sine_names,
    sines,
)
from rekalman.datasets.image_noise import add_noise
from rekalman.datasets.rendering import CENTRE, draw
from rekalman.foundation.errors import RekalError

LINKS = 4
SIZE = 48
WIDTH = 6
LINK = 16.0
WAY = np.array([1.0, -1.0, -1.0, -1.0])
"""The first link is drawn along its angle, the others against theirs."""


def quad_link(
    sequences: int = 4000,
    steps: int = 150,
    *,
    dt: float = 0.05,
    friction: int | float = 0.1,
    image_noise: bool = False,
    seed: Seed = 0,
) -> Filmed:
    """Film a pendulum of four links.

    Drawn are the first angles, link by link and each from a full turn, and the noise of the images
    (`add_noise`). It starts at rest.

    Args:
        sequences: number of films.
        steps: frames of each.
        dt: seconds between frames.
        friction: of each joint, N m s.
        image_noise: whether the frames are noisy.
        seed: a number, or a generator to go on with.

    Returns:
        Frames of 48 x 48 x 1; targets are sine and cosine of the four relative angles. All angles are 0 where
        the pendulum stands upright.

    Raises:
        RekalError: no sequence, fewer than two frames, a `dt` or friction out of range.
    """
    check_size(sequences, steps)
    if not (dt > 0 and friction >= 0):
        raise RekalError(
            f"a pendulum takes a dt above 0 and friction from 0 up, not {dt:g} and {friction:g}"
        )
    random = generator(seed)
    first = random.uniform(-np.pi, np.pi, (LINKS, sequences)).T
    upright = np.pi * (np.arange(LINKS) == 0)  # the chain counts from hanging
    angles = simulate(first + upright, steps, dt, friction)[0] - upright
    frames = np.empty((sequences, steps, SIZE, SIZE, 1), np.uint8)
    for film, path in zip(frames, angles, strict=True):
        film[..., 0] = draw(corners(path), SIZE, WIDTH).frames
    factor = clean_factor(sequences, steps)
    if image_noise:
        frames, factor = add_noise(frames, random)
    film = Frames.from_arrays(frames, sines(angles), names=sine_names(LINKS))
    return Filmed(film, angles, factor)


def corners(angles: Float[np.ndarray, "*frames link"]) -> Float[np.ndarray, "*frames corners 2"]:
    """The ends of the links on the canvas, from the centre on."""
    links = np.stack([np.sin(angles), np.cos(angles)], -1) * LINK * WAY[:, None]
    ends = np.insert(links, 0, 0.0, axis=-2).cumsum(-2)
    return ends + CENTRE
