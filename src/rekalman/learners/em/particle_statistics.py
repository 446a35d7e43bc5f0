r"""The E-step of the stochastic network with particles (Unkelbach et al. 2009, eq. 14-20).

Every series is filtered and smoothed, and the moments of `x_t` and `f(x_t)` are sums over weighted particles.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.core.beliefs import Path
from rekalman.filters.particle import ParticleFilter, Proposal
from rekalman.learners.batch import Batch
from rekalman.learners.em.statistics import Moments, Statistics, collected
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.smoothers.backward import smooth_backward, trajectory_moments
from rekalman.smoothers.marginal import smooth_marginal

Inference = tuple[int, Proposal, int | None]


@eqx.filter_jit
def e_step(
    model: StochasticRNN, options: Inference, batch: Batch, key: PRNGKeyArray
) -> tuple[Statistics, Float[Array, ""]]:
    """Statistics summed over all series, and the log-likelihood.

    Args:
        model: the current parameters.
        options: number of particles, proposal, and number of trajectories (None: marginal smoother).
        batch: the series.
        key: the randomness.
    """
    particles, proposal, trajectories = options
    filtering = ParticleFilter(model, particles, proposal)
    keys = jax.random.split(key, batch.values.shape[0])

    def one(row: tuple[Batch, PRNGKeyArray]) -> tuple[Statistics, Array]:
        series, key = row
        statistics, path = expected_statistics(
            model,
            filtering,
            series.values,
            series.mask,
            series.inputs,
            series.valid,
            key,
            trajectories,
        )
        return statistics, path.log_likelihood

    each, log_likelihood = jax.lax.map(one, (batch, keys))
    return jax.tree.map(lambda leaf: leaf.sum(0), each), log_likelihood.sum()


def expected_statistics(
    model: StochasticRNN,
    algorithm: ParticleFilter,
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    inputs: Float[Array, "steps input"] | None,
    valid: Bool[Array, " steps"],
    key: PRNGKeyArray,
    trajectories: int | None = None,
) -> tuple[Statistics, Path]:
    """Filter and smooth one series and collect the statistics.

    Args:
        model: the current parameters.
        algorithm: the filter of that model.
        values: standardised observations.
        mask: True where observed.
        inputs: known inputs, or None.
        valid: False on the padding at the end.
        key: randomness of the filter and the smoother.
        trajectories: None smooths marginally, in O(N^2) a step; a number draws so many trajectories
            by backward simulation with Metropolis steps, in O(N) a step.
    """
    filter_key, smoother_key = jax.random.split(key)
    path = algorithm.run(values, mask, inputs, None, filter_key)
    x, hidden = path.x, model.f(path.x)
    if trajectories is None:
        smoothed = smooth_marginal(model, path, inputs, None, valid, x, hidden)
    else:
        x = smooth_backward(
            model, path, inputs, None, valid, trajectories, smoother_key, method="mcmc"
        )
        hidden = model.f(x)
        smoothed = trajectory_moments(x, hidden, valid)
    # All that is needed of the particles, step by step: the moments of x and of f(x).
    v = smoothed.weights
    hidden, positions = _moments(hidden, v), _moments(x, v)
    known = Moments(
        state=positions,
        before=(hidden[0][:-1], hidden[1][:-1]),
        pair=smoothed.pair_moment,
        output=positions if model.linear_observation else hidden,
    )
    whitener = algorithm.encode(values, mask, inputs).whitener
    return collected(model, known, whitener, values, mask, inputs, valid), path


def _moments(
    z: Float[Array, "steps particles n"], weights: Float[Array, "steps particles"]
) -> tuple[Float[Array, "steps n"], Float[Array, "steps n n"]]:
    """`E[z_t]` and `E[z_t z_t']` of every step."""
    weighted = z * weights[:, :, None]
    return weighted.sum(1), jnp.einsum("tni,tnj->tij", weighted, z)
