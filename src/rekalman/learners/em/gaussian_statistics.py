r"""The E-step with a Gaussian smoother: expected statistics from means, covariances and lag-one covariances.

An unscented or extended smoother gives every pair of neighbouring states a Gaussian law,

    [x_t; x_{t-1}] ~ N([m_t; m_{t-1}], [[P_t, L_t], [L_t', P_{t-1}]]).

For features `z` of the state with expected slope `W = E[dz/dx]` all that EM needs follows from Stein's
identity: `E x_t z_{t-1}' = m_t E z' + L_t W'`. For an elementwise `f` the moments of `z = f(x)` are integrals
over lines and planes (`quadrature.py`); for Gaussian kernels they have closed forms (`rbf_moments.py`).

It is deterministic, and as good as the particles while the posterior is nearly Gaussian. With much noise in a
strongly curved network it is not: the likelihood it reports is then that of another model.
"""

from __future__ import annotations

from typing import Literal, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.core.beliefs import SmoothedPath
from rekalman.filters.extended import ExtendedKalman
from rekalman.filters.nonlinear import NonlinearFilter
from rekalman.filters.unscented import UnscentedKalman
from rekalman.learners.batch import Batch
from rekalman.learners.em.quadrature import elementwise_moments
from rekalman.learners.em.rbf_moments import kernel_features, kernel_products
from rekalman.learners.em.statistics import Moments, Statistics, collected
from rekalman.models.rbf import Kernels, RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN

Approximation = Literal["unscented", "extended"]
Features = tuple[Float[Array, "steps q"], Float[Array, "steps q q"], Float[Array, "steps q n"]]


@eqx.filter_jit
def gaussian_e_step(
    model: StochasticRNN | RBFNetwork, approximation: Approximation, batch: Batch
) -> tuple[Statistics, Float[Array, ""]]:
    """Statistics summed over all series, and the filter's log-likelihood in nats.

    Args:
        model: the current parameters.
        approximation: which smoother.
        batch: the series.
    """
    algorithm = ExtendedKalman(model) if approximation == "extended" else UnscentedKalman(model)
    each, value = jax.lax.map(lambda series: gaussian_statistics(algorithm, series), batch)
    return jax.tree.map(lambda leaf: leaf.sum(0), each), value.sum()


def gaussian_statistics(
    algorithm: NonlinearFilter, series: Batch
) -> tuple[Statistics, Float[Array, ""]]:
    """Smooth one series (no batch axis) and collect its statistics; also its log-likelihood."""
    model = algorithm.model
    values, mask, inputs, valid = series.values, series.mask, series.inputs, series.valid
    path, smoothed = algorithm.smooth(values, mask, inputs, None, valid.sum())
    if model.elementwise:
        known = _network_moments(cast(StochasticRNN, model), smoothed, valid)
    else:
        known = _kernel_moments(cast(RBFNetwork, model), smoothed, inputs, valid)
    whitener = jax.vmap(lambda y, mask: model.encode(y, mask, None).whitener)(values, mask)
    statistics = collected(model, known, whitener, values, mask, inputs, valid)
    return statistics, path.log_likelihood


def _network_moments(
    model: StochasticRNN, smoothed: SmoothedPath, valid: Bool[Array, " steps"]
) -> Moments:
    """Moments of the hidden units of a stochastic network."""
    one = lambda mean, cov: elementwise_moments(model.f, model.slope, mean, cov)  # noqa: E731
    first, second, bend = jax.vmap(one)(smoothed.mean, smoothed.cov)
    state = smoothed.mean, _second(smoothed.mean, smoothed.cov)
    diagonals = jax.vmap(jnp.diag)(bend[:-1])
    return Moments(
        state=state,
        before=(first[:-1], second[:-1]),
        pair=_pair(smoothed, first[:-1], diagonals, valid),
        output=state if model.linear_observation else (first, second),
    )


def _kernel_moments(
    model: RBFNetwork, smoothed: SmoothedPath, inputs: Array | None, valid: Bool[Array, " steps"]
) -> Moments:
    """Moments of states and kernels; the transition's kernels see the input of the next step."""
    mean, cov = smoothed.mean, smoothed.cov
    ahead = None if inputs is None else inputs[1:]
    first, second, slope = _features(model.kernels, mean[:-1], cov[:-1], ahead)
    return Moments(
        state=(mean, _second(mean, cov)),
        before=(first, second),
        pair=_pair(smoothed, first, slope, valid),
        output=_features(model.output_kernels, mean, cov, inputs)[:2],
    )


def _features(kernels: Kernels, mean: Array, cov: Array, inputs: Array | None) -> Features:
    products = kernel_products(kernels)
    one = lambda mean, cov, u: kernel_features(kernels, products, mean, cov, u)  # noqa: E731
    return jax.vmap(one)(mean, cov, inputs)


def _pair(
    smoothed: SmoothedPath,
    first: Float[Array, "moves q"],
    slope: Float[Array, "moves q n"],
    valid: Bool[Array, " steps"],
) -> Float[Array, "n q"]:
    """Sum over the real steps of `E x_t z_{t-1}'`."""
    live = valid[1:].astype(first.dtype)[:, None]
    whole = (smoothed.mean[1:] * live).T @ first
    return whole + jnp.einsum("tij,tqj->iq", smoothed.lag[1:] * live[..., None], slope)


def _second(mean: Float[Array, "steps n"], cov: Float[Array, "steps n n"]) -> Array:
    return cov + mean[:, :, None] * mean[:, None, :]
