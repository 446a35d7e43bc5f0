"""Gains and means of a whole series, of which filter, smoother and score are made."""

from __future__ import annotations

from jax.core import Tracer

from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import Means, means
from rekalman.filters.kalman.parallel import parallel_gains, parallel_means
from rekalman.filters.kalman.system import LinearSystem

MANY_STATES, TRANSIENT = 24, 256
"""From so many states on, room is first made for so many steps only, in which most covariances settle."""


def solve(system: LinearSystem, form: Form | None, most: int | None = None) -> tuple[Gains, Means]:
    """Gains and means.

    Args:
        system: the model and the data.
        form: how covariances are carried; None scans over time in parallel.
        most: room for so many steps of the covariance recursion (`gains`); None makes room for all.
    """
    if form is None:
        result = parallel_gains(system)
        return result, parallel_means(system, result)
    result = gains(system, form, most)
    return result, means(system, result)


def settles_early(system: LinearSystem) -> bool:
    """Whether it is worth while to make room for few steps first.

    The covariances of many states at every step take more time and memory than all else. Not of a system that
    is being traced, which cannot be looked at.
    """
    if isinstance(system.settled, Tracer) or system.basis.shape[1]:
        return False
    long, large = len(system.y) >= 2 * TRANSIENT, len(system.P) >= MANY_STATES
    return long and large and int(system.settled) < TRANSIENT // 2
