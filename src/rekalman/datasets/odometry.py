"""Paths of a vehicle: from poses to steps and back, and how fast a path drifts.

A pose is the 4 x 4 matrix that takes points seen from the vehicle into the world, in the axes of KITTI's
cameras: x to the right, y down, z ahead. A step is how far the vehicle has moved, as seen from where it was,
to the right (dx) and ahead (dz), and how far it has turned to the right about the vertical (dyaw).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.foundation.errors import RekalError

LENGTHS = (100, 200, 300, 400, 500, 600, 700, 800)
EVERY = 10  # frames from one start of a stretch to the next


class Drift(NamedTuple):
    """How fast an estimated path leaves the true one.

    Attributes:
        translation: percent of the length driven.
        rotation: radians per 100 m.
    """

    translation: float
    rotation: float


def steps_of(poses: Float[np.ndarray, "frames 4 4"]) -> Float[np.ndarray, "steps 3"]:
    """Steps (dx, dz, dyaw) in metres and radians between neighbouring poses."""
    moved = np.linalg.inv(poses[:-1]) @ poses[1:]
    # A turn by a about the axis that points down: [[cos a, 0, sin a], [0, 1, 0], [-sin a, 0, cos a]].
    turned = np.arctan2(moved[:, 0, 2], moved[:, 2, 2])
    return np.stack([moved[:, 0, 3], moved[:, 2, 3], turned], 1)


def poses_of(steps: Float[np.ndarray, "steps 3"]) -> Float[np.ndarray, "frames 4 4"]:
    """Poses of a vehicle that takes these steps in the plane; the first is the identity."""
    dx, dz, turn = np.asarray(steps, np.float64).T
    moves = np.tile(np.eye(4), (len(steps), 1, 1))
    moves[:, 0, 0] = moves[:, 2, 2] = np.cos(turn)
    moves[:, 0, 2], moves[:, 2, 0] = np.sin(turn), -np.sin(turn)
    moves[:, 0, 3], moves[:, 2, 3] = dx, dz
    poses = [np.eye(4)]
    for move in moves:
        poses.append(poses[-1] @ move)
    return np.stack(poses)


def drift(estimated: Float[np.ndarray, "_ 4 4"], true: Float[np.ndarray, "_ 4 4"]) -> Drift:
    """The official figures of KITTI odometry (Geiger, Lenz and Urtasun, CVPR 2012).

    From every tenth frame, stretches of 100, 200, ..., 800 m of the true path are laid as far as it reaches.
    Both paths are compared over each stretch as seen from its start: the distance between the ends and the
    angle between the headings, divided by the length. The figures are means over all stretches.

    Raises:
        RekalError: paths of different lengths, or a true path shorter than 100 m.
    """
    if len(estimated) != len(true):
        raise RekalError(
            f"two paths are compared frame by frame, but one has {len(estimated)} and the other {len(true)}"
        )
    travelled = np.linalg.norm(np.diff(true[:, :3, 3], axis=0), axis=1)
    distance = np.concatenate([[0.0], np.cumsum(travelled)])
    first, last, length = [], [], []
    for start in range(0, len(true), EVERY):
        for reach in LENGTHS:
            end = int(np.searchsorted(distance, distance[start] + reach, side="right"))
            if end < len(true):
                first.append(start)
                last.append(end)
                length.append(reach)
    if not first:
        raise RekalError(
            f"drift is measured over {LENGTHS[0]} m and more, but the path has {distance[-1]:.0f} m"
        )
    over = lambda poses: np.linalg.inv(poses[first]) @ poses[last]  # noqa: E731
    error = np.linalg.inv(over(estimated)) @ over(true)
    cosine = (np.trace(error[:, :3, :3], axis1=1, axis2=2) - 1) / 2
    away = np.linalg.norm(error[:, :3, 3], axis=1) / length
    turned = np.arccos(np.clip(cosine, -1, 1)) / length
    return Drift(100 * float(away.mean()), 100 * float(turned.mean()))
