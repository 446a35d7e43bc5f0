"""Statistics of the mixtures of a forecast: Gaussian ones, and their inverse under a power transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
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

MIXTURES_AT_ONCE = 256
FEW = 500_000
"""Components up to which a statistic takes NumPy less time than its compilation would."""


def by_origin(
    statistic: Statistic,
    means: Float[AnyArray, "origins horizons particles obs"],
    log_weights: Float[AnyArray, "origins particles"],
    var: Float[AnyArray, "*lead obs"],
    rest: tuple[Float[AnyArray, "origins horizons obs"], ...],
) -> Float[AnyArray, "origins horizons obs"]:
    """A statistic of all mixtures; `rest` are its arguments before those of the components."""
    if means.size > FEW or statistic in COMPILED:
        return _compiled(statistic, *jax.tree.map(placed, (means, log_weights, var, rest)))
    components = np.moveaxis(np.asarray(means), -2, -1)
    spread = np.broadcast_to(np.asarray(var), components.shape[:-1])[..., None]
    weights = np.asarray(log_weights)[:, None, None, :]
    with np.errstate(all="ignore"):  # as compiled code: what is not finite says so by itself
        return statistic(*map(np.asarray, rest), components, spread, weights)


@eqx.filter_jit
def _compiled(
    statistic: Statistic,
    means: Float[Array, "origins horizons particles obs"],
    log_weights: Float[Array, "origins particles"],
    var: Float[Array, "*lead obs"],
    rest: tuple[Float[Array, "origins horizons obs"], ...],
) -> Float[Array, "origins horizons obs"]:
    """The same, a few origins at a time.

    Whatever a statistic needs on the way (weights at every component, say) exists for those alone.
    """
    count, horizons, _, obs = means.shape
    size = min(count, max(1, MIXTURES_AT_ONCE // (horizons * obs)))
    chunks = -(-count // size)
    # The last chunk is filled up with the last origin.
    index = jnp.minimum(jnp.arange(chunks * size), count - 1)
    var = jnp.broadcast_to(var, (count, horizons, obs))

    def one(rows: Array) -> AnyArray:
        components = jnp.moveaxis(means[rows], -2, -1)
        weights = jnp.broadcast_to(log_weights[rows][:, None, None, :], components.shape)
        # Laid out flat in memory first: twice as fast as when the compiler fuses the transposition
        # and the repetition of the weights into each loop over the components.
        flat = jax.lax.optimization_barrier(
            [v[rows].reshape(-1) for v in rest]
            + [v.reshape(-1, v.shape[-1]) for v in (components, var[rows][..., None], weights)]
        )
        return statistic(*flat)

    return jax.lax.map(one, index.reshape(chunks, size)).reshape(-1, horizons, obs)[:count]


def root_of(cov: Float[Array, "*lead obs obs"]) -> Float[Array, "*lead obs obs"]:
    """A matrix `L` with `L L' = cov`: the triangular one where there is one, for a singular `cov` another."""
    values, vectors = jnp.linalg.eigh(cov)
    singular = vectors * jnp.sqrt(jnp.maximum(values, 0))[..., None, :]
    triangular = jnp.linalg.cholesky(cov)
    return jnp.where(jnp.isfinite(triangular).all((-2, -1), keepdims=True), triangular, singular)
