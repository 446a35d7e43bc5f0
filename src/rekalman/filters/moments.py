"""Moments of the state from what a filter or a smoother left of several series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from scipy.special import ndtri

from rekalman.core.beliefs import GaussianPath, Path
from rekalman.core.capabilities import Band, Moments
from rekalman.numerics.placing import placed, taken

if TYPE_CHECKING:
    from rekalman.filters.gaussian import GaussianFilter
    from rekalman.models.base import StateSpaceModel
    from rekalman.models.gaussian import GaussianModel


def gaussian_moments(
    algorithm: GaussianFilter, path: PyTree, inputs: Float[Array, "batch steps input"] | None
) -> Moments:
    """Of Gaussian beliefs.

    Args:
        algorithm: the filter.
        path: with `mean` and `cov` of the state at every step.
        inputs: known inputs.
    """
    return Moments(path.mean, path.cov, _signal(algorithm, path.mean, path.cov, inputs))


def particle_moments(
    model: StateSpaceModel, path: Path, inputs: Float[Array, "batch steps input"] | None
) -> Moments:
    """Of clouds of particles."""
    weights = placed(np.exp(np.asarray(path.log_weights)))
    return Moments(*_weighted(model, path.x, weights, inputs))


@eqx.filter_jit
def _signal(algorithm: GaussianFilter, mean: Array, cov: Array, inputs: Array | None) -> Array:
    """What each belief says of the observations, in the mean."""

    def step(mean: Array, cov: Array, t: Array, u: Array | None) -> Array:
        return algorithm.observe(algorithm.belief(mean, cov, t), u).mean

    one = lambda m, P, u: jax.vmap(step)(m, P, jnp.arange(len(m)), u)  # noqa: E731
    if len(cov) < len(mean):  # all series share it
        return jax.vmap(lambda m, u: one(m, cov[0], u))(mean, inputs)
    return jax.vmap(one)(mean, cov, inputs)


@eqx.filter_jit
def _weighted(
    model: StateSpaceModel,
    x: Float[Array, "batch steps particles states"],
    weights: Float[Array, "batch steps particles"],
    inputs: Float[Array, "batch steps input"] | None,
) -> tuple[Array, Array, Array]:
    """Mean and covariance of clouds, and the mean of what they say of the observations."""
    mean = jnp.einsum("btn,btns->bts", weights, x)
    # Centred first: in float32 the difference of two second moments may have no digit left.
    centred = x - mean[:, :, None]
    cov = jnp.einsum("btn,btni,btnj->btij", weights, centred, centred)
    each = jax.vmap(jax.vmap(model.observation_mean))(x, inputs)
    return mean, cov, jnp.einsum("btn,btnp->btp", weights, each)


def gaussian_band(
    algorithm: GaussianFilter,
    path: GaussianPath,
    inputs: Float[Array, "steps input"] | None,
    tail: float,
) -> Band:
    """Of Gaussian beliefs, the observation linearised at their means."""
    mean, cov = (np.asarray(leaf)[0] for leaf in (path.mean, path.cov))
    signal, H = map(np.asarray, _linearised(algorithm.model, placed(mean), inputs))
    var = np.einsum("tij,tjk,tik->ti", H, cov, H)
    if path.diffuse is not None:  # no band where the start is not known yet
        unknown = np.einsum("tij,tjd->tid", H, np.asarray(path.diffuse.basis)[0])
        var = np.where(np.abs(unknown).max(2) > 1e-9, np.nan, var)
    reach = -ndtri(tail) * np.sqrt(np.maximum(var, 0.0))
    return Band(signal, signal - reach, signal + reach)


@eqx.filter_jit
def _linearised(
    model: GaussianModel, mean: Float[Array, "steps states"], inputs: Array | None
) -> tuple[Float[Array, "steps obs"], Float[Array, "steps obs states"]]:
    """The observation at the mean of each step, and its Jacobian there."""
    x = mean[:, None]
    signal = jax.vmap(model.observation_mean)(x, inputs)[:, 0]
    return signal, jax.vmap(model.observation_jacobian)(x, inputs)[:, 0]


def particle_band(
    model: StateSpaceModel, path: Path, inputs: Float[Array, "steps input"] | None, tail: float
) -> Band:
    """Of clouds of particles: weighted quantiles, widened to their mean."""
    signal = np.asarray(_observed(model, taken(path.x, 0), inputs))
    weights = np.exp(np.asarray(path.log_weights)[0])
    mean = np.einsum("tn,tnp->tp", weights, signal)
    order = np.argsort(signal, axis=1)
    rank = np.cumsum(np.take_along_axis(weights[:, :, None], order, 1), 1)
    sorted_signal = np.take_along_axis(signal, order, 1)

    def quantile(q: float) -> np.ndarray:
        first = np.argmax(rank >= q * rank[:, -1:], axis=1)
        return np.take_along_axis(sorted_signal, first[:, None], 1)[:, 0]

    low, high = np.minimum(quantile(tail), mean), np.maximum(quantile(1 - tail), mean)
    return Band(mean, low, high)


@eqx.filter_jit
def _observed(
    model: StateSpaceModel, x: Float[Array, "steps particles states"], inputs: Array | None
) -> Float[Array, "steps particles obs"]:
    """What each particle says of the observation."""
    return jax.vmap(model.observation_mean)(x, inputs)
