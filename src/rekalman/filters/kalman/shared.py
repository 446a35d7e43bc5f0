"""What several series of a Kalman filter share: gaps, covariances, and means as columns of one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from rekalman.core.beliefs import GaussianPath
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means
from rekalman.filters.kalman.paths import evidence, linear_path
from rekalman.filters.kalman.system import LinearSystem, check_series, linear_system
from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import placed, taken

if TYPE_CHECKING:
    from rekalman.filters.kalman.filter import Kalman


class Common(NamedTuple):
    """Whether series have the same gaps and steps, and which."""

    same: bool
    shown: Bool[Array, "batch steps obs"]
    mask: Bool[Array, "steps obs"] | None
    dt: Float[Array, " steps"] | None


def ends_of(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    lengths: Array | None,
    dt: Array | None,
) -> Array:
    """Numbers of real steps, of series that were looked at."""
    if not values.shape[0]:
        raise RekalError("there is no series to filter")
    every = np.full(values.shape[0], values.shape[1])
    ends = every if lengths is None else lengths
    ends = ends if isinstance(ends, Tracer) else placed(ends)
    if mask is not None and mask.shape != values.shape:
        raise RekalError(f"the mask has shape {mask.shape}, but the values have {values.shape}")
    _check(kalman, values, mask, inputs, dt, ends)
    return ends


def common_of(values: Array, mask: Array | None, dt: Array | None, ends: Array) -> Common:
    """What the series share; the mask is None when nothing is missing but padding."""
    real = np.arange(values.shape[1]) < np.asarray(ends)[:, None]
    longest = int(np.argmax(np.asarray(ends)))
    shown = np.ones(values.shape, bool) if mask is None else np.asarray(mask)
    same = ((shown == shown[longest]) | ~real[..., None]).all()
    if dt is not None:
        same &= ((np.asarray(dt) == np.asarray(dt)[longest]) | ~real).all()
    complete = bool((shown[longest] | ~real[longest][:, None]).all())
    return Common(
        bool(same),
        placed(shown & real[..., None]),
        None if complete else placed(shown[longest]),
        None if dt is None else taken(dt, longest),
    )


def columns_of(
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


def without_values_in_padding(values: Array, lengths: Array) -> Array:
    """Zero in the padding."""
    real = jnp.arange(values.shape[1]) < lengths[:, None]
    return jnp.where(real[..., None], values, 0.0)


def paths_of(
    kalman: Kalman, system: LinearSystem, result: Gains, run: Means, lengths: Array
) -> GaussianPath:
    """The beliefs of all series that share their covariances."""
    # Worked out before they are transposed: in one go every entry would be fetched across the batch.
    run = Means(*(jax.lax.optimization_barrier(columns) for columns in run))
    first = Means(*(columns[..., :1] for columns in run))
    path = linear_path(system._replace(y=system.y[..., :1]), result, first, kalman.arithmetic)
    own = lambda columns: jnp.moveaxis(columns, -1, 0)  # noqa: E731
    shared = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)  # noqa: E731
    every = GaussianPath(
        mean=own(run.posterior),
        cov=path.cov[None],
        prior_mean=own(run.prior),
        prior_cov=path.prior_cov[None],
        log_evidence=evidence(system, result, run).T,
        white=own(run.white),
        judged=shared(path.judged),
        diffuse=shared(path.diffuse),
    )
    return without_padding(every, lengths)


def without_padding(path: GaussianPath, lengths: Array) -> GaussianPath:
    """Evidence and innovations are zero in the padding."""
    real = jnp.arange(path.log_evidence.shape[1]) < lengths[:, None]
    return eqx.tree_at(
        lambda path: (path.log_evidence, path.white),
        path,
        (jnp.where(real, path.log_evidence, 0.0), jnp.where(real[..., None], path.white, 0.0)),
    )


def _check(
    kalman: Kalman,
    values: Array,
    mask: Array | None,
    inputs: Array | None,
    dt: Array | None,
    lengths: Array,
) -> None:
    """The first series says whether shapes fit; all are looked at for NaN."""
    row = lambda leaf: None if leaf is None else taken(leaf, 0)  # noqa: E731
    nothing = placed(np.zeros(values.shape[1:]))
    check_series(kalman.model, nothing, row(mask), row(inputs), row(dt))
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
