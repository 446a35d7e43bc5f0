r"""Gaussian mixtures seen through the inverse of a power transform: the law of `y`, given that of `z = g(y)`.

`g` rises, so quantiles are `g^-1` of those of `z`, and the distribution function is `F(g(y))`. A power of 0
makes every component log-normal,

    E y = exp(m + v / 2),   Var y = (E y)^2 (e^v - 1);

other moments are Gauss-Hermite sums, exact where 1/p is a whole number and no mass lies beyond the domain.
The CRPS is an integral over `z`:

    CRPS = int (F(y') - 1{y' >= y})^2 dy' = int_{lo}^{g(y)} F^2 s dz + int_{g(y)}^{hi} (1 - F)^2 s dz,

`s = dy/dz = y^(1 - p)`, by Gauss and Legendre's rule on equal pieces of each part. All functions take a
power for each mixture, `(...)`; the axis of the components is the last, as in `core/mixtures.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.core.mixtures import mixture_cdf, mixture_log_density, mixture_quantile
from rekalman.data.scales.powers import TINY, inverted, log_slope, transformed
from rekalman.numerics.placing import AnyArray

PIECES, NODES = 8, 16
"""Pieces of each part of the integral, and nodes on each."""
HERMITE = 32
"""Nodes of a Gauss-Hermite sum."""
REACH = 9.0
"""Deviations from the mean of a component beyond which nothing of it is counted."""
NEGLIGIBLE = float(np.log(1e-13))
"""Log weight of a component that does not widen the range of the integral."""


def inverse_quantile(
    q: Float[Array, "*lead"],
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Where the distribution function of `y` reaches `q`."""
    return inverted(mixture_quantile(q, means, var, log_weights), power, jnp)


