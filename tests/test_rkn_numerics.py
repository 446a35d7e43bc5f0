"""The Recurrent Kalman Network in numbers: banded products, definite covariances, two ways to scan."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import naive_rkn as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rkn_cases import random_rkn, random_series, run

from rekalman.networks.beliefs import Evidence
from rekalman.networks.rkn.banded import Moments, propagate, pull_back

BATCH = 2
SEEDS = st.integers(0, 2**32 - 1)
SIZES = ((1, 0), (4, 0), (4, 1), (5, 2), (4, 3))  # latent size and bandwidth, the last one full

propagated, pulled = jax.jit(propagate), jax.jit(pull_back)
derived = jax.jit(lambda blocks, x, g: jax.vjp(propagate, blocks, x)[1](g))


@pytest.fixture(scope="module", autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def random_moments(rng, latent):
    """A belief of each series: means and three diagonals of a random covariance."""
    roots = rng.normal(size=(BATCH, latent, 2, 2)) * 10.0 ** rng.uniform(-3, 3, (BATCH, 1, 1, 1))
    blocks = roots @ roots.swapaxes(-1, -2)
    parts = (
        *rng.normal(size=(2, BATCH, latent)),
        blocks[..., 0, 0],
        blocks[..., 1, 1],
        blocks[..., 0, 1],
    )
    return Moments(*(jnp.asarray(part) for part in parts))


@pytest.mark.parametrize(("latent", "bandwidth"), SIZES)
@given(seed=SEEDS)
def test_banded_products_are_those_of_dense_matrices(latent, bandwidth, seed):
    """`A m` and the diagonals of `A S A'`, and their cotangents."""
    rng = np.random.default_rng(seed)
    shape = (BATCH, 4, 2 * bandwidth + 1, latent)
    blocks, x = jnp.asarray(rng.normal(size=shape)), random_moments(rng, latent)
    result = propagated(blocks, x)
    for i in range(BATCH):
        p, q, *cov = (np.asarray(part)[i] for part in x)
        A = naive.dense(np.asarray(blocks)[i])
        full = A @ naive.covariance(*cov) @ A.T
        expected = (*np.split(A @ np.r_[p, q], 2), *naive.diagonals_of(full))
        for one, other in zip(result, expected, strict=True):
            size = np.abs(full).max() + 1
            np.testing.assert_allclose(one[i], other, atol=1e-12 * size)
    g = random_moments(rng, latent)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12 * np.abs(b).max(initial=1)),
        pulled(blocks, x, g),
        derived(blocks, x, g),
    )


def stubborn(latent, noise):
    """A network of transitions that do not grow but make covariances nearly singular, in float32."""
    rng = np.random.default_rng(0)
    layer = random_rkn(latent, bases=6, bandwidth=latent - 1, positive_map="exp")
    eye = np.eye(latent)
    turns = [np.linalg.qr(rng.normal(size=(2 * latent, 2 * latent)))[0] for _ in range(3)]
    squeezes = [
        np.kron(two, eye) for two in ([[1, 1], [0, 1]], [[1, 1], [1, 1]], [[1, 5], [0, 0.1]])
    ]
    bases = np.zeros(layer.bases.shape)
    for k, A in enumerate((*turns, *squeezes)):
        blocks = (A / np.linalg.norm(A, 2)).reshape(2, latent, 2, latent).swapaxes(1, 2)
        for i, j in np.ndindex(latent, latent):
            bases[k, :, j - i + latent - 1, i] = blocks.reshape(4, latent, latent)[:, i, j]
    layer = eqx.tree_at(
        lambda each: (each.bases, each.coefficients.state, each.raw_noise),
        layer,
        (bases, 8 * rng.normal(size=(2 * latent, 6)), np.full((2, latent), np.log(noise))),
    )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), layer)


@pytest.mark.parametrize("noise", [0.1, 1e-6, 1e-12])
def test_covariances_stay_positive_definite_in_float32(noise):
    """Over 10,000 steps of random transitions, with gaps, observations nearly exact and nearly void."""
    latent, batch, steps = 3, 8, 10_000
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(batch, steps, latent))
    var = 10.0 ** rng.uniform(-12, np.where(np.arange(batch) < 4, 0, 12)[:, None, None], mean.shape)
    often = np.array([1, 0.9, 0.5, 0.02, 1, 0.9, 0.5, 0.02])
    seen = rng.random((batch, steps)) < often[:, None]
    track = run(stubborn(latent, noise), Evidence(mean, var, seen), prior=True)
    for belief in (track.prior, track.posterior):
        assert np.isfinite(belief.mean).all() and belief.mean.dtype == jnp.float32
        upper, lower, side = (np.float64(x) for x in (belief.upper, belief.lower, belief.side))
        assert (upper > 0).all() and (lower > 0).all()
        assert (upper * lower - side**2 > 0).all()
        assert max(upper.max(), lower.max()) < 30


def test_huge_numbers_stay_finite():
    """Means and variances far from one, and a coefficient network that is certain."""
    layer = random_rkn(2, bandwidth=1)
    (mean, var, seen), *_ = random_series(layer, steps=20)
    for scale in (1e-12, 1e12):
        data = Evidence(jnp.float32(scale * mean), jnp.float32(scale * var), seen)
        small = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), layer)
        track = run(small, data, prior=True)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(track))
        assert (track.posterior.upper > 0).all()


def test_serial_and_parallel_scans_are_the_same_in_float32():
    options = {"mixed_by": "encoder", "bandwidth": 0, "order": "update"}
    layers = [random_rkn(2, scan=scan, **options) for scan in ("serial", "parallel")]
    series = random_series(layers[0], steps=33)
    narrow = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)  # noqa: E731
    serial, parallel = (run(narrow(layer), *series, prior=True) for layer in layers)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)  # noqa: E731
    jax.tree.map(close, serial, parallel)
    assert serial.posterior.mean.dtype == jnp.float32
