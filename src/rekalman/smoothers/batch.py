"""Several series through one Kalman smoother, with one recursion of the covariances where they share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.core.beliefs import GaussianPath, SmoothedPath
from rekalman.filters.kalman.batch import paths_together, solved_together
from rekalman.filters.kalman.forms import CovarianceForm, RootForm
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means
from rekalman.filters.kalman.paths import smoothed_path
from rekalman.filters.kalman.shared import common_of, ends_of, without_padding
from rekalman.filters.kalman.system import LinearSystem
from rekalman.numerics.precision import precision_of
from rekalman.smoothers.adjoint import smooth_linear
from rekalman.smoothers.root import smooth_root

if TYPE_CHECKING:
    from rekalman.filters.kalman.filter import Kalman


def smooth_batch(
    kalman: Kalman,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"] | None = None,
    inputs: Float[Array, "batch steps input"] | None = None,
    lengths: Int[Array, " batch"] | None = None,
    dt: Float[Array, "batch steps"] | None = None,
) -> tuple[GaussianPath, SmoothedPath]:
    """Filter and smooth several series; arguments and errors as for `filter_batch`, nothing traced.

    Series with the same gaps and the same length share their covariances, which then have length one.
    """
    with precision_of(kalman):
        ends = ends_of(kalman, values, mask, inputs, lengths, dt)
        common = common_of(values, mask, dt, ends)
        equally_long = len(np.unique(np.asarray(ends))) == 1
        if common.same and equally_long and not kalman.parallel(values.shape[1]):
            solved = solved_together(kalman, values, common.mask, inputs, common.dt, ends)
            path = paths_together(kalman, *solved, ends)
            return path, _smooth_together(kalman, *solved, ends)
        return _smooth_in_turn(kalman, values, common.shown, inputs, dt, ends)


@eqx.filter_jit
def _smooth_together(
    kalman: Kalman, system: LinearSystem, result: Gains, run: Means, lengths: Array
) -> SmoothedPath:
    """One recursion of the smoother for all series: they are equally long."""
    if kalman.arithmetic is RootForm:
        smoothed = smooth_root(system, result, run, lengths[0])
    else:
        smoothed = smooth_linear(system, result, run, CovarianceForm, lengths[0])
    one = smoothed_path(smoothed._replace(mean=smoothed.mean[..., :1]))
    mean = jnp.moveaxis(jax.lax.optimization_barrier(smoothed.mean), -1, 0)
    return SmoothedPath(mean, one.cov[None], one.lag[None])


@eqx.filter_jit
def _smooth_in_turn(
    kalman: Kalman,
    values: Array,
    mask: Array,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> tuple[GaussianPath, SmoothedPath]:
    """Each series with its own recursions, one after the other."""
    rows = (values, mask, inputs, dt, lengths)
    path, smoothed = jax.lax.map(lambda row: kalman.smooth(*row), rows)
    return without_padding(path, lengths), smoothed
