"""A simulated film together with what only its maker knows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.data.images import Frames
from rekalman.foundation.errors import RekalError

Seed = int | np.random.RandomState
"""A number, or a generator to go on drawing from.

All simulators draw from `numpy.random.RandomState`: its stream is frozen for good (NumPy's NEP 19), and it is
the one the published experiments used, so equal seeds give equal data wherever and whenever they are made.
"""


class Filmed(NamedTuple):
    """A film and the truth behind it.

    Attributes:
        frames: what a network sees, and what is wanted of it.
        angles: the true angles in radians.
        factor: how much of each frame is picture and how much noise, 1 = clean, 0 = nothing but noise; with
            several objects one number for each.
    """

    frames: Frames
    angles: Float[np.ndarray, "batch time joint"]
    factor: Float[np.ndarray, "batch time *object"]


class Task(NamedTuple):
    """The films of one experiment.

    Attributes:
        train: to learn from.
        test: to score on.
        valid: to choose by, where the published protocol has such a set.
    """

    train: Filmed
    test: Filmed
    valid: Filmed | None = None


def generator(seed: Seed) -> np.random.RandomState:
    """The generator that a seed stands for."""
    return seed if isinstance(seed, np.random.RandomState) else np.random.RandomState(seed)


def check_size(sequences: int, steps: int) -> None:
    """Refuse films without a movement.

    Raises:
        RekalError: no sequence, or fewer than two frames.
    """
    if sequences < 1 or steps < 2:
        raise RekalError(
            f"a film has at least 1 sequence and 2 frames, not {sequences} and {steps}"
        )


def sines(angles: Float[np.ndarray, "batch time joint"]) -> Float[np.ndarray, "batch time target"]:
    """Sine and cosine of each angle, side by side: numbers without a jump at a full turn."""
    pairs = np.stack([np.sin(angles), np.cos(angles)], -1)
    return pairs.reshape(*angles.shape[:2], -1).astype(np.float32)


def sine_names(joints: int) -> tuple[str, ...]:
    """Names for what `sines` returns."""
    ends = [""] if joints == 1 else [str(i + 1) for i in range(joints)]
    return tuple(f"{function}{end}" for end in ends for function in ("sin", "cos"))


def clean_factor(batch: int, steps: int) -> Float[np.ndarray, "batch time"]:
    """The factor of frames without noise."""
    return np.ones((batch, steps))
