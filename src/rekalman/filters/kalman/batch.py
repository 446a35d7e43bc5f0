r"""Several series through one Kalman filter.

The covariances, gains and likelihood constants of a linear filter do not depend on what was observed, only on
what was missing and when. Series with the same gaps (padding at their ends does not count) therefore share
one covariance recursion, and their means run together as columns of one matrix: a step of the recursion is a
product of two matrices. Otherwise each series has a recursion of its own, and all run side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from rekalman.core.beliefs import GaussianPath
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import Means, means
from rekalman.filters.kalman.paths import linear_path
from rekalman.filters.kalman.shared import (
    columns_of,
    common_of,
    ends_of,
    paths_of,
    without_padding,
    without_values_in_padding,
)
from rekalman.filters.kalman.solution import TRANSIENT, settles_early, solve
from rekalman.filters.kalman.system import LinearSystem, at, linear_system
from rekalman.numerics.precision import precision_of

if TYPE_CHECKING:
    from rekalman.filters.kalman.filter import Kalman


def filter_batch(
    kalman: Kalman,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"] | None = None,
    inputs: Float[Array, "batch steps input"] | None = None,
    lengths: Int[Array, " batch"] | None = None,
    dt: Float[Array, "batch steps"] | None = None,
) -> GaussianPath:
    """Filter several series.

    Args:
        kalman: the filter.
        values: the observations.
        mask: True where observed; None when nothing is missing. While it is being traced it cannot be looked
            at, and the series do not share their covariances.
        inputs: known inputs, for a model that takes them.
        lengths: number of real steps of each series; those after it are padding. Default: all.
        dt: time since the step before, for a model in continuous time.

    Returns:
        Beliefs with a leading batch axis. Where the covariances are shared that of `cov` and `prior_cov`
        has length one. In the padding, the evidence and the white innovations are zero, and the beliefs mean
        nothing.

    Raises:
        RekalError: the series do not fit the model, or hold NaN where nothing says that an entry is
            missing.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=one, C=one, Q=0.1 * one, R=one)
        >>> path = rekalman.filter_batch(rekalman.Kalman(model), jnp.zeros((3, 100, 1)))
        >>> path.mean.shape, path.cov.shape  # three series share their covariances
        ((3, 100, 1), (1, 100, 1, 1))
    """
    with precision_of(kalman):
        return _filtered(kalman, values, mask, inputs, lengths, dt)


def _filtered(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    lengths: Array | None,
    dt: Array | None,
) -> GaussianPath:
    ends = ends_of(kalman, values, mask, inputs, lengths, dt)
    if any(isinstance(leaf, Tracer) for leaf in (mask, ends, dt)):
        real = jnp.broadcast_to(
            (jnp.arange(values.shape[1]) < ends[:, None])[..., None], values.shape
        )
        return _apart(kalman, values, real if mask is None else mask & real, inputs, dt, ends)
    common = common_of(values, mask, dt, ends)
    if common.same:
        solved = solved_together(kalman, values, common.mask, inputs, common.dt, ends)
        return paths_together(kalman, *solved, ends)
    return _apart(kalman, values, common.shown, inputs, dt, ends)


def solved_together(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> tuple[LinearSystem, Gains, Means]:
    """All series with one covariance recursion, their means as columns.

    Filter and smoother begin with it, and so does a training (`learners/likelihood/total.py`): it is
    compiled once.
    """
    system = _system(kalman, values, mask, inputs, dt, lengths)
    if kalman.parallel(values.shape[1]):
        return system, *solved(system, None)
    if settles_early(system):
        result, run = solved(system, kalman.arithmetic, TRANSIENT)
        if int(result.worked) < TRANSIENT:
            return system, result, run
    return system, *solved(system, kalman.arithmetic)


@eqx.filter_jit
def _system(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> LinearSystem:
    return columns_of(kalman, without_values_in_padding(values, lengths), mask, inputs, dt)


solved = eqx.filter_jit(solve)
paths_together = eqx.filter_jit(paths_of)


@eqx.filter_jit
def _apart(
    kalman: Kalman,
    values: Array,
    mask: Array,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> GaussianPath:
    """Each series with its own covariance recursion."""

    def one(values: Array, mask: Array, inputs: Array | None, dt: Array | None) -> GaussianPath:
        system = linear_system(kalman.model, values, mask, inputs, dt)
        if kalman.parallel(values.shape[0]):
            return linear_path(system, *kalman.solve(system), kalman.arithmetic)
        recursion = gains if kalman.model.diffuse else full_gains
        result = recursion(system, kalman.arithmetic)
        return linear_path(system, result, means(system, result), kalman.arithmetic)

    rows = (values, mask, inputs, dt)
    # Side by side, the loop over a diffuse start would wait for the longest of all.
    in_turn = bool(kalman.model.diffuse)
    path = jax.lax.map(lambda row: one(*row), rows) if in_turn else jax.vmap(one)(*rows)
    return without_padding(path, lengths)


def full_gains(system: LinearSystem, form: Form) -> Gains:
    """The covariance recursion from a proper start to the end of the series, many side by side.

    A loop that ends when the covariance has settled would, with several series, copy all that it has
    recorded at every step.
    """
    steps = system.y.shape[0]
    Q = jax.vmap(form.enter)(system.Q)

    def step(carry: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        prior = form.predict(carry, at(system.A, t), at(Q, t))
        new = form.update(prior, at(system.C, t), at(system.noise, t))
        return new.carry, (prior, *new)

    prior = form.enter(system.P)
    first = form.update(prior, at(system.C, 0), at(system.noise, 0))
    _, rest = jax.lax.scan(step, first.carry, jnp.arange(1, steps))
    every = (jnp.concatenate([a[None], b]) for a, b in zip((prior, *first), rest, strict=True))
    return Gains(*every, where=jnp.arange(steps), worked=jnp.asarray(steps, jnp.int32))
