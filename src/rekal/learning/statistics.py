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
from rekal.models.products import rows_times
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
    v = smoothed.weights * valid[:, None]

    # Transition: features at t-1 with the input at t, weighted by the law of x_{t-1}.
    tail = _tail(model, inputs, valid)
    before = _beside(hidden[:-1], tail[1:])
    mean_x = jnp.einsum("tn,tns->ts", v[1:], x[1:])
    transition = Regression(
        features=_second_moment(before, smoothed.weights[:-1] * valid[1:, None]),
        cross=jnp.concatenate([smoothed.pair_moment, mean_x.T @ tail[1:]], 1),
        targets=_second_moment(x[1:], v[1:]),
        count=valid[1:].sum().astype(x.dtype),
    )
    first_x = v[0] @ x[0]
    initial = Regression(
        features=jnp.ones((1, 1), x.dtype),
        cross=first_x[:, None],
        targets=(v[0][:, None] * x[0]).T @ x[0],
        count=jnp.ones((), x.dtype),
    )
    features = _beside(x if model.linear_observation else hidden, tail)
    observation = _observation(model, algorithm, values, mask, inputs, features, v)
    return Statistics(transition, observation, initial), path


def _tail(
    model: StochasticRNN, inputs: Array | None, valid: Bool[Array, " steps"]
) -> Float[Array, "steps tail"]:
    """`[u_t; 1]`, zero in the padding."""
    one = valid[:, None].astype(model.m.dtype)
    return one if inputs is None else jnp.concatenate([inputs * one, one], 1)


def _beside(
    each: Float[Array, "steps particles one"], shared: Float[Array, "steps other"]
) -> Float[Array, "steps particles both"]:
    """A function of every particle with what all particles of a step share."""
    spread = jnp.broadcast_to(shared[:, None, :], (*each.shape[:2], shared.shape[1]))
    return jnp.concatenate([each, spread], -1)


def _second_moment(
    z: Float[Array, "steps particles q"], weights: Float[Array, "steps particles"]
) -> Float[Array, "q q"]:
    """`sum_t E[z_t z_t']` as one matrix product over all steps and particles."""
    flat = z.reshape(-1, z.shape[-1])
    return (flat * weights.reshape(-1, 1)).T @ flat


def _observation(
    model: StochasticRNN,
    algorithm: ParticleFilter,
    values: Array,
    mask: Array,
    inputs: Array | None,
    features: Float[Array, "steps particles q"],
    v: Float[Array, "steps particles"],
) -> Regression:
    """The observation regression, every particle with its own completed observation."""
    seen = mask.any(1).astype(v.dtype)
    whitener = algorithm.encode(values, mask, inputs).whitener
    K = model.R @ (whitener.mT @ whitener)
    rest = jnp.eye(model.observations, dtype=v.dtype) - K
    known = jnp.einsum("tpq,tq->tp", K, jnp.where(mask, values, 0.0))
    guess = rows_times(features, observation_weights(model))
    completed = known[:, None, :] + jnp.einsum("tpq,tnq->tnp", rest, guess)
    q = features.shape[-1]
    moment = _second_moment(jnp.concatenate([features, completed], -1), v * seen[:, None])
    return Regression(
        features=moment[:q, :q],
        cross=moment[q:, :q],
        targets=moment[q:, q:] + jnp.einsum("tpq,qr,t->pr", rest, model.R, seen),
        count=seen.sum(),
    )
