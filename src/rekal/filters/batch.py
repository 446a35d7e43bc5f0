r"""Several series through one Kalman filter.

The covariances, gains and likelihood constants of a linear filter do not depend on what was observed, only on
what was missing and when. Series with the same gaps (padding at their ends does not count) therefore share
one covariance recursion, and their means run together as columns of one matrix: a step of the recursion is a
product of two matrices. Otherwise each series has a recursion of its own, and all run side by side.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from rekal.beliefs import GaussianPath
from rekal.errors import RekalError
from rekal.filters.forms import Form
from rekal.filters.gains import Gains, gains
from rekal.filters.kalman import Kalman
from rekal.filters.means import Means, means
from rekal.filters.paths import evidence, linear_path
from rekal.filters.system import LinearSystem, at, check_series, linear_system
from rekal.precision import precision_of


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
    if not values.shape[0]:
        raise RekalError("there is no series to filter")
    steps = values.shape[1]
    ends = jnp.full(values.shape[0], steps) if lengths is None else jnp.asarray(lengths)
    if mask is not None and mask.shape != values.shape:
        raise RekalError(f"the mask has shape {mask.shape}, but the values have {values.shape}")
    _check(kalman, values, mask, inputs, dt, ends)
    if any(isinstance(leaf, Tracer) for leaf in (mask, ends, dt)):
        real = jnp.broadcast_to((jnp.arange(steps) < ends[:, None])[..., None], values.shape)
        return _apart(kalman, values, real if mask is None else mask & real, inputs, dt, ends)
    real = np.arange(steps) < np.asarray(ends)[:, None]
    longest = int(np.argmax(np.asarray(ends)))
    shown = np.ones(values.shape, bool) if mask is None else np.asarray(mask)
    same = ((shown == shown[longest]) | ~real[..., None]).all()
    if dt is not None:
        same &= ((np.asarray(dt) == np.asarray(dt)[longest]) | ~real).all()
    if not same:
        return _apart(kalman, values, jnp.asarray(shown & real[..., None]), inputs, dt, ends)
    complete = bool((shown[longest] | ~real[longest][:, None]).all())
    common = None if complete else jnp.asarray(shown[longest])
    return _together(kalman, values, common, inputs, None if dt is None else dt[longest], ends)


@eqx.filter_jit
def _together(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> GaussianPath:
    """All series with one covariance recursion, their means as columns."""
    steps = values.shape[1]
    real = jnp.arange(steps) < lengths[:, None]
    system = _columns(kalman, jnp.where(real[..., None], values, 0.0), mask, inputs, dt)
    found, run = kalman.solve(system)
    # Worked out before they are transposed: in one go every entry would be fetched across the batch.
    run = Means(*(jax.lax.optimization_barrier(columns) for columns in run))
    first = Means(*(columns[..., :1] for columns in run))
    path = linear_path(system._replace(y=system.y[..., :1]), found, first, kalman.arithmetic)
    own = lambda columns: jnp.moveaxis(columns, -1, 0)  # noqa: E731
    shared = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)  # noqa: E731
    return GaussianPath(
        mean=own(run.posterior),
        cov=path.cov[None],
        prior_mean=own(run.prior),
        prior_cov=path.prior_cov[None],
        log_evidence=jnp.where(real, evidence(system, found, run).T, 0.0),
        white=jnp.where(real[..., None], own(run.white), 0.0),
        judged=shared(path.judged),
        diffuse=shared(path.diffuse),
    )


def _columns(
    kalman: Kalman, values: Array, mask: Array | None, inputs: Array | None, dt: Array | None
) -> LinearSystem:
    """One system of all series, with a column for each."""
    fixed = LinearSystem(*(None for _ in LinearSystem._fields))  # pyright: ignore
    out = fixed._replace(y=3, drift=fixed.drift if inputs is None else 3)
    system = jax.vmap(
        lambda values, inputs: linear_system(kalman.model, values, mask, inputs, dt),
        in_axes=(0, None if inputs is None else 0),
        out_axes=out,
    )(values, inputs)
    start = jnp.broadcast_to(system.start, (system.start.shape[0], values.shape[0]))
    drift = system.drift if inputs is None else system.drift[:, :, 0]
    return system._replace(y=system.y[:, :, 0], drift=drift, start=start)


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
        found = recursion(system, kalman.arithmetic)
        return linear_path(system, found, means(system, found), kalman.arithmetic)

    rows = (values, mask, inputs, dt)
    # Side by side, the loop over a diffuse start would wait for the longest of all.
    in_turn = bool(kalman.model.diffuse)
    path = jax.lax.map(lambda row: one(*row), rows) if in_turn else jax.vmap(one)(*rows)
    real = jnp.arange(values.shape[1]) < lengths[:, None]
    return eqx.tree_at(
        lambda path: (path.log_evidence, path.white),
        path,
        (jnp.where(real, path.log_evidence, 0.0), jnp.where(real[..., None], path.white, 0.0)),
    )


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


def _check(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> None:
    """The first series says whether shapes fit; all are looked at for NaN."""
    row = lambda leaf: None if leaf is None else leaf[0]  # noqa: E731
    check_series(kalman.model, jnp.zeros(values.shape[1:]), row(mask), row(inputs), row(dt))
    if any(isinstance(leaf, Tracer) for leaf in (values, mask, lengths)):
        return
    real = np.arange(values.shape[1]) < np.asarray(lengths)[:, None]
    seen = real[..., None] if mask is None else real[..., None] & np.asarray(mask)
    wrong = ~np.isfinite(np.asarray(values)) & seen
    if wrong.any():
        series, step, column = np.argwhere(wrong)[0]
        raise RekalError(
            f"column {column} of series {series} holds {float(values[series, step, column])} at step "
            f"{step}: say by the mask which entries are missing (Sequences does so by itself)"
        )
