r"""Expected sufficient statistics of the stochastic network: the E-step's whole result.

Given the features `phi_t = [f(x_{t-1}); u_t; 1]` and `psi_t = [f(x_t); u_t; 1]` the network is linear
in its parameters (paper, section 3.2), so the M-step needs only

    sum E[phi phi'],  sum E[x_t phi'],  sum E[x_t x_t']           (transition)
    sum E[psi psi'],  sum E[y_t psi'],  sum E[y_t y_t']           (observation)

and the moments of `x_1`. They add up over time and over series.

Missing entries are completed by their conditional moments given the particle and the entries that
were seen. With `W` the whitener of the observed entries, `K = R W'W`,

    y^ = K y + (I - K) V psi,      Cov = R - K R,

where `V = [C D d]` are the current weights: rows of `K` that belong to observed entries are unit
vectors, so what was observed stands as it is. Steps without any observation are left out.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekal.beliefs import Path
from rekal.filters.particle import ParticleFilter
from rekal.filters.recursion import run_filter
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.smoothers.backward import smooth_backward, trajectory_moments
from rekal.smoothers.marginal import smooth_marginal


class Regression(eqx.Module):
    """Moments of a linear regression of `target` on `features`, summed over `count` steps."""

    features: Float[Array, "*batch q q"]
    cross: Float[Array, "*batch p q"]
    targets: Float[Array, "*batch p p"]
    count: Float[Array, "*batch"]


class Statistics(eqx.Module):
    """What the E-step knows: two regressions and the moments of the initial state."""

    transition: Regression
    observation: Regression
    initial: Regression


def transition_weights(model: StochasticRNN) -> Float[Array, "states q"]:
    """`[A B c]`."""
    return jnp.concatenate([model.A, model.B, model.c[:, None]], 1)


def observation_weights(model: StochasticRNN) -> Float[Array, "obs q"]:
    """`[C D d]`."""
    return jnp.concatenate([model.C, model.D, model.d[:, None]], 1)


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
    path = run_filter(algorithm, values, mask, inputs, None, filter_key)
    x, hidden = path.x, model.f(path.x)
    if trajectories is None:
        smoothed = smooth_marginal(model, path, inputs, None, valid, x, hidden)
    else:
        x = smooth_backward(
            model, path, inputs, None, valid, trajectories, smoother_key, method="mcmc"
        )
        hidden = model.f(x)
        smoothed = trajectory_moments(x, hidden, valid)
    live = valid.astype(x.dtype)
    v = smoothed.weights * live[:, None]

    def moments(features: Array) -> tuple[Array, Array]:
        """Per-step first and second moments of `[features; u; 1]`."""
        first = jnp.einsum("tn,tnq->tq", v, features)
        second = jnp.einsum("tnq,tnr->tqr", v[..., None] * features, features)
        tail = live[:, None] if inputs is None else jnp.c_[inputs * live[:, None], live]
        side = first[:, :, None] * tail[:, None, :]
        corner = tail[:, :, None] * tail[:, None, :]
        full = jnp.concatenate(
            [jnp.concatenate([second, side], 2), jnp.concatenate([side.mT, corner], 2)], 1
        )
        return jnp.concatenate([first, tail], 1), full

    mean_x = jnp.einsum("tn,tns->ts", v, x)
    second_x = jnp.einsum("tns,tnr->sr", v[1:, :, None] * x[1:], x[1:])
    # phi_t pairs the hidden units at t-1 with the input at t.
    before = (v[:-1] * live[1:, None], hidden[:-1])
    hidden_first = jnp.einsum("tn,tns->ts", *before)
    hidden_second = jnp.einsum("tns,tnr->sr", before[0][..., None] * before[1], before[1])
    tail = live[1:, None] if inputs is None else jnp.c_[inputs[1:] * live[1:, None], live[1:]]
    side = hidden_first.T @ tail
    transition = Regression(
        features=jnp.block([[hidden_second, side], [side.T, tail.T @ tail]]),
        cross=jnp.concatenate([smoothed.pair_moment, mean_x[1:].T @ tail], 1),
        targets=second_x,
        count=live[1:].sum(),
    )

    psi_first, psi_second = moments(x if model.linear_observation else hidden)
    observation = _observation(model, algorithm, values, mask, inputs, psi_first, psi_second)
    first_x = v[0] @ x[0]
    initial = Regression(
        features=jnp.ones((1, 1), x.dtype),
        cross=first_x[:, None],
        targets=(v[0][:, None] * x[0]).T @ x[0],
        count=jnp.ones((), x.dtype),
    )
    return Statistics(transition, observation, initial), path


def _observation(
    model: StochasticRNN,
    algorithm: ParticleFilter,
    values: Array,
    mask: Array,
    inputs: Array | None,
    first: Array,
    second: Array,
) -> Regression:
    """The observation regression, with missing entries completed."""
    seen = mask.any(1).astype(first.dtype)
    first, second = first * seen[:, None], second * seen[:, None, None]
    whitener = algorithm.encode(values, mask, inputs).whitener
    K = model.R @ (whitener.mT @ whitener)
    a = jnp.einsum("tpq,tq->tp", K, jnp.where(mask, values, 0.0))
    rest = jnp.eye(model.observations, dtype=a.dtype) - K
    B = rest @ observation_weights(model)
    a_first = a[:, :, None] * first[:, None, :]
    B_second = B @ second
    cross_B = a_first @ B.mT
    targets = (a * seen[:, None])[:, :, None] * a[:, None, :] + cross_B + cross_B.mT
    targets = targets + B_second @ B.mT + (rest @ model.R) * seen[:, None, None]
    return Regression(
        features=second.sum(0),
        cross=(a_first + B_second).sum(0),
        targets=targets.sum(0),
        count=seen.sum(),
    )
