"""Gains and means of a whole series, of which filter, smoother and score are made."""

from __future__ import annotations

from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import Means, means
from rekalman.filters.kalman.parallel import parallel_gains, parallel_means
from rekalman.filters.kalman.system import LinearSystem


def solve(system: LinearSystem, form: Form | None) -> tuple[Gains, Means]:
    """Gains and means.

    Args:
        system: the model and the data.
        form: how covariances are carried; None scans over time in parallel.
    """
    if form is None:
        result = parallel_gains(system)
        return result, parallel_means(system, result)
    result = gains(system, form)
    return result, means(system, result)
