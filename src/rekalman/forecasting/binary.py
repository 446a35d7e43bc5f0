r"""Statistics of pixels that are on (1) or off (0), as mixtures.

With components of probability $p_i$ a pixel is on with $p = \sum_i w_i p_i$.

Arguments are those of the statistics of Gaussian mixtures (`rekalman.core.mixtures`), whose means are the
probabilities here, and whose variances are not used: they are $p_i (1 - p_i)$.
"""

from __future__ import annotations

from jaxtyping import Float

from rekalman.core.mixtures import mixture_mean
from rekalman.numerics.placing import AnyArray, namespace, special


def binary_cdf(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """0 below 0, the probability of off from there to 1, then 1."""
    xp, p = namespace(y, means), mixture_mean(means, log_weights)
    return xp.where(y < 0, 0.0, xp.where(y < 1, 1 - p, 1.0))


def binary_quantile(
    q: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """0 up to the probability of off, then 1."""
    p = mixture_mean(means, log_weights)
    return (q > 1 - p).astype(p.dtype)


def binary_log_density(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """Log probability of `y` in nats; a grey `y` counts as the cross-entropy with it.

    Probabilities that were rounded to 0 or 1 count as the nearest ones, so that no surprise is infinite.
    """
    xp, functions = namespace(y, means), special(means)
    p = mixture_mean(means, log_weights)
    eps = xp.finfo(p.dtype).eps
    p = xp.clip(p, eps, 1 - eps)
    return functions.xlogy(y, p) + functions.xlog1py(1 - y, -p)


def binary_crps(
    y: Float[AnyArray, "*lead"],
    means: Float[AnyArray, "*lead components"],
    var: Float[AnyArray, "*#lead #components"],
    log_weights: Float[AnyArray, "*#lead components"],
) -> Float[AnyArray, "*lead"]:
    """`E|X - y| - E|X - X'| / 2`: the squared error of the probability where `y` is 0 or 1."""
    xp, p = namespace(y, means), mixture_mean(means, log_weights)
    return p * xp.abs(1 - y) + (1 - p) * xp.abs(y) - p * (1 - p)
