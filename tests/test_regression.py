"""The M-step's regression: it maximises what it says it maximises."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rekalman.learners.likelihood.regression import (
    Regression,
    RegressionPrior,
    solve_noise,
    solve_weights,
)

P, Q, STEPS = 3, 4, 60


def make(seed, correlated=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(STEPS, Q))
    noise = rng.normal(size=(STEPS, P)) @ (rng.normal(size=(P, P)) if correlated else np.eye(P))
    y = x @ rng.normal(size=(P, Q)).T + noise
    moments = Regression(*map(jnp.asarray, (x.T @ x, y.T @ x, y.T @ y)), jnp.asarray(float(STEPS)))
    root = rng.normal(size=(P, P))
    prior = RegressionPrior(
        mean=jnp.asarray(rng.normal(size=(P, Q))),
        precision=jnp.asarray(rng.uniform(0.5, 5, Q)),
        noise=jnp.asarray(root @ root.T + np.eye(P)),
        noise_weight=jnp.asarray(7.0),
    )
    return moments, prior, jnp.asarray(rng.normal(size=(P, Q)))


def log_posterior(W, V, moments, prior):
    """The expected complete log-likelihood plus the log prior, written out naively."""
    residual = (
        moments.targets
        - W @ moments.cross.T
        - moments.cross @ W.T
        + W @ moments.features @ W.T
        + prior.noise_weight * prior.noise
        + (W - prior.mean) @ jnp.diag(prior.precision) @ (W - prior.mean).T
    )
    count = moments.count + prior.noise_weight
    return -0.5 * count * jnp.linalg.slogdet(V)[1] - 0.5 * jnp.trace(jnp.linalg.solve(V, residual))


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_gradient_vanishes_at_the_solution(seed):
    with jax.enable_x64(True):
        moments, prior, current = make(seed)
        W = solve_weights(moments, prior, current, jnp.eye(P), None, "full")
        V = solve_noise(moments, prior, W, "full")
        dW, dV = jax.grad(log_posterior, (0, 1))(W, V, moments, prior)
        assert np.abs(dW).max() < 1e-3
        assert np.abs(dV).max() < 1e-3


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.sampled_from(["diagonal", "full"]))
def test_fixed_entries_stay_and_the_free_ones_are_optimal(seed, shape):
    with jax.enable_x64(True):
        moments, prior, current = make(seed)
        root = np.random.default_rng(seed).normal(size=(P, P))
        V = jnp.asarray(root @ root.T + 0.5 * np.eye(P))
        V = jnp.diag(jnp.diagonal(V)) if shape == "diagonal" else V
        fixed = jnp.asarray(np.random.default_rng(seed + 1).uniform(size=(P, Q)) < 0.4)
        W = solve_weights(moments, prior, current, V, fixed, shape)
        np.testing.assert_allclose(np.asarray(W)[fixed], np.asarray(current)[fixed])
        gradient = jax.grad(log_posterior)(W, V, moments, prior)
        assert np.abs(np.where(fixed, 0, gradient)).max() < 1e-3


@pytest.mark.parametrize("shape", ["diagonal", "full"])
def test_a_perfect_fit_does_not_collapse_the_noise(shape):
    moments, prior, _ = make(0)
    W = jnp.ones((P, Q), jnp.float32)
    perfect = eqx.tree_at(
        lambda m: (m.cross, m.targets), moments, (W @ moments.features, W @ moments.features @ W.T)
    )
    at_truth = eqx.tree_at(lambda p: p.mean, prior, W)
    V = solve_noise(perfect, at_truth, W, shape)
    assert np.linalg.eigvalsh(np.asarray(V)).min() > 1e-3


def test_no_prior_gives_least_squares():
    with jax.enable_x64(True):
        moments, prior, current = make(3)
        flat = RegressionPrior(prior.mean, jnp.zeros(Q), prior.noise, jnp.asarray(0.0))
        W = solve_weights(moments, flat, current, jnp.eye(P), None, "diagonal")
        expected = np.linalg.solve(moments.features, moments.cross.T).T
        np.testing.assert_allclose(W, expected, rtol=1e-4, atol=1e-5)
        V = solve_noise(moments, flat, W, "full")
        residual = moments.targets - expected @ moments.cross.T
        np.testing.assert_allclose(V, residual / STEPS, rtol=1e-4, atol=1e-5)
