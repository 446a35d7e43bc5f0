"""Statistics of the mixtures of a forecast: Gaussian ones, and their inverse under a power transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.core import mixtures
from rekalman.core.metrics import crps_mixture
from rekalman.forecasting import binary, inverse_mixtures
from rekalman.numerics.placing import AnyArray, placed

Statistic = Callable[..., AnyArray]
"""Takes its arguments, then means, variances and log weights of the components (`rekalman.core.mixtures`)."""


class Law(NamedTuple):
    """What can be asked of the mixtures; those of transformed values take a power before the components."""

    quantile: Statistic
    cdf: Statistic
    log_density: Statistic
    crps: Statistic


GAUSSIAN = Law(
    mixtures.mixture_quantile, mixtures.mixture_cdf, mixtures.mixture_log_density, crps_mixture
)
TRANSFORMED = Law(
    inverse_mixtures.inverse_quantile,
    inverse_mixtures.inverse_cdf,
    inverse_mixtures.inverse_log_density,
    inverse_mixtures.inverse_crps,
)
BINARY = Law(
    binary.binary_quantile, binary.binary_cdf, binary.binary_log_density, binary.binary_crps
)
COMPILED = (*TRANSFORMED, inverse_mixtures.inverse_mean, inverse_mixtures.inverse_std)
"""What is always compiled: integrals over many nodes."""

MIXTURES_AT_ONCE = 64
"""So many are worked on at once, whatever the forecast, so that nothing is compiled for its shape."""
FEW = 500_000
"""Components up to which a statistic takes NumPy less time than its compilation would."""
FEW_PAIRS = 20_000_000
"""The same of pairs of components, of a statistic that compares them all."""


def by_origin(
    statistic: Statistic,
    means: Float[AnyArray, "origins horizons particles obs"],
    log_weights: Float[AnyArray, "origins particles"],
    var: Float[AnyArray, "*lead obs"],
    rest: tuple[Float[AnyArray, "origins horizons obs"], ...],
) -> Float[AnyArray, "origins horizons obs"]:
    """A statistic of all mixtures; `rest` are its arguments before those of the components."""
    means, log_weights = np.asarray(means), np.asarray(log_weights)
    pairs = means.size * means.shape[-2] if statistic is crps_mixture else 0
    if means.size > FEW or pairs > FEW_PAIRS or statistic in COMPILED:
        return _in_chunks(statistic, means, log_weights, np.asarray(var), rest)
    components = np.moveaxis(means, -2, -1)
    spread = np.broadcast_to(np.asarray(var), components.shape[:-1])[..., None]
    weights = log_weights[:, None, None, :]
    with np.errstate(all="ignore"):  # as compiled code: what is not finite says so by itself
        return statistic(*map(np.asarray, rest), components, spread, weights)


def _in_chunks(
    statistic: Statistic,
    means: Float[np.ndarray, "origins horizons particles obs"],
    log_weights: Float[np.ndarray, "origins particles"],
    var: Float[np.ndarray, "*lead obs"],
    rest: tuple[Float[AnyArray, "origins horizons obs"], ...],
) -> Float[np.ndarray, "origins horizons obs"]:
    """The same compiled, a few mixtures at a time.

    Whatever a statistic needs on the way (weights at every component, say) exists for those alone.
    """
    count, horizons, _, obs = means.shape
    shape = (count, horizons, obs)
    var, total = np.broadcast_to(var, shape), count * horizons * obs
    result = np.empty(total, means.dtype)
    for first in range(0, total, MIXTURES_AT_ONCE):
        # The last chunk is filled up with the last mixture.
        index = np.minimum(np.arange(first, first + MIXTURES_AT_ONCE), total - 1)
        origin, horizon, column = np.unravel_index(index, shape)
        rows = [np.asarray(v)[origin, horizon, column] for v in rest]
        components = means[origin, horizon, :, column]
        spread = var[origin, horizon, column][:, None]
        made = _compiled(statistic, *map(placed, (*rows, components, spread, log_weights[origin])))
        used = min(MIXTURES_AT_ONCE, total - first)
        result[first : first + used] = np.asarray(made)[:used]
    return result.reshape(shape)


@eqx.filter_jit
def _compiled(statistic: Statistic, *arguments: Array) -> Float[AnyArray, " mixtures"]:
    return statistic(*arguments)


def root_of(cov: Float[Array, "*lead obs obs"]) -> Float[Array, "*lead obs obs"]:
    """A matrix `L` with `L L' = cov`: the triangular one where there is one, for a singular `cov` another."""
    values, vectors = jnp.linalg.eigh(cov)
    singular = vectors * jnp.sqrt(jnp.maximum(values, 0))[..., None, :]
    triangular = jnp.linalg.cholesky(cov)
    return jnp.where(jnp.isfinite(triangular).all((-2, -1), keepdims=True), triangular, singular)
