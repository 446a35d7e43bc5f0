r"""One-dimensional Gaussian mixtures: density, distribution, quantiles.

A cloud of particles seen through Gaussian observation noise is the mixture

    F(y) = sum_i w_i Phi((y - mu_i) / s_i),

so a forecast has a smooth distribution even with a hundred particles. The last axis is always that
of the components; means, variances and log weights broadcast against each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from rekalman.numerics.placing import AnyArray, namespace, special, while_loop

LOG_2PI = 1.8378770664093453


def mixture_mean(
    means: Float[AnyArray, "*lead components"], log_weights: Float[AnyArray, "*#lead components"]
) -> Float[AnyArray, "*lead"]:
    """Mean `sum w mu`."""
    return (namespace(log_weights).exp(log_weights) * means).sum(-1)


def mixture_var(
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """Variance: the mean of the variances plus the variance of the means."""
    centred = means - mixture_mean(means, log_weights)[..., None]
    return (namespace(log_weights).exp(log_weights) * (centred**2 + var)).sum(-1)


def mixture_cdf(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """Distribution function `F(y)`, which is also the PIT of the observation `y`."""
    xp = namespace(y, means)
    z = (y[..., None] - means) / xp.sqrt(var)
    return xp.clip((xp.exp(log_weights) * _normal_cdf(z)).sum(-1), 0.0, 1.0)


def mixture_log_density(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """Log density at `y`, in nats."""
    z2 = (y[..., None] - means) ** 2 / var
    logs = log_weights - 0.5 * (z2 + namespace(var).log(var) + LOG_2PI)
    return special(logs).logsumexp(logs, axis=-1)


def mixture_quantile(
    q: Float[AnyArray, "*#lead"] | int | float,
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
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
    xp = namespace(means)
    sd = xp.sqrt(var)
    normal = special(means).ndtri(xp.asarray(q, means.dtype))
    ends = means + sd * normal[..., None]
    low, high = ends.min(-1), ends.max(-1)
    weights = xp.exp(log_weights)
    start = mixture_mean(means, log_weights)
    start = start + xp.sqrt(mixture_var(means, var, log_weights)) * normal
    start = xp.clip(start, low, high)
    eps = np.finfo(means.dtype).eps
    tolerance = 2 * eps * (xp.abs(low) + xp.abs(high) + sd.max(-1))

    def refine(state: tuple[Any, ...]) -> tuple[Any, ...]:
        count, low, high, x, before, _ = state
        z = (x[..., None] - means) / sd
        gap = (weights * _normal_cdf(z)).sum(-1) - q
        slope = (weights / sd * xp.exp(-0.5 * (z * z + LOG_2PI))).sum(-1)
        low, high = xp.where(gap < 0, x, low), xp.where(gap < 0, high, x)
        newton = x - gap / xp.where(slope > 0, slope, 1.0)
        trusted = (slope > 0) & (newton > low) & (newton < high)
        trusted &= xp.abs(newton - x) <= 0.5 * xp.abs(before)
        result = xp.abs(gap) <= 4 * eps  # F itself is no more exact than that
        following = xp.where(result, x, xp.where(trusted, newton, 0.5 * (low + high)))
        step = following - x
        return count + 1, low, high, following, step, xp.abs(step) <= tolerance

    def going(state: tuple[Any, ...]) -> Any:
        return (state[0] < 100) & ~state[-1].all()

    state = (xp.asarray(0), low, high, start, high - low, xp.zeros(low.shape, bool))
    return while_loop(xp, going, refine, state)[3]


def _normal_cdf(z: AnyArray) -> AnyArray:
    # Exact to the rounding of numbers near one; a third of the time of `ndtr`, which is also exact
    # relative to the tiny tail probabilities.
    return 0.5 * (1 + special(z).erf(z * 0.7071067811865476))
