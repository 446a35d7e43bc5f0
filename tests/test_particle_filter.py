"""The particle filter against the joint Gaussian law, a quadrature, and itself."""

from __future__ import annotations

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import JointGaussian, random_linear, simulate_linear
from volatility import StochasticVolatility, on_grid

from rekalman.core.beliefs import Particles
from rekalman.filters.particle import ParticleFilter
from rekalman.foundation.errors import RekalError

filter_jit = jax.jit(ParticleFilter.run)


@functools.partial(jax.jit, static_argnames="runs")
def many_runs(algorithm, y, mask, u, runs: int):
    """Log-likelihood, filtered mean and variance of independent runs."""

    def one(key):
        path = algorithm.run(y, mask, u, None, key)
        return path.log_likelihood, path.mean, path.var

    return jax.lax.map(one, jax.random.split(jax.random.key(7), runs))


def agrees(estimates, exact, floor: float) -> None:
    """The mean over runs is within five standard errors (plus the O(1/N) bias) of the truth."""
    estimates = np.asarray(estimates, float)
    error = estimates.std(0) / np.sqrt(len(estimates))
    off = abs(estimates.mean(0) - exact)
    assert (off < 5 * error + floor).all(), (off / (5 * error + floor)).max()
    assert error.max() < 0.05  # otherwise the test would prove nothing


@pytest.mark.parametrize("proposal", ["bootstrap", "guided"])
@pytest.mark.parametrize(
    ("states", "obs", "inputs", "linear"),
    [(1, 1, 0, False), (2, 1, 1, True), (3, 2, 2, False)],
)
def test_filter_approaches_the_exact_law(proposal, states, obs, inputs, linear):
    model = random_linear(states, obs, inputs, seed=states, linear_observation=linear)
    y, mask, u = simulate_linear(model, 8, seed=1)
    joint = JointGaussian(model, y, mask, u)
    mean, cov = joint.filtered()
    var = np.stack([c.diagonal() for c in cov])
    particles = 1000
    algorithm = ParticleFilter(model, particles, proposal)
    log_likelihood, means, variances = many_runs(algorithm, y, mask, u, 40)
    # The likelihood itself is unbiased, for any number of particles (Del Moral 1996).
    ratio = np.exp(np.asarray(log_likelihood, float) - joint.log_likelihood())
    agrees(ratio, 1.0, floor=1e-3)
    agrees(means / np.sqrt(var), mean / np.sqrt(var), floor=10 / particles)
    agrees(variances / var, np.ones_like(var), floor=20 / particles)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_resampling_never_or_always_gives_the_same_likelihood(threshold):
    model = random_linear(1, 1, 0, seed=2)
    y, mask, u = simulate_linear(model, 5, seed=3)
    exact = JointGaussian(model, y, mask, u).log_likelihood()
    algorithm = ParticleFilter(model, 1000, "bootstrap", threshold)
    log_likelihood, _, _ = many_runs(algorithm, y, mask, u, 60)
    agrees(np.exp(np.asarray(log_likelihood, float) - exact), 1.0, floor=1e-3)


def test_guided_weights_of_a_linear_observation_ignore_the_draw():
    # Fully adapted: p(y_t | x_{t-1}) is what counts, wherever the particle lands.
    model = random_linear(2, 2, 1, seed=4, activation="tanh", linear_observation=True)
    y, mask, u = simulate_linear(model, 3, seed=5)
    evidence = model.encode(y[1], mask[1], u[1])
    origin = jax.random.normal(jax.random.key(0), (50, 2))
    gains = [
        model.propose(jax.random.normal(jax.random.key(k), (50, 2)), origin, evidence, u[1])[1]
        for k in (1, 2)
    ]
    np.testing.assert_allclose(*gains, atol=1e-4)
    C, Q, R, D, d = (np.asarray(getattr(model, s), float) for s in ("C", "Q", "R", "D", "d"))
    seen = np.asarray(mask[1])
    S = (C @ Q @ C.T + R)[np.ix_(seen, seen)]
    e = (np.asarray(y[1]) - model.transition_mean(origin, u[1]) @ C.T - D @ u[1] - d)[:, seen]
    exact = -0.5 * np.einsum("np,pq,nq->n", e, np.linalg.inv(S), e)
    exact -= 0.5 * np.linalg.slogdet(2 * np.pi * S)[1]
    np.testing.assert_allclose(gains[0], exact, atol=2e-4)


