r"""Nonlinear least squares by the method of Levenberg (1944) and Marquardt (1963).

To lower `S(v) = |e(v)|^2` with the Jacobian `J` of the residuals `e`, each step solves

    (J'J + lambda diag(J'J)) step = -J'e,

between Gauss-Newton (`lambda = 0`) and a short step downhill. `lambda` falls after a step that helps, and
rises until one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

GROW, SHRINK = 4.0, 5.0
TRIES = 12  # of one step, each shorter
LEAST_SCALE = 1e-8  # of the diagonal: directions without any effect do not move


class Local(NamedTuple):
    """What is known of the sum of squares around a point.

    Attributes:
        value: `|e|^2`.
        slope: `J'e`.
        curvature: `J'J`.
    """

    value: float
    slope: np.ndarray
    curvature: np.ndarray


class LeastSquares(NamedTuple):
    """Where the search ended.

    Attributes:
        point: the best parameters.
        values: the sum of squares at the start and after each step; it never rises.
        stopped: "converged", "iterations" or "interrupted".
    """

    point: np.ndarray
    values: np.ndarray
    stopped: str


def levenberg_marquardt(
    around: Callable[[np.ndarray], Local],
    value: Callable[[np.ndarray], float],
    start: np.ndarray,
    iterations: int,
    tolerance: float = 1e-5,
    after: Callable[[int, float], None] | None = None,
    project: Callable[[np.ndarray], np.ndarray] | None = None,
) -> LeastSquares:
    """Lower a sum of squares.

    Args:
        around: value, slope and curvature at a point.
        value: the value alone, infinite or NaN where there is none.
        start: where to begin.
        iterations: steps, at most.
        tolerance: ends the search when a step lowers the value by a smaller share.
        after: told the number of steps so far and the value.
        project: moves a point into the set that is allowed; default leaves it.

    Returns:
        The best point. An interrupt (Ctrl-C) ends the search with what it has.

    Raises:
        KeyboardInterrupt: Ctrl-C before a better point than the start was found.
    """
    point, damping, stopped = np.asarray(start, np.float64), 1e-2, "iterations"
    values = [value(point)]
    try:
        for i in range(iterations):
            local = around(point)
            moved, lower, damping = _step(local, value, point, damping, project)
            if moved is None:
                stopped = "converged"
                break
            point = moved
            values.append(lower)
            if after is not None:
                after(i + 1, lower)
            if values[-2] - lower <= tolerance * values[-2]:
                stopped = "converged"
                break
    except KeyboardInterrupt:
        if len(values) == 1:
            raise
        stopped = "interrupted"
    return LeastSquares(point, np.array(values), stopped)


def _step(
    local: Local,
    value: Callable[[np.ndarray], float],
    point: np.ndarray,
    damping: float,
    project: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray | None, float, float]:
    """A point that is better, its value and the next damping; None where none was found."""
    scale = np.diag(np.maximum(np.diagonal(local.curvature), LEAST_SCALE))
    for _ in range(TRIES):
        try:
            step = np.linalg.solve(local.curvature + damping * scale, local.slope)
        except np.linalg.LinAlgError:
            damping *= GROW
            continue
        moved = point - step if project is None else project(point - step)
        lower = value(moved)
        if np.isfinite(lower) and lower < local.value:
            return moved, lower, max(damping / SHRINK, 1e-9)
        damping *= GROW
    return None, local.value, damping