def inverse_cdf(
    y: Float[Array, "*lead"],
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """Distribution function at `y`."""
    return mixture_cdf(transformed(y, power, jnp), means, var, log_weights)


def inverse_log_density(
    y: Float[Array, "*lead"],
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Log density at `y` in nats: that of `z` plus `log dz/dy`, minus infinity where `y` cannot be."""
    slope = log_slope(y, power, jnp)
    possible = slope > -jnp.inf
    z = transformed(jnp.where(possible, y, 1.0), power, jnp)
    return jnp.where(possible, mixture_log_density(z, means, var, log_weights) + slope, -jnp.inf)


def inverse_mean(
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Mean of `y`."""
    each, _ = _component_moments(power[..., None], means, var)
    return (jnp.exp(log_weights) * each).sum(-1)


def inverse_std(
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Standard deviation of `y`: of the mean of the variances plus the variance of the means."""
    each, spread = _component_moments(power[..., None], means, var)
    weights = jnp.exp(log_weights)
    mean = (weights * each).sum(-1, keepdims=True)
    return jnp.sqrt((weights * (spread + (each - mean) ** 2)).sum(-1))


def inverse_moments(
    mean: Float[np.ndarray, "*lead obs"],
    var: Float[np.ndarray, "*lead obs"],
    power: Float[np.ndarray, " obs"],
) -> tuple[Float[np.ndarray, "*lead obs"], Float[np.ndarray, "*lead obs"]]:
    """Mean and variance of `y` where `z` is Gaussian, in double precision."""
    with jax.enable_x64(True):
        z = (jnp.asarray(np.asarray(v, np.float64)) for v in (mean, var))
        moments = _compiled_moments(jnp.broadcast_to(power, np.shape(mean)), *z)
    return np.asarray(moments[0]), np.asarray(moments[1])


def inverse_crps(
    y: Float[Array, "*lead"],
    power: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Continuous ranked probability score of `y` in its own unit."""
    low, high = _range(power, means, var, log_weights)
    at = jnp.clip(transformed(y, power, jnp), low, high)
    distribution = lambda z: mixture_cdf(z, means, var, log_weights)  # noqa: E731

    def slope(z: Array) -> Array:
        value = inverted(z, power, jnp)
        curved = jnp.where(value > 0, jnp.exp(-log_slope(value, power, jnp)), 0.0)
        return jnp.where(power == 1, 1.0, curved)

    below = _integral(lambda z: distribution(z) ** 2 * slope(z), low, at)
    above = _integral(lambda z: (1 - distribution(z)) ** 2 * slope(z), at, high)
    # Beyond the range the distribution function is 0 or 1.
    ends = (inverted(end, power, jnp) for end in (low, high))
    before, after = (jnp.maximum(gap, 0) for gap in (next(ends) - y, y - next(ends)))
    return below + above + before + after


def _component_moments(
    power: Float[Array, "*#lead"], mean: Float[Array, "*lead"], var: Float[Array, "*#lead"]
) -> tuple[Array, Array]:
    """Mean and variance of `y` for each Gaussian of `z`."""
    var = jnp.broadcast_to(var, mean.shape)
    power = jnp.broadcast_to(power, mean.shape)
    logarithm = power <= TINY
    m, v = jnp.where(logarithm, mean, 0.0), jnp.where(logarithm, var, 0.0)
    normal = jnp.exp(m + v / 2)
    points, weights = np.polynomial.hermite_e.hermegauss(HERMITE)
    points, weights = jnp.asarray(points), jnp.asarray(weights / weights.sum())
    sd = jnp.sqrt(var)

    def raw(i: Array) -> Array:
        return inverted(mean + sd * points[i], jnp.where(logarithm, 1.0, power), jnp)

    zero = jnp.zeros(mean.shape, mean.dtype)
    first = jax.lax.fori_loop(0, HERMITE, lambda i, s: s + weights[i] * raw(i), zero)
    second = jax.lax.fori_loop(
        0, HERMITE, lambda i, s: s + weights[i] * (raw(i) - first) ** 2, zero
    )
    return jnp.where(logarithm, normal, first), jnp.where(
        logarithm, normal**2 * jnp.expm1(v), second
    )


_compiled_moments = jax.jit(_component_moments)


def _range(power: Array, means: Array, var: Array, log_weights: Array) -> tuple[Array, Array]:
    """Where the distribution function of `z` is neither 0 nor 1, as far as it counts for `y`.

    `dy/dz` grows by a factor e in `1 / r`, `r = (1 - p) / (1 + p z)`, so that the upper tail of a component
    counts as if it lay `r v / 2` higher. No value is beyond double precision.
    """
    sd = jnp.sqrt(var)
    p = jnp.where(power < 1, power, 0.0)[..., None]
    local = jnp.maximum(1 + p * (means + 2 * sd), jnp.maximum(p * sd, 1e-3))
    rate = jnp.where(power < 1, 1 - power, 0.0)[..., None] / local
    counted = jnp.broadcast_to(log_weights > NEGLIGIBLE, means.shape)
    low = jnp.where(counted, means - REACH * sd, jnp.inf).min(-1)
    high = jnp.where(counted, means + REACH * sd + rate * var / 2, -jnp.inf).max(-1)
    transforms = (power > TINY) & (power < 1)
    edge = jnp.where(transforms, -1 / jnp.where(transforms, power, 1.0), -jnp.inf)
    largest = transformed(jnp.full(power.shape, 1e300), power, jnp)
    low = jnp.clip(low, edge, largest)
    return low, jnp.clip(high, low, largest)


def _integral(f: Callable[[Array], AnyArray], start: Array, stop: Array) -> Array:
    """Integral of a function from `start` to `stop`."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    places = ((np.arange(PIECES)[:, None] + (points + 1) / 2) / PIECES).ravel()
    x, w = jnp.asarray(places), jnp.asarray(np.tile(weights / 2 / PIECES, PIECES))
    width = stop - start

    def add(i: Array, total: Array) -> Array:
        return total + w[i] * width * f(start + x[i] * width)

    return jax.lax.fori_loop(0, PIECES * NODES, add, jnp.zeros(width.shape, width.dtype))
