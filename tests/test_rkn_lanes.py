"""Coordinates added to fill vector registers: nothing that is told or learned feels them."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rkn_cases import CASES, random_rkn, random_series

from rekalman.networks.beliefs import Evidence
from rekalman.networks.rkn import lanes as rkn_lanes
from rekalman.networks.rkn.layer import RKN


@pytest.mark.parametrize(
    ("latent", "length"),
    [(1, 1), (7, 7), (8, 8), (12, 12), (13, 16), (15, 16), (16, 16), (100, 100)],
)
def test_no_more_is_added_than_pays(latent, length):
    assert rkn_lanes.filled(latent) == length


@pytest.mark.parametrize("name", ["paper", "later code", "continuous", "encoder"])
def test_beliefs_and_gradients_are_those_without_them(name, monkeypatch):
    with jax.enable_x64(True):
        layer = random_rkn(**CASES[name], scan="serial")
        evidence, inputs, dt = random_series(layer)

        def loss(every):
            layer, mean, var, inputs, dt = every
            track = layer.run(
                Evidence(mean, var, jnp.asarray(evidence.seen)), inputs, dt, prior=True
            )
            leaves = jax.tree.leaves((track.posterior, track.prior))
            output = sum(
                jnp.sum(leaf * jnp.cos(jnp.arange(leaf.size).reshape(leaf.shape)))
                for leaf in leaves
            )
            return output, track

        every = jax.tree.map(jnp.asarray, (layer, evidence.mean, evidence.var, inputs, dt))
        result = []
        for more in (0, 2):
            monkeypatch.setattr(rkn_lanes, "filled", lambda latent, more=more: latent + more)
            result.append(eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))(every))
        for one, other in zip(*map(jax.tree.leaves, result), strict=True):
            assert one.shape == other.shape
            size = np.abs(one).max(initial=0)
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12 * size)


def test_long_steps_and_long_gaps_leave_them_finite():
    """The identity at any length; where a matrix is zero, Euler steps of such a length grow without end."""
    layer = RKN.create(13, turn=0.0, timed="continuous", key=jax.random.key(0))
    rng = np.random.default_rng(0)
    mean = jnp.asarray(rng.normal(size=(2, 300, 13)), jnp.float32)
    seen = jnp.arange(300) % 100 == 0
    evidence = Evidence(mean, jnp.ones_like(mean), jnp.broadcast_to(seen, (2, 300)))
    dt = jnp.full((2, 300), 5.0)

    def loss(layer, evidence):
        return layer.run(evidence, None, dt).posterior.spread.mean()

    output, slope = eqx.filter_jit(eqx.filter_value_and_grad(loss))(layer, evidence)
    assert np.isfinite(output)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))
    assert np.abs(slope.raw_noise).min() > 0
