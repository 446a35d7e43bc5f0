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
from rekal.models.linear import LinearGaussian
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


def transition_weights(model: StochasticRNN | LinearGaussian) -> Float[Array, "states q"]:
    """`[A B c]`."""
    return jnp.concatenate([model.A, model.B, model.c[:, None]], 1)


def observation_weights(model: StochasticRNN | LinearGaussian) -> Float[Array, "obs q"]:
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
    # All that is needed of the particles, step by step: the moments of x and of f(x).
    v = smoothed.weights
    E_h, E_hh = _moments(hidden, v)
    E_x, E_xx = _moments(x, v)

    # Transition: features at t-1 with the input at t, weighted by the law of x_{t-1}.
    live, moved = valid.astype(x.dtype), valid[1:].astype(x.dtype)
    tail = _tail(model, inputs, valid)
    transition = Regression(
        features=_beside(E_h[:-1], E_hh[:-1], tail[1:], moved),
        cross=jnp.concatenate([smoothed.pair_moment, (E_x[1:] * moved[:, None]).T @ tail[1:]], 1),
        targets=jnp.einsum("tij,t->ij", E_xx[1:], moved),
        count=moved.sum(),
    )
    initial = Regression(
        features=jnp.ones((1, 1), x.dtype),
        cross=live[0] * E_x[0][:, None],
        targets=live[0] * E_xx[0],
        count=jnp.ones((), x.dtype),
    )
    E_f, E_ff = (E_x, E_xx) if model.linear_observation else (E_h, E_hh)
    observation = _observation(model, algorithm, values, mask, inputs, (E_f, E_ff, tail))
    return Statistics(transition, observation, initial), path


def _moments(
    z: Float[Array, "steps particles n"], weights: Float[Array, "steps particles"]
) -> tuple[Float[Array, "steps n"], Float[Array, "steps n n"]]:
    """`E[z_t]` and `E[z_t z_t']` of every step."""
    weighted = z * weights[:, :, None]
    return weighted.sum(1), jnp.einsum("tni,tnj->tij", weighted, z)


def _tail(
    model: StochasticRNN, inputs: Array | None, valid: Bool[Array, " steps"]
) -> Float[Array, "steps tail"]:
    """`[u_t; 1]`, zero in the padding."""
    one = valid[:, None].astype(model.m.dtype)
    return one if inputs is None else jnp.concatenate([inputs * one, one], 1)


def _beside(
    mean: Float[Array, "steps n"],
    second: Float[Array, "steps n n"],
    tail: Float[Array, "steps other"],
    live: Float[Array, " steps"],
) -> Float[Array, "q q"]:
    """`sum_t E[z z']` of `z_t = [f_t; tail_t]`, from the moments of `f_t`."""
    cross = (mean * live[:, None]).T @ tail
    corner = (tail * live[:, None]).T @ tail
    return jnp.block([[jnp.einsum("tij,t->ij", second, live), cross], [cross.T, corner]])


def _observation(
    model: StochasticRNN,
    algorithm: ParticleFilter,
    values: Array,
    mask: Array,
    inputs: Array | None,
    features: tuple[Array, Array, Array],
) -> Regression:
    """The observation regression, every state with its own completed observation.

    With `y^ = K y + G psi`, `G = (I - K) V`, all moments of `y^` follow from those of `psi`.
    """
    mean, second, tail = features
    seen = mask.any(1).astype(mean.dtype)
    whitener = algorithm.encode(values, mask, inputs).whitener
    K = model.R @ (whitener.mT @ whitener)
    rest = jnp.eye(model.observations, dtype=mean.dtype) - K
    known = jnp.einsum("tpq,tq->tp", K, jnp.where(mask, values, 0.0))
    G = rest @ observation_weights(model)
    psi = jnp.concatenate([mean, tail], 1)
    # E[psi G'] of each step: the rows of f, then those of the tail.
    both = jnp.einsum("tp,tr->tpr", mean, tail)
    rows = jnp.concatenate([second, both], 2), jnp.einsum("tr,tq->trq", tail, psi)
    spread = jnp.einsum("tiq,tpq->tip", jnp.concatenate(rows, 1), G)
    guess = jnp.einsum("tpq,tq->tp", G, psi)
    cross = known[:, :, None] * psi[:, None, :] + spread.mT
    known_guess = jnp.einsum("tp,tq->tpq", known, guess)
    targets = known[:, :, None] * known[:, None, :] + known_guess + known_guess.mT
    targets = targets + jnp.einsum("tpq,tqr->tpr", G, spread) + rest @ model.R
    return Regression(
        features=_beside(mean, second, tail, seen),
        cross=jnp.einsum("tpq,t->pq", cross, seen),
        targets=jnp.einsum("tpq,t->pq", targets, seen),
        count=seen.sum(),
    )
