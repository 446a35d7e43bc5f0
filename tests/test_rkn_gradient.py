"""The hand-written gradient of the Recurrent Kalman Network: against autodiff, differences, and in use."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rkn_cases import BATCH, TIME, case, part, random_rkn, run

from rekalman.networks.beliefs import Evidence
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import DenseEncoder
from rekalman.networks.network import Network
from rekalman.networks.rkn import cell as rkn_cell
from rekalman.networks.rkn.layer import RKN


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def close(one, other, **tolerance):
    """Equal trees, entries of which may have very different sizes."""

    def check(a, b):
        size = np.abs(b).max(initial=0)
        np.testing.assert_allclose(a, b, **{"rtol": 1e-9, "atol": 1e-12 * size, **tolerance})

    jax.tree.map(check, one, other)


def plain(dynamics, first, steps, want_prior):
    """What `scan_rkn` computes, with the gradient that JAX derives."""
    row = lambda t: jax.tree.map(lambda leaf: leaf[t], steps)  # noqa: E731
    begun = rkn_cell.update(first, *row(0)[1:])

    def step(x, entered):
        prior, _ = rkn_cell.predict(dynamics, x, entered.move)
        posterior = rkn_cell.update(prior, *entered[1:])
        return posterior, (posterior, prior)

    _, rest = jax.lax.scan(step, begun, row(slice(1, None)))
    posterior, prior = jax.tree.map(
        lambda one, path: jnp.concatenate([one[None], path]), (begun, first), rest
    )
    return posterior, prior if want_prior else None


def weighted(tree):
    """A sum of all entries with weights that differ."""
    leaves = jax.tree.leaves(tree)
    return sum(
        jnp.sum(leaf * jnp.cos(3.0 * k + jnp.arange(leaf.size).reshape(leaf.shape)))
        for k, leaf in enumerate(leaves)
    )


@functools.cache
def gradient(by, prior):
    """Of parameters, latent observations, their variances, inputs, time steps and the start."""

    def loss(every, seen):
        layer, mean, var, inputs, dt, start = every
        track = layer.run(Evidence(mean, var, seen), inputs, dt, start, prior)
        return weighted((track.posterior, track.prior))

    return eqx.filter_jit(eqx.filter_value_and_grad(loss))


def parts(name, scan="serial", steps=TIME, start=False):
    """What to differentiate by, and the mask."""
    layer, series = case(name, scan)
    (mean, var, seen), inputs, dt = part(series, np.s_[:, :steps])
    belief = eqx.filter_eval_shape(layer.init, (BATCH,)) if start else None
    rng = np.random.default_rng(2)
    belief = jax.tree.map(lambda leaf: 0.3 + 0.3 * rng.random(leaf.shape), belief)
    if start:
        belief = eqx.tree_at(lambda each: each.side, belief, 0.3 * rng.random(belief.side.shape))
    return jax.tree.map(jnp.asarray, (layer, mean, var, inputs, dt, belief)), seen


def derived(every, seen, monkeypatch, prior=True):
    """Value and gradient by autodiff."""
    with monkeypatch.context() as patch:
        patch.setattr("rekalman.networks.rkn.layer.scan_rkn", plain)
        return gradient("autodiff", prior)(every, seen)


@pytest.mark.parametrize(
    ("name", "prior", "start"), [("continuous", True, False), ("later code", False, True)]
)
def test_it_is_the_gradient_of_the_recursion(name, prior, start, monkeypatch):
    every, seen = parts(name, start=start)
    value, result = gradient("hand", prior)(every, seen)
    close((value, result), derived(every, seen, monkeypatch, prior))
    unused = result[0].raw_start if start else None
    used = [leaf for leaf in jax.tree.leaves(result) if leaf is not unused]
    assert all(np.any(leaf) for leaf in used if leaf.size)


def test_it_is_the_gradient_of_the_associative_scan():
    """Without band, mixed by the encoder: the same by autodiff through another algorithm."""
    (every, seen), (same, _) = (
        parts("separable", scan, steps=2, start=True) for scan in ("serial", "parallel")
    )
    result, expected = (gradient("hand", False)(each, seen) for each in (every, same))
    close(jax.tree.leaves(result), jax.tree.leaves(expected))


def test_it_is_the_limit_of_differences():
    every, seen = parts("continuous")
    both = gradient("hand", True)
    _, slope = both(every, seen)
    rng = np.random.default_rng(0)
    for _ in range(5):
        way = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), every)
        at = lambda h: both(jax.tree.map(lambda x, v: x + h * v, every, way), seen)[0]  # noqa: B023, E731
        expected = (at(1e-5) - at(-1e-5)) / 2e-5
        result = sum(jax.tree.leaves(jax.tree.map(lambda g, v: jnp.sum(g * v), slope, way)))
        np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_where_rounding_is_held_it_stays_that_of_the_recursion(monkeypatch):
    """Transitions that make both halves alike, hardly any noise: correlations come near one."""
    (layer, mean, var, inputs, dt, start), seen = parts("continuous")
    bases = np.zeros_like(layer.bases)
    bases[:, :, 1] = np.array([0.4, 0.5, 0.6])[:, None, None]
    new = (jnp.asarray(bases), jnp.full_like(layer.raw_noise, -40.0))
    layer = eqx.tree_at(lambda each: (each.bases, each.raw_noise), layer, new)
    dt = jnp.full_like(dt, layer.options.substeps)
    belief = run(layer, Evidence(mean, var, seen), inputs, dt, prior=True).prior
    correlation = belief.side / np.sqrt(belief.upper * belief.lower)
    assert (correlation < 1).all() and (correlation > 1 - 1.01 * rkn_cell.SURE).any()
    every = (layer, mean, var, inputs, dt, start)
    close(gradient("hand", True)(every, seen), derived(every, seen, monkeypatch), rtol=1e-6)


def test_entries_outside_the_matrix_have_none():
    every, seen = parts("continuous")
    layer, *rest = every
    value, (result, *_) = gradient("hand", True)(every, seen)
    m, b = layer.latent, layer.bases.shape[2] // 2
    column = np.arange(m) + np.arange(-b, b + 1)[:, None]
    outside = np.broadcast_to((column < 0) | (column >= m), layer.bases.shape)
    assert outside.sum() == layer.idle
    assert not result.bases[outside].any() and result.bases[~outside].all()
    other = eqx.tree_at(lambda each: each.bases, layer, jnp.where(outside, 1e6, layer.bases))
    assert gradient("hand", True)((other, *rest), seen)[0] == value


def test_what_is_behind_the_mask_poisons_none():
    every, seen = parts("continuous")
    layer, mean, var, *rest = every
    hidden = ~seen[..., None]
    _, expected = gradient("hand", True)(every, seen)
    for bad in (jnp.nan, jnp.inf, -1.0):
        spoilt = (layer, jnp.where(hidden, bad, mean), jnp.where(hidden, bad, var), *rest)
        _, result = gradient("hand", True)(spoilt, seen)
        jax.tree.map(np.testing.assert_array_equal, result, expected)
    assert not expected[1][~seen].any() and not expected[2][~seen].any()


def test_frames_of_nan_poison_none_of_a_network():
    keys = jax.random.split(jax.random.key(0), 2)
    layer = random_rkn(order="update", bandwidth=0)
    network = Network(
        DenseEncoder((4,), layer.latent, (5,), key=keys[0]),
        layer,
        GaussianHead(*layer.sizes, 2, (4,), key=keys[1]),
    )
    rng = np.random.default_rng(0)
    values, targets = rng.normal(size=(BATCH, TIME, 4)), jnp.ones((BATCH, TIME, 2))
    seen = rng.random((BATCH, TIME)) < 0.5
    slope = eqx.filter_jit(
        eqx.filter_grad(
            lambda network, values: (
                network.run(values, jnp.asarray(seen)).distribution.log_prob(targets).sum()
            )
        )
    )
    result = [slope(network, np.where(seen[..., None], values, other)) for other in (0.0, np.nan)]
    jax.tree.map(np.testing.assert_array_equal, *result)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result[0]))


class Mine(eqx.Module):
    """Somebody's own network around the layer."""

    into: eqx.nn.Linear
    layer: RKN
    out: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.into = eqx.nn.Linear(2, 6, key=keys[0])
        self.layer = RKN.create(3, bases=2, bandwidth=0, order="update", key=keys[1])
        self.out = eqx.nn.Linear(6, 1, key=keys[2])

    def __call__(self, x):
        mean, raw = jnp.split(jax.vmap(jax.vmap(self.into))(x), 2, -1)
        evidence = Evidence(mean, jax.nn.softplus(raw), jnp.ones(x.shape[:2], bool))
        return jax.vmap(jax.vmap(self.out))(self.layer.run(evidence).posterior.mean)


def test_in_a_network_of_ones_own_many_seeds_are_trained_at_once():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, TIME, 2)))
    loss = lambda network, x: jnp.mean((network(x)[..., 0] - x.sum(-1)) ** 2)  # noqa: E731
    shapes = eqx.filter_eval_shape(eqx.filter_vmap(Mine), jax.random.split(jax.random.key(1), 3))
    some = np.random.default_rng(1)
    several = jax.tree.map(
        lambda leaf: (
            jnp.asarray(0.3 * some.normal(size=leaf.shape), jnp.float32)
            if hasattr(leaf, "shape")
            else leaf
        ),
        shapes,
    )
    one = jax.tree.map(lambda leaf: leaf[1] if eqx.is_array(leaf) else leaf, several)
    together = eqx.filter_jit(
        eqx.filter_vmap(eqx.filter_grad(loss), in_axes=(eqx.if_array(0), None))
    )
    alone = eqx.filter_jit(eqx.filter_grad(loss))(one, x)
    close(
        jax.tree.map(lambda leaf: leaf[1], eqx.filter(together(several, x), eqx.is_array)),
        eqx.filter(alone, eqx.is_array),
        rtol=1e-4,
        atol=1e-6,
    )
