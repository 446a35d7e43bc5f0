r"""The motion of a chain of rods that hangs on its end: a pendulum of several links.

Each rod has mass 1 and length 1. With the absolute angles `a_i` from hanging down, the middle of rod `i` is

    p_i = sum_{j<i} e(a_j) + e(a_i) / 2,      e(a) = (sin a, -cos a),

so with `c_ij` = 1 before the rod, 1/2 at it and 0 behind it, `p_i' = sum_j c_ij a_j' (cos a_j, sin a_j)` and

    kinetic energy    1/2 sum_jk w_jk cos(a_j - a_k) a_j' a_k' + 1/2 I sum_i a_i'^2,   w_jk = sum_i c_ij c_ik,
    potential energy  - g sum_j b_j cos a_j,                                           b_j = sum_i c_ij.

Lagrange's equations then read, with `M_jk = w_jk cos(a_j - a_k) + I [j = k]`,

    sum_k M_jk a_k'' = - sum_k w_jk sin(a_j - a_k) a_k'^2 - g b_j sin a_j + t_j - t_{j+1}:

of `d/dt dT/da_j'` the terms in `a_j' a_k'` cancel against `dT/da_j`, those in `a_k'^2` stay. Joint `j` brakes
the relative angle `r_j = a_j - a_{j-1}` by `t_j = - friction r_j'` and pushes the rod before the other way.

The published simulator takes `I = 1/3`, the inertia about an end, for that about the middle, where 1/12 would
be right: its rods are heavier at the ends than rods are. So are these.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

GRAVITY = 9.81
INERTIA = 1 / 3
STEP = 2.5e-3


def simulate(
    first: Float[np.ndarray, "batch link"], steps: int, dt: float, friction: int | float
) -> tuple[Float[np.ndarray, "batch time link"], Float[np.ndarray, "batch time link"]]:
    """Let chains fall from rest: Runge-Kutta of fourth order, all chains at once.

    Args:
        first: relative angles at the start; 0 = the first rod hangs down and the others go straight on.
        steps: how many times to look.
        dt: seconds between them.
        friction: of the joints, N m s.

    Returns:
        Relative angles, not cut to one turn, and their velocities.
    """
    substeps = max(1, int(np.ceil(round(dt / STEP, 6))))
    h = dt / substeps
    angle = first.cumsum(1).T.copy()
    speed = np.zeros_like(angle)
    path = np.empty((2, steps, *angle.shape))
    path[:, 0] = angle, speed
    for t in range(1, steps):
        for _ in range(substeps):
            k1 = accelerations(angle, speed, friction)
            v2 = speed + h / 2 * k1
            k2 = accelerations(angle + h / 2 * speed, v2, friction)
            v3 = speed + h / 2 * k2
            k3 = accelerations(angle + h / 2 * v2, v3, friction)
            v4 = speed + h * k3
            k4 = accelerations(angle + h * v3, v4, friction)
            angle = angle + h / 6 * (speed + 2 * v2 + 2 * v3 + v4)
            speed = speed + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path[:, t] = angle, speed
    relative = np.diff(path, axis=2, prepend=0.0)
    angles, speeds = relative.transpose(0, 3, 1, 2)
    return angles, speeds


def accelerations(
    angle: Float[np.ndarray, "link batch"],
    speed: Float[np.ndarray, "link batch"],
    friction: int | float,
) -> Float[np.ndarray, "link batch"]:
    """Second derivatives of the absolute angles."""
    links = len(angle)
    reach = np.tri(links, k=-1) + np.eye(links) / 2  # c_ij
    weight, lever = reach.T @ reach, reach.sum(0)[:, None]
    sin, cos, square = np.sin(angle), np.cos(angle), speed**2
    # With sin(a_j - a_k) and cos(a_j - a_k) written out, most sums over k are small products of matrices.
    mass = weight[..., None] * (cos[:, None] * cos + sin[:, None] * sin)
    mass[range(links), range(links)] += INERTIA
    torque = cos * (weight @ (sin * square)) - sin * (weight @ (cos * square) + GRAVITY * lever)
    brake = friction * np.diff(speed, axis=0, prepend=0.0)
    torque -= brake
    torque[:-1] += brake[1:]
    return _solve(mass, torque)


def _solve(
    matrices: Float[np.ndarray, "n n batch"], right: Float[np.ndarray, "n batch"]
) -> Float[np.ndarray, "n batch"]:
    """Solve many small systems at once, in place; positive definite ones need no pivots."""
    n = len(right)
    for k in range(n - 1):
        ratio = matrices[k + 1 :, k] / matrices[k, k]
        matrices[k + 1 :, k + 1 :] -= ratio[:, None] * matrices[k, k + 1 :]
        right[k + 1 :] -= ratio * right[k]
    for k in reversed(range(n)):
        right[k] -= (matrices[k, k + 1 :] * right[k + 1 :]).sum(0)
        right[k] /= matrices[k, k]
    return right