def test_guided_weights_of_a_curved_observation_correct_the_proposal():
    # E over the proposal of the importance weight is p(y_t | x_{t-1}), for any h.
    model = random_linear(2, 1, 0, seed=6, activation="tanh")
    y = jnp.asarray([0.8])
    evidence = model.encode(y, jnp.ones(1, bool), None)
    origin = jnp.broadcast_to(jnp.asarray([0.3, -0.5]), (400_000, 2))
    noise = jax.random.normal(jax.random.key(0), origin.shape)
    _, gain = model.propose(noise, origin, evidence, None)
    x = model.sample_transition(noise, origin, None)
    plain = jnp.exp(model.log_observation(evidence, x))
    guided = jnp.exp(gain)
    error = np.hypot(plain.std(), guided.std()) / np.sqrt(len(origin))
    assert abs(guided.mean() - plain.mean()) < 5 * error
    assert guided.std() < 0.7 * plain.std()  # what guiding is for


@pytest.mark.parametrize("proposal", ["bootstrap", "guided"])
@pytest.mark.parametrize("junk", [1e6, np.nan])
def test_missing_entries_change_nothing(proposal, junk):
    model = random_linear(2, 2, 0, seed=7, activation="tanh")
    y, mask, _ = simulate_linear(model, 12, seed=8)
    mask = mask.at[5].set(False)
    algorithm = ParticleFilter(model, 30, proposal)
    key = jax.random.key(0)
    one = filter_jit(algorithm, jnp.where(mask, y, 0.0), mask, None, None, key)
    two = filter_jit(algorithm, jnp.where(mask, y, junk), mask, None, None, key)
    jax.tree.map(np.testing.assert_array_equal, one, two)
    assert one.log_evidence[5] == pytest.approx(0, abs=1e-5)
    assert jnp.isfinite(one.x).all()


@pytest.mark.parametrize("proposal", ["bootstrap", "guided"])
def test_padding_changes_nothing(proposal):
    model = random_linear(2, 1, 1, seed=9, activation="tanh")
    y, mask, u = simulate_linear(model, 10, seed=10)
    algorithm = ParticleFilter(model, 30, proposal)
    key = jax.random.key(0)
    short = filter_jit(algorithm, y, mask, u, None, key)
    longer = lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf[:6])])  # noqa: E731
    padded = filter_jit(algorithm, longer(y), longer(mask), longer(u), None, key)
    cut = jax.tree.map(lambda leaf: leaf[:10], padded)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), cut, short)
    np.testing.assert_allclose(padded.log_evidence[10:], 0, atol=1e-5)


@pytest.mark.parametrize("proposal", ["bootstrap", "guided"])
def test_streaming_step_by_step_has_the_law_of_the_whole(proposal):
    # The belief's own key drives the stream; the likelihood stays unbiased.
    model = random_linear(1, 1, 1, seed=11)
    y, mask, u = simulate_linear(model, 6, seed=12)
    exact = JointGaussian(model, y, mask, u)
    algorithm = ParticleFilter(model, 500, proposal)

    @jax.jit
    def stream(key):
        belief, total = algorithm.init(key), 0.0
        for t in range(6):
            if t:
                belief = algorithm.predict(belief, u[t])
            belief, gain = algorithm.update(belief, y[t], mask[t], u[t])
            total += gain
        return total, belief.mean

    totals, means = jax.lax.map(stream, jax.random.split(jax.random.key(1), 60))
    agrees(np.exp(np.asarray(totals, float) - exact.log_likelihood()), 1.0, floor=1e-3)
    mean, cov = exact.given(6)
    agrees(means / np.sqrt(cov[5, 0, 5, 0]), mean[5] / np.sqrt(cov[5, 0, 5, 0]), floor=0.02)
    assert len(np.unique(means)) == 60


