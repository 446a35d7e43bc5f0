r"""The log density of the priors of a linear model, which EM raises together with the log-likelihood.

For each of the three regressions `y = W x + e`, `e ~ N(0, V)` with `V = G S G'` (`support.py`) the prior of
`regression.py` has, up to a constant, the log density

    -1/2 tr S^{-1} (W - W0) Lambda (W - W0)' - k/2 [log|S| + tr S^{-1} S0 - log|S0| - r],

in the pivot rows of `W`; the constant is such that the second part is 0 at its mode `S = S0` and negative
elsewhere. Every iteration of EM raises the log-likelihood plus this (Dempster, Laird and Rubin 1977).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.learners.em.linear_maximise import Freedom, LinearConstraints, inverse_covariance
from rekalman.learners.em.maximise import Priors
from rekalman.learners.em.statistics import observation_weights, transition_weights
from rekalman.learners.likelihood.regression import RegressionPrior
from rekalman.models.linear import LinearGaussian


def log_prior(
    model: LinearGaussian, priors: Priors, constraints: LinearConstraints
) -> Float[Array, ""]:
    """The log density of the parameters in nats, 0 at the mode of the covariances."""
    return (
        _density(transition_weights(model), model.Q, priors.transition, constraints.transition)
        + _density(observation_weights(model), model.R, priors.observation, constraints.observation)
        + _density(model.m[:, None], model.P, priors.initial, constraints.initial)
    )


def _density(
    weights: Float[Array, "p q"],
    cov: Float[Array, "p p"],
    prior: RegressionPrior,
    freedom: Freedom,
) -> Float[Array, ""]:
    """The share of one regression."""
    support = freedom.support
    if not support.rank:
        return jnp.zeros((), cov.dtype)
    S, S0 = support.inner(cov), support.inner(prior.noise)
    K = inverse_covariance(S)
    change = (weights - prior.mean)[jnp.array(support.pivots)]
    ridge = -0.5 * (K * ((change * prior.precision) @ change.T)).sum()
    spread = jnp.linalg.slogdet(S)[1] - jnp.linalg.slogdet(S0)[1]
    spread = spread + (K * S0).sum() - support.rank
    # A mode or a covariance of zero has no density; EM leaves both where they are.
    counts = (prior.noise_weight > 0) & jnp.isfinite(spread)
    return ridge + jnp.where(counts, -0.5 * prior.noise_weight * spread, 0.0)
