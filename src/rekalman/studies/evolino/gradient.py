"""Gated recurrent units trained by back-propagation through time, to compare with: all seeds at once."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from rekalman.learners.evolution.evolino import in_double
from rekalman.networks.gru import GRU
from rekalman.networks.predictors.recurrent import RecurrentPredictor

RATE = 1e-2
"""Of Adam at the beginning; it falls to zero as a cosine."""


def trained_networks(
    rows: Float[np.ndarray, "seeds batch steps obs"],
    inputs: Float[np.ndarray, "batch steps input"] | None,
    counted: Bool[np.ndarray, "batch steps"],
    *,
    units: int,
    updates: int,
    seeds: list[int],
    window: int | None = None,
) -> list[RecurrentPredictor]:
    """Networks with the least squared error one step ahead, one for each seed.

    Args:
        rows: standardised series of each seed.
        inputs: of each step, or None; then the network is given inputs alone, not the rows.
        counted: True for steps that count.
        units: of each network.
        updates: steps of Adam.
        seeds: of the first weights and of the windows.
        window: length of a stretch of the series for each update, eight at a time; None = all series whole.
    """
    columns, width = rows.shape[-1], 0 if inputs is None else inputs.shape[-1]
    with jax.enable_x64(False):
        keys = jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
        made = [
            RecurrentPredictor.create(
                GRU, columns, units=units, inputs=width, direct=inputs is None, key=key
            )
            for key in keys
        ]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
        drive = None if inputs is None else jnp.asarray(inputs, jnp.float32)
        data = (jnp.asarray(rows, jnp.float32), drive, jnp.asarray(counted))
        train = partial(_train, updates=updates, window=window)
        axes = (0, (0, None, None), 0)
        trained = eqx.filter_jit(eqx.filter_vmap(train, in_axes=axes))(stacked, data, keys)
        trained = jax.device_get(trained)
    with jax.enable_x64(True):  # they run freely in double precision
        return [
            in_double(jax.tree.map(lambda leaf, i=i: leaf[i], trained)) for i in range(len(seeds))
        ]


def _train(
    network: RecurrentPredictor,
    data: tuple[Array, Array | None, Array],
    key: Array,
    *,
    updates: int,
    window: int | None,
) -> RecurrentPredictor:
    adam = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(RATE, updates))
    )
    weights, rest = eqx.partition(network, eqx.is_inexact_array)

    def update(carry: tuple, key: Array) -> tuple[tuple, None]:
        weights, moments = carry
        part = data if window is None else _windows(data, key, window)
        slope = jax.grad(lambda each: one_step_error(eqx.combine(each, rest), *part))(weights)
        change, moments = adam.update(slope, moments, weights)
        return (optax.apply_updates(weights, change), moments), None

    keys = jax.random.split(key, updates)
    (weights, _), _ = jax.lax.scan(update, (weights, adam.init(weights)), keys)
    return eqx.combine(weights, rest)


def _windows(
    data: tuple[Array, Array | None, Array], key: Array, window: int
) -> tuple[Array, None, Array]:
    """Eight stretches of a series without inputs; its first quarter does not count."""
    rows, _, counted = data
    begins = jax.random.randint(key, (8,), 0, rows.shape[1] - window)
    cut = lambda leaf: jax.vmap(  # noqa: E731
        lambda begin: jax.lax.dynamic_slice_in_dim(leaf[0], begin, window)
    )(begins)
    return cut(rows), None, cut(counted) & (jnp.arange(window) >= window // 4)


def one_step_error(
    network: RecurrentPredictor, rows: Array, inputs: Array | None, counted: Array
) -> Array:
    """Mean squared error one step ahead over the steps that count."""
    said = one_step(network, rows, inputs)
    return jnp.where(counted[..., None], jnp.square(said - rows), 0).sum() / counted.sum()


def one_step(network: RecurrentPredictor, rows: Array, inputs: Array | None) -> Array:
    """What a network says of each row, from those before it; with inputs, from these alone."""

    def series(rows: Array, inputs: Array | None) -> Array:
        def step(state: Array, now: tuple[Array, Array | None]) -> tuple[Array, Array]:
            row, after = now
            return network.advance(state, row, after), network.output(state)

        if inputs is None:
            return jax.lax.scan(step, network.start(), (rows, None))[1]
        after = jnp.concatenate([inputs[1:], inputs[:1]])
        return jax.lax.scan(step, network.start(), (jnp.zeros_like(rows), after))[1]

    return jax.vmap(series)(rows, inputs)
