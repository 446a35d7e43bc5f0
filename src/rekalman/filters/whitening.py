"""Innovations of a linear filter, whitened row by row, also of rows that the filter was not shown."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.core.beliefs import GaussianPath
from rekalman.core.cholesky import cholesky, whitened
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.numerics.precision import precision_of


class Innovations(NamedTuple):
    """What a linear filter said of each row before it was seen, and what came.

    Attributes:
        mean: of each row, `(batch, steps, obs)`.
        root: Cholesky factor of its covariance, `(batch, steps, obs, obs)`.
        white: whitened innovations, 0 where nothing was observed.
        log_scale: log diagonal of the Cholesky factor of the observed part, likewise.
    """

    mean: Float[Array, "batch steps obs"]
    root: Float[Array, "batch steps obs obs"]
    white: Float[Array, "batch steps obs"]
    log_scale: Float[Array, "batch steps obs"]


def innovations(
    kalman: Kalman,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"],
    inputs: Float[Array, "batch steps input"] | None = None,
    dt: Float[Array, "batch steps"] | None = None,
    hidden: Bool[np.ndarray, "batch steps"] | None = None,
) -> Innovations:
    """Filter series and whiten their innovations.

    Args:
        kalman: the filter; its start is given.
        values: the rows.
        mask: True where observed.
        inputs: known inputs.
        dt: time since the step before, for a model in continuous time.
        hidden: steps whose rows the filter is not shown: their innovations are those of forecasts.
    """
    with precision_of(kalman):
        seen = mask if hidden is None else mask & ~jnp.asarray(hidden)[..., None]
        path = filter_batch(kalman, values, seen, inputs, dt=dt)
        return innovations_of(kalman, path, values, mask, inputs)


@eqx.filter_jit
def innovations_of(
    kalman: Kalman,
    path: GaussianPath,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"],
    inputs: Float[Array, "batch steps input"] | None = None,
) -> Innovations:
    """Whiten the innovations of series that were filtered."""
    blocks = kalman.model.blocks(None)
    C, offset = blocks.C[0], blocks.d[0]
    if inputs is not None:
        offset = offset + inputs @ blocks.D[0].T
    mean = path.prior_mean @ C.T + offset
    cov = jnp.einsum("ij,btjk,lk->btil", C, path.prior_cov, C) + blocks.R[0]
    cov = jnp.broadcast_to(0.5 * (cov + jnp.swapaxes(cov, -1, -2)), (*mean.shape, len(C)))
    white, log_scale = whitened(values - mean, cov, mask)
    return Innovations(mean, cholesky(cov), white, log_scale)
