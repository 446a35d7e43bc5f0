"""A network that forecasts from every step: the same as its verbs, one step after the other."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import DenseEncoder
from rekalman.networks.forecaster import Forecaster, moves
from rekalman.networks.gru import GRU
from rekalman.networks.rkn.layer import RKN

BATCH, TIME, AHEAD, LATENT, TARGETS, INPUTS = 2, 5, 3, 3, 2, 1


def layer_of(kind, key):
    if kind == "RKN":
        return RKN.create(LATENT, inputs=INPUTS, bases=2, timed="coefficients", key=key)
    return GRU.create(LATENT, inputs=INPUTS, timed=True, key=key)


def network(kind):
    keys = jax.random.split(jax.random.key(1), 3)
    layer = layer_of(kind, keys[0])
    encoder = DenseEncoder((4,), LATENT, (5,), key=keys[1])
    decoder = GaussianHead(*layer.sizes, TARGETS, key=keys[2])
    return Forecaster(encoder, layer, decoder, ahead=AHEAD)


def data():
    rng = np.random.default_rng(2)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    seen = jnp.asarray(rng.random((BATCH, TIME)) < 0.7)
    return draw(BATCH, TIME, 4), seen, draw(BATCH, TIME, INPUTS), jnp.exp(draw(BATCH, TIME))


@pytest.mark.parametrize("kind", ["RKN", "GRU"])
def test_forecasts_are_those_of_the_verbs(kind):
    made, (values, seen, inputs, dt) = network(kind), data()
    output = eqx.filter_jit(made.run)(values, seen, inputs, dt).distribution
    assert output.mean.shape == output.var.shape == (BATCH, TIME, AHEAD * TARGETS)
    predict, observe = eqx.filter_jit(made.predict), eqx.filter_jit(made.observe)
    belief = made.init((BATCH,))
    for t in range(TIME):
        belief = predict(belief, inputs[:, t], dt[:, t]) if t else belief
        belief, _ = made.update(belief, made.encode(values[:, t], seen[:, t]))
        ahead, mean, var = belief, 0.0, 0.0
        for k in range(1, min(AHEAD + 1, TIME - t)):
            ahead = predict(ahead, inputs[:, t + k], dt[:, t + k])
            move = observe(ahead)
            mean, var = mean + move.mean, var + move.var
            part = np.s_[:, t, (k - 1) * TARGETS : k * TARGETS]
            np.testing.assert_allclose(output.mean[part], mean, rtol=2e-4, atol=1e-5)
            np.testing.assert_allclose(output.var[part], var, rtol=2e-4)


@pytest.mark.parametrize("kind", ["RKN", "GRU"])
def test_forecasts_see_nothing_of_the_future(kind):
    made, (values, seen, inputs, dt) = network(kind), data()
    run = eqx.filter_jit(made.run)
    one = run(values, seen, inputs, dt).distribution
    other = run(values.at[:, 3:].set(jnp.nan), seen.at[:, 3:].set(False), inputs, dt).distribution
    np.testing.assert_array_equal(one.mean[:, :3], other.mean[:, :3])


def test_moves():
    positions = np.random.default_rng(0).normal(size=(BATCH, TIME, TARGETS))
    positions[1, 3:] = np.nan
    result = np.asarray(moves(jnp.asarray(positions, jnp.float32), AHEAD))
    for b, t, k in np.ndindex(BATCH, TIME, AHEAD):
        after = positions[b, t + k + 1] if t + k + 1 < TIME else np.full(TARGETS, np.nan)
        wanted = after - positions[b, t]
        np.testing.assert_allclose(result[b, t, k * TARGETS : (k + 1) * TARGETS], wanted, atol=1e-6)


def test_a_forecaster_without_inputs():
    key = jax.random.key(0)
    made = dataclasses.replace(network("GRU"), layer=GRU.create(LATENT, key=key))
    values = data()[0]
    assert made.run(values).distribution.mean.shape == (BATCH, TIME, AHEAD * TARGETS)
