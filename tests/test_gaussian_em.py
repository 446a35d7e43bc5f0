"""EM with a Gaussian smoother: exact moments, exact statistics of linear models, runs that improve."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import random_linear, simulate_linear

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.em import EM
from rekalman.learners.em.gaussian_statistics import gaussian_e_step
from rekalman.learners.em.linear_statistics import linear_e_step
from rekalman.learners.em.quadrature import elementwise_moments
from rekalman.learners.em.rbf_moments import kernel_features, kernel_products
from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import Kernels, RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.simulation.models import simulate

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def plane(mean: np.ndarray, cov: np.ndarray, order: int = 60):
    """Points and weights of a dense product rule for a normal law in two dimensions."""
    a, w = np.polynomial.hermite_e.hermegauss(order)
    z = np.stack(np.meshgrid(a, a, indexing="ij"), -1).reshape(-1, 2)
    weight = np.outer(w, w).reshape(-1) / w.sum() ** 2
    return mean + z @ np.linalg.cholesky(cov).T, weight


MEAN, COV = np.array([0.4, -0.7]), np.array([[0.3, 0.12], [0.12, 0.2]])


def test_moments_of_hidden_units():
    x, w = plane(MEAN, COV)
    f = np.tanh(x)
    first, second, slope = jax.jit(
        lambda m, S: elementwise_moments(jnp.tanh, lambda x: 1 - jnp.tanh(x) ** 2, m, S)
    )(jnp.asarray(MEAN), jnp.asarray(COV))
    np.testing.assert_allclose(first, w @ f, atol=2e-6)
    np.testing.assert_allclose(second, (w[:, None] * f).T @ f, atol=5e-6)
    cross = (w[:, None] * (x - MEAN)).T @ f
    np.testing.assert_allclose(COV * np.asarray(slope), cross, atol=5e-6)


def kernels(count: int, z: int, seed: int) -> Kernels:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(count, z, z))
    spreads = roots @ roots.transpose(0, 2, 1) / z + 0.3 * np.eye(z)
    return Kernels(jnp.asarray(rng.normal(size=(count, z))), jnp.asarray(spreads))


def test_moments_of_kernels():
    """States under a Gaussian, a known input beside them: the closed forms against quadrature."""
    bumps, u = kernels(4, 3, 0), jnp.array([0.3])
    x, w = plane(MEAN, COV)
    z = np.concatenate([x, np.asarray(bumps(jnp.asarray(x), u))], 1)
    first, second, slope = jax.jit(
        lambda m, S: kernel_features(bumps, kernel_products(bumps), m, S, u)
    )(jnp.asarray(MEAN), jnp.asarray(COV))
    np.testing.assert_allclose(first, w @ z, atol=1e-9)
    np.testing.assert_allclose(second, (w[:, None] * z).T @ z, atol=1e-9)
    cross = (w[:, None] * (x - MEAN)).T @ z
    np.testing.assert_allclose(COV @ np.asarray(slope).T, cross, atol=1e-9)


@functools.cache
def linear_data() -> tuple[StochasticRNN, Batch]:
    network = random_linear(2, 2, 1, seed=3)
    y, mask, u = simulate_linear(network, 20, seed=4)
    assert u is not None
    valid = np.arange(20) < 17
    both = lambda a: jnp.stack([a, a])  # noqa: E731
    shown = both(mask).at[1].set(mask & valid[:, None])
    live = jnp.stack([jnp.ones(20, bool), jnp.asarray(valid)])
    return network, Batch(both(y), shown, both(u), live)


@pytest.mark.parametrize("kind", ["extended", "kernels"])
def test_statistics_of_a_linear_model_are_exact(kind):
    """Inputs, gaps and padding included; kernels without weight change nothing but add features."""
    network, batch = linear_data()
    blocks = {name: getattr(network, name) for name in BLOCKS}
    linear = LinearGaussian.create(**blocks)
    expected, value = jax.jit(lambda b: linear_e_step(linear, b, False, False))(batch)
    model, keep = network, list(range(4))
    if kind == "kernels":
        model = RBFNetwork.create(**blocks, kernels=kernels(2, 3, 1))
        keep = [0, 1, 4, 5]
    result, near = gaussian_e_step(model, "extended" if kind == "extended" else "unscented", batch)
    assert float(near) == pytest.approx(float(value), abs=1e-9)
    part = eqx.tree_at(
        lambda s: (s.transition.features, s.transition.cross),
        result,
        (result.transition.features[np.ix_(keep, keep)], result.transition.cross[:, keep]),
    )
    regressions = ("transition", "observation", "initial")
    # Residuals are summed apart for linear models only.
    plain = eqx.tree_at(
        lambda s: [getattr(s, name).residual for name in regressions], expected, [None] * 3
    )
    for a, b in zip(jax.tree.leaves(part), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)


@functools.cache
def oscillation() -> Batch:
    """A curved network with little noise, its observations only."""
    model = StochasticRNN.create(
        A=jnp.array([[1.0, 1.0], [-0.05, 0.98]]),
        C=jnp.array([[1.0, 0.0]]),
        Q=0.001 * jnp.eye(2),
        R=0.01 * jnp.eye(1),
        P=jnp.diag(jnp.array([0.2, 0.01])),
    )
    _, y = simulate(model, 128, jax.random.key(0), burn_in=50)
    return as_batch(Sequences.from_arrays(np.asarray(y)))


def test_the_likelihood_of_a_network_rises_to_that_of_particles():
    batch, start = oscillation(), StochasticRNN.init(2, 1, key=jax.random.key(1))
    learner = EM(smoother="gaussian", iterations=30, tolerance=0.0, average=1)
    result = learner.run(start, batch, key=jax.random.key(2))
    gains = np.diff(result.log_likelihood)
    assert result.log_likelihood[-1] > result.log_likelihood[0] + 50
    assert gains.min() > -1.0
    again = learner.run(start, batch, key=jax.random.key(3))
    np.testing.assert_array_equal(result.log_likelihood, again.log_likelihood)

    output = []
    particles = EM(particles=50, iterations=2, tolerance=0.0, warm_start=30)
    warm = particles.run(start, batch, key=jax.random.key(2), callback=output.append)
    assert len(warm.log_likelihood) == 2
    assert [p.iteration for p in output] == list(range(1, 33))
    assert output[0].iterations == 32
    np.testing.assert_allclose([p.log_likelihood for p in output[:30]], result.log_likelihood)
    assert warm.log_likelihood[0] == pytest.approx(result.log_likelihood[-1], abs=8)


def test_kernels_learn_a_curve():
    """A logistic-like map with noise: the kernels must do better than any linear model."""
    rng = np.random.default_rng(0)
    x, rows = 0.3, []
    for _ in range(200):
        rows.append(x + 0.02 * rng.normal())
        x = 1.0 - 1.5 * x**2 + 0.02 * rng.normal()
    y = np.array(rows)[:, None]
    batch = as_batch(Sequences.from_arrays((y - y.mean()) / y.std()))
    bumps = Kernels(jnp.linspace(-2, 2, 6)[:, None], jnp.full((6, 1, 1), 0.6))
    one = np.eye(1)
    start = RBFNetwork.create(0.1 * one, one, 0.3 * one, 0.05 * one, kernels=bumps)
    values = {}
    for name, freeze in (("kernels", ("c", "C", "R")), ("linear", ("c", "C", "R", "H"))):
        learner = EM(smoother="gaussian", iterations=25, tolerance=0.0, average=1, freeze=freeze)
        result = learner.run(start, batch, key=jax.random.key(0))
        values[name] = result.log_likelihood
        assert isinstance(result.model, RBFNetwork)
        assert np.diff(result.log_likelihood).min() > -2.0
        np.testing.assert_array_equal(result.model.C, start.C)
        assert bool(jnp.any(result.model.H != 0)) == (name == "kernels")
    assert values["kernels"][-1] > values["linear"][-1] + 40


def test_networks_of_kernels_are_models_like_any_other():
    model = RBFNetwork.init(2, 1, key=jax.random.key(0), kernels=3, inputs=1)
    x, u = jnp.array([[0.1, 0.2], [1.0, -1.0]]), jnp.array([0.5])
    model = eqx.tree_at(lambda m: m.H, model, jnp.ones((2, 3)))
    z = np.concatenate([np.asarray(x), np.full((2, 1), 0.5)], 1)
    gap = z[:, None] - np.asarray(model.kernels.centers)
    heights = np.exp(-0.5 * (gap**2).sum(-1))
    expected = 0.9 * np.asarray(x) + heights.sum(1, keepdims=True)
    np.testing.assert_allclose(model.transition_mean(x, u), expected, atol=1e-12)
    np.testing.assert_allclose(model.observation_mean(x), x @ model.C.T, atol=1e-12)


def test_what_is_refused():
    for change, sentence in (
        ({"warm_start": -1}, "warm_start must be at least 0"),
        ({"warm_start": 3, "smoother": "gaussian"}, "warm_start goes before particles"),
    ):
        with pytest.raises(RekalError, match=sentence):
            EM(**change)
    model = RBFNetwork.init(1, 1, key=jax.random.key(0), kernels=2)
    with pytest.raises(RekalError, match="smoother='gaussian'"):
        EM().run(model, oscillation(), key=jax.random.key(0))
    network = StochasticRNN.init(1, 1, key=jax.random.key(0))
    with pytest.raises(RekalError, match="there is no block 'H'"):
        EM(freeze=("H",)).run(network, oscillation(), key=jax.random.key(0))
    with pytest.raises(RekalError, match="radius must be positive"):
        RBFNetwork.init(1, 1, key=jax.random.key(0), radius=0.0)
    with pytest.raises(RekalError, match=r"need centers of shape \(kernels, 1\)"):
        RBFNetwork.create(np.eye(1), np.eye(1), np.eye(1), np.eye(1), kernels=kernels(2, 2, 0))
    for width, sentence in (
        (-1.0, "at kernel 0: its smallest eigenvalue is -1"),
        (0.0, "no width"),
    ):
        bad = Kernels(jnp.zeros((1, 1)), jnp.full((1, 1, 1), width))
        with pytest.raises(RekalError, match=f"spreads.*{sentence}"):
            RBFNetwork.create(np.eye(1), np.eye(1), np.eye(1), np.eye(1), kernels=bad)
    with pytest.raises(RekalError, match=r"H has shape \(1, 3\)"):
        RBFNetwork.create(np.eye(1), np.eye(1), np.eye(1), np.eye(1), H=np.ones((1, 3)))
