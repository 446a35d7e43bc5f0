r"""One-dimensional Gaussian mixtures: density, distribution, quantiles.

A cloud of particles seen through Gaussian observation noise is the mixture

    F(y) = sum_i w_i Phi((y - mu_i) / s_i),

so a forecast has a smooth distribution even with a hundred particles. The last axis is always that
of the components; means, variances and log weights broadcast against each other.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_2PI = 1.8378770664093453


def mixture_mean(
    means: Float[Array, "*lead components"], log_weights: Float[Array, "*#lead components"]
) -> Float[Array, "*lead"]:
    """Mean `sum w mu`."""
    return (jnp.exp(log_weights) * means).sum(-1)


def mixture_var(
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Variance: the mean of the variances plus the variance of the means."""
    centred = means - mixture_mean(means, log_weights)[..., None]
    return (jnp.exp(log_weights) * (centred**2 + var)).sum(-1)


def mixture_cdf(
    y: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Distribution function `F(y)`, which is also the PIT of the observation `y`."""
    z = (y[..., None] - means) / jnp.sqrt(var)
    return jnp.clip((jnp.exp(log_weights) * _normal_cdf(z)).sum(-1), 0.0, 1.0)


def mixture_log_density(
    y: Float[Array, "*lead"],
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Log density at `y`, in nats."""
    z2 = (y[..., None] - means) ** 2 / var
    logs = log_weights - 0.5 * (z2 + jnp.log(var) + LOG_2PI)
    return jax.scipy.special.logsumexp(logs, axis=-1)


def mixture_quantile(
    q: Float[Array, "*#lead"] | int | float,
    means: Float[Array, "*lead components"],
    var: Float[Array, "*#lead #components"],
    log_weights: Float[Array, "*#lead components"],
) -> Float[Array, "*lead"]:
    """Where `F` reaches `q`, to the accuracy of the number type.

    The quantile of a mixture lies between the smallest and the largest quantile of its components:
    at the former every component has passed at most `q`, at the latter at least `q`. Inside that
    bracket Newton's method is safeguarded by bisection, which takes over wherever a Newton step would
    leave the bracket or would not halve the step before (Press et al., Numerical Recipes, 9.4).

    Args:
        q: probability, between 0 and 1 (both excluded).
        means: means of the components.
        var: their variances.
        log_weights: their normalised log weights.
    """
    sd = jnp.sqrt(var)
    normal = jax.scipy.special.ndtri(jnp.asarray(q, means.dtype))
    ends = means + sd * normal[..., None]
    low, high = ends.min(-1), ends.max(-1)
    weights = jnp.exp(log_weights)
    start = mixture_mean(means, log_weights)
    start += jnp.sqrt(mixture_var(means, var, log_weights)) * normal
    start = jnp.clip(start, low, high)
    eps = jnp.finfo(means.dtype).eps
    tolerance = 2 * eps * (jnp.abs(low) + jnp.abs(high) + sd.max(-1))

    def refine(state: tuple[Array, ...]) -> tuple[Array, ...]:
        count, low, high, x, before, _ = state
        z = (x[..., None] - means) / sd
        gap = (weights * _normal_cdf(z)).sum(-1) - q
        slope = (weights / sd * jnp.exp(-0.5 * (z * z + LOG_2PI))).sum(-1)
        low, high = jnp.where(gap < 0, x, low), jnp.where(gap < 0, high, x)
        newton = x - gap / jnp.where(slope > 0, slope, 1.0)
        trusted = (slope > 0) & (newton > low) & (newton < high)
        trusted &= jnp.abs(newton - x) <= 0.5 * jnp.abs(before)
        found = jnp.abs(gap) <= 4 * eps  # F itself is no more exact than that
        following = jnp.where(found, x, jnp.where(trusted, newton, 0.5 * (low + high)))
        step = following - x
        return count + 1, low, high, following, step, jnp.abs(step) <= tolerance

    def going(state: tuple[Array, ...]) -> Array:
        return (state[0] < 100) & ~state[-1].all()

    state = (jnp.asarray(0), low, high, start, high - low, jnp.zeros(low.shape, bool))
    return jax.lax.while_loop(going, refine, state)[3]


def _normal_cdf(z: Array) -> Array:
    # Exact to the rounding of numbers near one; a third of the time of `ndtr`, which is also exact
    # relative to the tiny tail probabilities.
    return 0.5 * (1 + jax.scipy.special.erf(z * 0.7071067811865476))
