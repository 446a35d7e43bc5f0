"""Learning online from several streams side by side, which share their weights."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.step import Lanes
from rekalman.filters.learning.weights import Weights, weights_of


class Learned(NamedTuple):
    """What a pass over streams leaves.

    Attributes:
        weights: after the last row.
        update: what the update of the weights knows by then.
        errors: of each row before it was learned from, 0 where nothing was observed or predicted,
            `(steps, lanes, obs)`.
        log_density: of each row before it was learned from, in nats, `(steps, lanes)`.
        finite: whether every weight was finite after each step, `(steps,)`.
    """

    weights: Weights
    update: PyTree
    errors: Float[Array, "steps lanes obs"]
    log_density: Float[Array, "steps lanes"]
    finite: Bool[Array, " steps"]


class _Carry(NamedTuple):
    weights: Weights
    update: PyTree
    state: Float[Array, "lanes states"]
    memory: PyTree


@eqx.filter_jit
def learn_from_lanes(
    network: LearningNetwork,
    values: Float[Array, "lanes steps obs"],
    mask: Bool[Array, "lanes steps obs"],
    inputs: Float[Array, "lanes steps input"] | None = None,
    *,
    weights: Weights | None = None,
    update: PyTree = None,
    begins: Bool[Array, " steps"] | None = None,
    reset_every: int | None = None,
    key: PRNGKeyArray,
) -> Learned:
    """One pass over streams: predict, look, learn, step by step.

    As in the filter (`LearningNetwork`) the first row of a stream is not predicted. Where an entry is missing
    the network is shown its own prediction.

    Args:
        network: predictor, rule and update.
        values: in standardised units.
        mask: True where observed.
        inputs: known inputs.
        weights: to begin with; default those of the predictor.
        update: what the update knows to begin with; default nothing.
        begins: rows with which another series begins: they are not predicted either, and state and
            derivatives start anew; default the first row alone.
        reset_every: after so many rows the state and the derivatives start anew, with the next row; None =
            never.
        key: of rules that draw.
    """
    predictor, rule = network.predictor, network.rule
    lanes, steps = values.shape[:2]
    weights = weights_of(predictor) if weights is None else weights
    update = network.update_rule.start(weights, rule) if update is None else update
    fresh = jax.vmap(lambda key: rule.start(predictor, key))
    start = jnp.broadcast_to(predictor.start(), (lanes, predictor.states))

    def step(carry: _Carry, row: PyTree) -> tuple[_Carry, PyTree]:
        t, y, seen, u, begun = row
        weights, update, state, memory = carry
        predicted = seen & ~begun
        mean = jax.vmap(predictor.features_of)(state) @ weights.readout
        error = jnp.where(predicted, y - mean, 0.0)
        deviation = weights.log_deviation
        each = -0.5 * (jnp.log(2 * jnp.pi) + (error * jnp.exp(-deviation)) ** 2) - deviation
        density = jnp.where(predicted, each, 0.0).sum(-1)
        shown = jnp.where(seen, y, mean)
        weights, update, memory = network.update_rule.after(
            update, rule, predictor, weights, Lanes(state, shown, predicted, memory)
        )
        if reset_every is not None or begins is not None:
            anew = begun if reset_every is None else begun | (t % reset_every == 0)
            nothing = fresh(jax.random.split(jax.random.fold_in(key, t), lanes))
            state = jnp.where(anew, start, state)
            memory = jax.tree.map(lambda new, old: jnp.where(anew, new, old), nothing, memory)
        shown = shown if u is None else jnp.concatenate([shown, u], 1)
        state, moved = jax.vmap(lambda x, r: network.differentiated(weights, x, r))(state, shown)
        memory = jax.vmap(rule.after)(memory, moved)
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(weights)]).all()
        return _Carry(weights, update, state, memory), (error, density, finite)

    after = None if inputs is None else jnp.concatenate([inputs[:, 1:], inputs[:, :1]], 1)
    by_time = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), (values, mask, after))
    first = _Carry(weights, update, start, fresh(jax.random.split(key, lanes)))
    begun = jnp.arange(steps) == 0 if begins is None else begins.at[0].set(True)
    rows = (jnp.arange(steps), *by_time, begun)
    last, (errors, density, finite) = jax.lax.scan(step, first, rows)
    return Learned(last.weights, last.update, errors, density, finite)
