"""The Gaussian whose quantiles are the means of those of others (formulas: `combined.py`)."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.core.distribution import Distribution
from rekalman.core.gaussian import Gaussian

KNOWN = 1e6
"""Standard deviation of standardised data above which a member knows nothing."""


def averaged(members: tuple[Distribution, ...], weights: Float[Array, " members"]) -> Gaussian:
    """The Gaussian whose quantiles are the weighted means of those of the members.

    Args:
        members: distributions of the same vectors.
        weights: one for each, above 0, with sum 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.core.gaussian import DiagonalGaussian
        >>> from rekalman.filters.averaged import averaged
        >>> narrow = DiagonalGaussian(jnp.zeros(1), jnp.ones(1))
        >>> broad = DiagonalGaussian(jnp.ones(1), 9 * jnp.ones(1))
        >>> both = averaged((narrow, broad), jnp.array([0.5, 0.5]))
        >>> both.mean.tolist(), both.var.tolist()
        ([0.5], [4.0])
    """
    mean = jnp.stack([each.mean for each in members])
    std = jnp.stack([jnp.sqrt(each.var) for each in members])
    known = std < KNOWN
    share = jnp.where(known, weights.reshape(-1, *[1] * (mean.ndim - 1)), 0.0)
    total = share.sum(0)
    share = share / jnp.where(total > 0, total, 1.0)
    mean = jnp.where(known, share * mean, 0.0).sum(0)
    deviation = jnp.where(total > 0, jnp.where(known, share * std, 0.0).sum(0), 1.0)
    if mean.shape[-1] == 1:
        return Gaussian(mean, (deviation * deviation)[..., None])
    correlation, apart = 0.0, jnp.eye(mean.shape[-1], dtype=mean.dtype)
    for each, s, w in zip(members, std, weights, strict=True):
        both = (s < KNOWN)[..., :, None] & (s < KNOWN)[..., None, :]
        scale = jnp.where(s > 0, s, 1.0)
        one = each.cov / (scale[..., :, None] * scale[..., None, :])
        # What a member does not know it takes for uncorrelated: a mean of correlation matrices is one.
        correlation = correlation + w * jnp.where(both, one, apart)
    same = jnp.eye(mean.shape[-1], dtype=bool)
    correlation = jnp.where(same, 1.0, correlation)
    return Gaussian(mean, deviation[..., :, None] * correlation * deviation[..., None, :])


def shares_in_words(names: Iterable[str], weights: Iterable[float]) -> list[str]:
    """Members with their weights, such as `linear (60 %)`.

    Examples:
        >>> from rekalman.filters.averaged import shares_in_words
        >>> shares_in_words(["linear", "rls"], [0.6, 0.4])
        ['linear (60 %)', 'rls (40 %)']
    """
    return [f"{name} ({100 * weight:.0f} %)" for name, weight in zip(names, weights, strict=True)]
