r"""A pendulum, filmed: the first experiment on Recurrent Kalman Networks.

Becker, Pandya, Gebhardt, Zhao, Taylor and Neumann, Recurrent Kalman Networks: Factorized Inference in
High-Dimensional Deep Feature Spaces, ICML 2019, section 5.1. A rod of mass 1 and length 1 hangs on its end,
inertia 1/3, so with the angle `a` from the upright

    a'' = 3 g sin a - friction a',     g = 9.81.

It starts at rest at any angle. After each frame its velocity is pushed by process noise. Constants and the
order of the random draws are those of the authors' generator (and of the one of Schirmer et al., Continuous
Recurrent Units, ICML 2022, which inherits them), so that equal seeds give equal films.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.data.images import Frames
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

SIZE = 24
WIDTH = 8
ROD = 55.0
PULL = 9.81 / (1 / 3)
STEP = 1e-4
SHAKE = 1e-5


def pendulum(
    sequences: int = 2000,
    steps: int = 75,
    *,
    dt: float = 0.05,
    process_noise: int | float = 0.1,
    friction: int | float = 0.1,
    image_noise: bool = True,
    seed: Seed = 0,
) -> Filmed:
    """Film a pendulum.

    Drawn are, in this order: the first angles, the pushes frame by frame, a shake of the camera of 1e-5
    radians, and the noise of the images (`add_noise`).

    Args:
        sequences: number of films.
        steps: frames of each.
        dt: seconds between frames, a multiple of 1e-4.
        process_noise: standard deviation of the push to the velocity, radians/s.
        friction: 1/s.
        image_noise: whether the frames are noisy.
        seed: a number, or a generator to go on with.

    Returns:
        Frames of 24 x 24 x 1; targets are sine and cosine of the angle, which is 0 where the rod hangs down.

    Raises:
        RekalError: no sequence, fewer than two frames, a `dt`, noise or friction out of range.
    """
    random = generator(seed)
    angles, shown = swing(random, sequences, steps, dt, process_noise, friction)
    frames = draw(rod(shown[..., 0]), SIZE, WIDTH).frames[..., None]
    factor = clean_factor(sequences, steps)
    if image_noise:
        frames, factor = add_noise(frames, random)
    film = Frames.from_arrays(frames, sines(angles), names=sine_names(1))
    return Filmed(film, angles, factor)


def swing(
    random: np.random.RandomState,
    sequences: int,
    steps: int,
    dt: float,
    process_noise: int | float,
    friction: int | float,
    pendulums: int = 1,
) -> tuple[Float[np.ndarray, "batch time pendulum"], Float[np.ndarray, "batch time pendulum"]]:
    """Simulate: the true angles, 0 = hanging, and those that the camera shows, a tiny shake apart."""
    check_size(sequences, steps)
    if not (dt >= STEP and process_noise >= 0 and friction >= 0):
        raise RekalError(
            f"a pendulum takes dt from {STEP:g} s, noise and friction from 0 up, not dt {dt:g}, noise "
            f"{process_noise:g} and friction {friction:g}"
        )
    size = (pendulums, sequences)
    angles = np.empty((steps, *size))
    angle, velocity = random.uniform(0, 2 * np.pi, size), np.zeros(size)
    angles[0] = angle
    for t in range(1, steps):
        for _ in range(round(dt / STEP)):  # semi-implicit Euler: the new velocity moves the angle
            velocity = velocity + STEP * (PULL * np.sin(angle) - velocity * friction)
            angle = angle + STEP * velocity
        if process_noise > 0:
            velocity = velocity + random.normal(0.0, process_noise, size)
        angle = angles[t] = angle % (2 * np.pi)
    hanging = angles.transpose(2, 0, 1) - np.pi
    # The original shakes angle and velocity; the second number of each pair is drawn and not used.
    shake = random.normal(0.0, SHAKE, (sequences, steps, pendulums, 2))[..., 0]
    return hanging, hanging + shake


def rod(angles: Float[np.ndarray, "*frames"]) -> Float[np.ndarray, "*frames 2 2"]:
    """Both ends of the rod on the canvas."""
    tip = np.stack([np.sin(angles), np.cos(angles)], -1) * ROD + CENTRE
    return np.stack([np.full_like(tip, CENTRE), tip], -2)