def test_any_model_with_densities_can_be_filtered():
    rng = np.random.default_rng(3)
    y, mask = rng.standard_t(4, size=(15, 1)), rng.uniform(size=(15, 1)) > 0.3
    model = StochasticVolatility()
    exact, filtered, _ = on_grid(model, y, mask)
    algorithm = ParticleFilter(model, 2000, "bootstrap")
    log_likelihood, means, _ = many_runs(algorithm, jnp.asarray(y), jnp.asarray(mask), None, 30)
    agrees(np.exp(np.asarray(log_likelihood, float) - exact), 1.0, floor=1e-3)
    agrees(means[..., 0], filtered, floor=0.005)
    with pytest.raises(NotImplementedError, match="proposal='bootstrap'"):
        ParticleFilter(model, 10).run(jnp.asarray(y), jnp.asarray(mask), None, None,
            jax.random.key(0),
        )  # fmt: skip


def test_float32_and_a_tiny_observation_noise():
    model = random_linear(3, 1, 0, seed=13, activation="tanh")
    model = eqx.tree_at(lambda m: (m.Q, m.R), model, (1e-4 * jnp.eye(3), 1e-8 * jnp.eye(1)))
    y, mask, _ = simulate_linear(model, 80, seed=14)
    mask = jnp.ones_like(mask)
    # A gap of 0.005, told to 2e-7 in float32, has a log density told to 0.2: compiled in haste (conftest.py),
    # it is worked out more than once and rounded otherwise each time. This is what users run.
    compiled = jax.jit(ParticleFilter.run, compiler_options={"xla_backend_optimization_level": 3})
    path = compiled(ParticleFilter(model, 100), y, mask, None, None, jax.random.key(0))
    assert jnp.isfinite(path.log_evidence).all()
    np.testing.assert_allclose(jnp.exp(path.log_weights).sum(-1), 1, atol=1e-4)


@settings(max_examples=25)
@given(scale=st.floats(1e-2, 1e2), far=st.floats(-50, 50), seed=st.integers(0, 10**6))
def test_weights_sum_to_one_and_covariances_are_positive(scale, far, seed):
    model = _small()
    model = dataclasses.replace(model, Q=model.Q * scale, R=model.R * scale)
    y = jnp.asarray([[0.1], [far], [-far], [0.2]], jnp.float32)
    path = filter_jit(
        _algorithm(model), y, jnp.ones((4, 1), bool), None, None, jax.random.key(seed)
    )
    np.testing.assert_allclose(jnp.exp(path.log_weights).sum(-1), 1, atol=1e-4)
    assert ((path.ancestors >= 0) & (path.ancestors < 20)).all()
    for t in range(4):
        belief = Particles(path.x[t], path.log_weights[t], path.ancestors[t], jax.random.key(0))
        cov = np.asarray(belief.cov, float)
        assert np.linalg.eigvalsh(cov).min() >= -1e-5 * max(np.trace(cov), 1e-3)
        assert 1 - 1e-4 <= belief.effective_sample_size <= 20 * (1 + 1e-4)
        np.testing.assert_allclose(cov.diagonal(), path.var[t], rtol=1e-3, atol=1e-6)


@functools.cache
def _small():
    return random_linear(2, 1, 0, seed=15, activation="tanh")


def _algorithm(model):
    return ParticleFilter(model, 20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"particles": 1}, "particles must be at least 2"),
        ({"threshold": 1.5}, r"threshold must lie in \[0, 1\]"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(change, words):
    with pytest.raises(RekalError, match=words):
        ParticleFilter(_small(), **change)
