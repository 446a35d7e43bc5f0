r"""Expected sufficient statistics of a network: the E-step's whole result, whatever smoothed the states.

Given the features `phi_t = [f(x_{t-1}); u_t; 1]` and `psi_t = [f(x_t); u_t; 1]` the network is linear
in its parameters (paper, section 3.2), so the M-step needs only

    sum E[phi phi'],  sum E[x_t phi'],  sum E[x_t x_t']           (transition)
    sum E[psi psi'],  sum E[y_t psi'],  sum E[y_t y_t']           (observation)

and the moments of `x_1`. They add up over time and over series.

Missing entries are completed by their conditional moments given the state and the entries that
were seen. With `W` the whitener of the observed entries, `K = R W'W`,

    y^ = K y + (I - K) V psi,      Cov = R - K R,

where `V = [C D d]` are the current weights: rows of `K` that belong to observed entries are unit
vectors, so what was observed stands as it is. Steps without any observation are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.models.gaussian import GaussianModel


class Residual(eqx.Module):
    """Moments of `e = target - W features`, `W` being the current weights."""

    cross: Float[Array, "*batch p q"]
    targets: Float[Array, "*batch p p"]


class Regression(eqx.Module):
    """Moments of a linear regression of `target` on `features`, summed over `count` steps.

    Attributes:
        features: `sum E[phi phi']`.
        cross: `sum E[y phi']`.
        targets: `sum E[y y']`.
        count: number of steps.
        residual: moments of the residuals under the current weights, where they were summed apart.
    """

    features: Float[Array, "*batch q q"]
    cross: Float[Array, "*batch p q"]
    targets: Float[Array, "*batch p p"]
    count: Float[Array, "*batch"]
    residual: Residual | None = None


class Statistics(eqx.Module):
    """What the E-step knows: two regressions and the moments of the initial state."""

    transition: Regression
    observation: Regression
    initial: Regression


def transition_weights(model: GaussianModel) -> Float[Array, "states q"]:
    """`[A B c]`, or `[A H B c]` of a network with kernels."""
    return _joined(model, model.transition_blocks)


def observation_weights(model: GaussianModel) -> Float[Array, "obs q"]:
    """`[C D d]`, or `[C G D d]` of a network with kernels."""
    return _joined(model, model.observation_blocks)


def _joined(model: GaussianModel, names: tuple[str, ...]) -> Array:
    blocks = [getattr(model, name) for name in names]
    return jnp.concatenate([b if b.ndim == 2 else b[:, None] for b in blocks], 1)


class Moments(NamedTuple):
    """What the statistics need of the smoothed states of one series.

    Attributes:
        state: `E x_t` and `E x_t x_t'`.
        before: the same for the transition's features of the state, of all steps but the last.
        pair: the sum over the real steps of `E x_t z_{t-1}'`, `z` being those features.
        output: first and second moments of the observation's features of the state.
    """

    state: tuple[Float[Array, "steps n"], Float[Array, "steps n n"]]
    before: tuple[Float[Array, "moves q"], Float[Array, "moves q q"]]
    pair: Float[Array, "n q"]
    output: tuple[Float[Array, "steps r"], Float[Array, "steps r r"]]


def collected(
    model: GaussianModel,
    known: Moments,
    whitener: Float[Array, "steps obs obs"],
    values: Float[Array, "steps obs"],
    mask: Bool[Array, "steps obs"],
    inputs: Float[Array, "steps input"] | None,
    valid: Bool[Array, " steps"],
) -> Statistics:
    """The statistics of one series, whatever smoothed it.

    Args:
        model: the current parameters.
        known: moments of the smoothed states.
        whitener: `W` of every step (see the module text).
        values: observations.
        mask: True where observed.
        inputs: known inputs, or None.
        valid: False on the padding at the end.
    """
    E_x, E_xx = known.state
    # Transition: features at t-1 with the input at t, weighted by the law of x_{t-1}.
    live, moved = valid.astype(E_x.dtype), valid[1:].astype(E_x.dtype)
    tail = _tail(model, inputs, valid)
    transition = Regression(
        features=_beside(*known.before, tail[1:], moved),
        cross=jnp.concatenate([known.pair, (E_x[1:] * moved[:, None]).T @ tail[1:]], 1),
        targets=jnp.einsum("tij,t->ij", E_xx[1:], moved),
        count=moved.sum(),
    )
    initial = Regression(
        features=jnp.ones((1, 1), E_x.dtype),
        cross=live[0] * E_x[0][:, None],
        targets=live[0] * E_xx[0],
        count=jnp.ones((), E_x.dtype),
    )
    observation = _observation(model, whitener, values, mask, (*known.output, tail))
    return Statistics(transition, observation, initial)


def _tail(
    model: GaussianModel, inputs: Array | None, valid: Bool[Array, " steps"]
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
    model: GaussianModel,
    whitener: Array,
    values: Array,
    mask: Array,
    features: tuple[Array, Array, Array],
) -> Regression:
    """The observation regression, every state with its own completed observation.

    With `y^ = K y + G psi`, `G = (I - K) V`, all moments of `y^` follow from those of `psi`.
    """
    mean, second, tail = features
    seen = mask.any(1).astype(mean.dtype)
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
