"""The particle smoothers against double loops, exact laws and each other."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from naive import JointGaussian, marginal_smoother, random_linear, simulate_linear
from volatility import StochasticVolatility, on_grid

from rekalman.core.beliefs import Path
from rekalman.filters.particle import ParticleFilter
from rekalman.foundation.errors import RekalError
from rekalman.smoothers import backward
from rekalman.smoothers.backward import smooth_backward, trajectory_moments
from rekalman.smoothers.marginal import smooth_marginal

filter_jit = jax.jit(ParticleFilter.run)
marginal_jit = jax.jit(smooth_marginal)
smooth_jit = jax.jit(smooth_backward, static_argnames=("trajectories", "method", "mcmc_steps"))


def everywhere(steps: int) -> jax.Array:
    return jnp.ones(steps, bool)


def small_case(activation: str = "tanh", particles: int = 9, steps: int = 6, **kwargs):
    """A short filtered path of a network with inputs: model, path, inputs."""
    model = random_linear(2, 1, 1, seed=3, activation=activation, **kwargs)
    y, mask, u = simulate_linear(model, steps, seed=4)
    algorithm = ParticleFilter(model, particles)
    return model, filter_jit(algorithm, y, mask, u, None, jax.random.key(0)), u


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_marginal_smoother_is_the_double_loop_of_the_paper(x64, activation):
    with jax.enable_x64(x64):
        model, path, u = small_case(activation)
        new, old = path.x, model.f(path.x)
        ours = marginal_jit(model, path, u, None, everywhere(6), new, old)
    # The reference is always in float64, on the very same particles.
    with jax.enable_x64(True):
        double = lambda tree: jax.tree.map(lambda a: jnp.asarray(a, float), tree)  # noqa: E731
        path64 = Path(double(path.x), double(path.log_weights), path.ancestors, path.log_evidence)
        v, moment = marginal_smoother(double(model), path64, double(u), new, old)
    tolerance = 1e-10 if x64 else 2e-6
    np.testing.assert_allclose(ours.weights, v, atol=tolerance)
    np.testing.assert_allclose(ours.pair_moment, moment, rtol=tolerance, atol=10 * tolerance)


def test_marginal_smoother_of_any_model_is_the_double_loop():
    model = StochasticVolatility()
    y = jnp.asarray(np.random.default_rng(0).normal(size=(5, 1)))
    algorithm = ParticleFilter(model, 8, "bootstrap")
    path = filter_jit(algorithm, y, jnp.ones((5, 1), bool), None, None, jax.random.key(1))
    ours = marginal_jit(model, path, None, None, everywhere(5), path.x, path.x**2)
    v, moment = marginal_smoother(model, path, None, path.x, path.x**2)
    np.testing.assert_allclose(ours.weights, v, atol=2e-6)
    np.testing.assert_allclose(ours.pair_moment, moment, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["marginal", "exact", "mcmc"])
def test_smoothers_approach_the_exact_gaussian_smoother(method):
    # Means over 40 independent runs, so that the tolerance follows from their own spread.
    steps, particles, runs = 8, 400, 40
    model = random_linear(2, 2, 1, seed=5)
    y, mask, u = simulate_linear(model, steps, seed=6)
    mean, cov = JointGaussian(model, y, mask, u).given(steps)
    var = np.stack([cov[t, :, t].diagonal() for t in range(steps)])
    # E[x_t x_{t-1}'] from the joint law of neighbours.
    pair = sum(cov[t, :, t - 1] + np.outer(mean[t], mean[t - 1]) for t in range(1, steps))

    @jax.jit
    def one(key):
        keys = jax.random.split(key)
        path = ParticleFilter(model, particles).run(y, mask, u, None, keys[0])
        valid = everywhere(steps)
        if method == "marginal":
            smoothed = smooth_marginal(model, path, u, None, valid, path.x, path.x)
            x = path.x
        else:
            x = smooth_backward(model, path, u, None, valid, particles, keys[1], method)
            smoothed = trajectory_moments(x, x, valid)
        centre = jnp.einsum("tn,tns->ts", smoothed.weights, x)
        spread = jnp.einsum("tn,tns->ts", smoothed.weights, (x - centre[:, None]) ** 2)
        return centre, spread, smoothed.pair_moment

    centre, spread, moment = jax.lax.map(one, jax.random.split(jax.random.key(2), runs))
    scale = np.sqrt(var)
    size = np.sqrt((var.sum() + (mean**2).sum()) * var.sum())
    for estimates, exact in [
        (centre / scale, mean / scale),
        (spread / var, np.ones_like(var)),
        (moment / size, pair / size),
    ]:
        estimates = np.asarray(estimates, float)
        error = estimates.std(0) / np.sqrt(runs)
        assert error.max() < 0.05  # otherwise the test would prove nothing
        assert (abs(estimates.mean(0) - exact) < 5 * error + 10 / particles).all()


@pytest.mark.parametrize(("method", "mcmc_steps"), [("exact", 1), ("mcmc", 25)])
def test_backward_simulation_draws_particles_by_their_smoothed_weights(method, mcmc_steps):
    # One path, many trajectories: the law of each step and of each pair is known exactly.
    count, steps = 50_000, 5
    model, path, u = small_case(particles=10, steps=steps)
    label = jnp.broadcast_to(jnp.eye(10), (steps, 10, 10))
    smoothed = marginal_jit(model, path, u, None, everywhere(steps), label, label)
    key = jax.random.key(5)
    x = smooth_jit(model, path, u, None, everywhere(steps), count, key, method, mcmc_steps)
    drawn = jnp.all(x[:, :, None] == path.x[:, None], -1).astype(float)
    np.testing.assert_array_equal(drawn.sum(-1), 1)  # every state is one of the particles
    v = np.asarray(smoothed.weights)
    error = np.sqrt(v * (1 - v) / count) + 1e-4
    assert (abs(drawn.mean(1) - v) / error).max() < 5
    pairs = np.asarray(trajectory_moments(drawn, drawn, everywhere(steps)).pair_moment)
    exact = np.asarray(smoothed.pair_moment)
    assert abs(pairs - exact).max() < 5 * np.sqrt((steps - 1) * exact.max() / count)
    assert pairs.sum() == pytest.approx(steps - 1, rel=1e-4)


def test_one_metropolis_step_undoes_the_degenerate_genealogy():
    # After 150 steps all ancestral lines of 200 particles have merged into very few.
    steps, particles = 150, 200
    model = random_linear(1, 1, 0, seed=8)
    y, mask, _ = simulate_linear(model, steps, seed=9)
    algorithm = ParticleFilter(model, particles, "bootstrap")
    path = filter_jit(algorithm, y, mask, None, None, jax.random.key(0))
    line = np.arange(particles)
    for t in reversed(range(1, steps)):
        line = np.asarray(path.ancestors[t])[line]
    x = smooth_jit(model, path, None, None, everywhere(steps), particles, jax.random.key(1), "mcmc")
    assert len(np.unique(line)) < 5
    assert len(np.unique(x[0])) > 30


@pytest.mark.parametrize("method", ["exact", "mcmc"])
def test_padding_changes_nothing_before_it(method):
    model, path, u = small_case(steps=9, particles=40)
    valid = jnp.arange(9) < 6
    cut = jax.tree.map(lambda leaf: leaf[:6], (path, u))
    whole = marginal_jit(model, path, u, None, valid, path.x, path.x)
    short = marginal_jit(model, cut[0], cut[1], None, everywhere(6), cut[0].x, cut[0].x)
    np.testing.assert_allclose(whole.weights[:6], short.weights, atol=1e-6)
    np.testing.assert_allclose(whole.weights[5:], jnp.exp(path.log_weights[5:]), atol=1e-6)
    np.testing.assert_allclose(whole.pair_moment, short.pair_moment, rtol=1e-5)

    count = 20_000
    key = jax.random.key(0)
    x = smooth_jit(model, path, u, None, valid, count, key, method, 20)
    mean = jnp.einsum("tn,tns->ts", whole.weights, path.x)
    second = jnp.einsum("tn,tns->ts", whole.weights, path.x**2)
    error = np.sqrt((second - mean**2) / count)
    assert (abs(x.mean(1) - mean) / error).max() < 5
    pair = trajectory_moments(x, x, valid).pair_moment
    np.testing.assert_allclose(pair, short.pair_moment, rtol=0.02, atol=0.05)


def test_any_model_with_densities_can_be_smoothed():
    rng = np.random.default_rng(3)
    y, mask = rng.standard_t(4, size=(15, 1)), rng.uniform(size=(15, 1)) > 0.3
    model = StochasticVolatility()
    _, _, exact = on_grid(model, y, mask)
    algorithm = ParticleFilter(model, 600, "bootstrap")
    path = filter_jit(algorithm, jnp.asarray(y), jnp.asarray(mask), None, None, jax.random.key(0))
    smoothed = marginal_jit(model, path, None, None, everywhere(15), path.x, path.x)
    assert abs(jnp.einsum("tn,tns->t", smoothed.weights, path.x) - exact).max() < 0.15
    for method in ("exact", "mcmc"):
        key = jax.random.key(1)
        x = smooth_jit(model, path, None, None, everywhere(15), 600, key, method)
        assert abs(x.mean(1)[:, 0] - exact).max() < 0.2, method


def test_float32_survives_a_tiny_observation_noise():
    model = random_linear(2, 1, 0, seed=11, activation="tanh")
    model = eqx.tree_at(lambda m: (m.Q, m.R), model, (1e-5 * jnp.eye(2), 1e-8 * jnp.eye(1)))
    y, mask, _ = simulate_linear(model, 60, seed=12)
    path = filter_jit(ParticleFilter(model, 50), y, mask, None, None, jax.random.key(0))
    smoothed = marginal_jit(model, path, None, None, everywhere(60), path.x, path.x)
    np.testing.assert_allclose(smoothed.weights.sum(1), 1, atol=1e-4)
    x = smooth_jit(model, path, None, None, everywhere(60), 50, jax.random.key(1))
    assert jnp.isfinite(x).all()


@given(
    weights=st.lists(st.floats(0, 1), min_size=13, max_size=13).filter(lambda w: sum(w) > 1e-3),
    uniform=st.one_of(st.floats(0, 1, exclude_max=True, width=32), st.just(1 - 2.0**-24)),
)
def test_inversion_takes_the_row_of_the_cumulated_mass(weights, uniform):
    w = np.asarray(weights, np.float32)
    rows = backward._padded_rows(len(w))
    padded = np.pad(w, (0, rows - len(w)))
    drawn = backward._invert(jnp.log(padded)[:, None], jnp.asarray([uniform]))
    row = int(drawn[0])
    assert w[row] > 0
    cumulated = np.cumsum(w.astype(float)) / w.sum(dtype=float)
    assert cumulated[row] >= uniform - 1e-5
    assert (cumulated[row - 1] if row else 0) <= uniform + 1e-5


@given(slots=st.integers(1, 10**7), seed=st.integers(0, 2**31))
def test_scattered_slots_are_the_fixed_point_formula(slots, seed):
    count = 50
    alpha, beta = (int(v) for v in np.random.default_rng(seed).integers(0, 2**32, 2))
    turn = jnp.asarray([alpha, beta], jnp.uint32)
    expected = [((beta + alpha * m) % 2**32) * slots >> 32 for m in range(count)]
    np.testing.assert_array_equal(backward._scattered(turn, count, slots), expected)


def test_proposals_of_two_trajectories_are_independent_and_exact():
    slots, draws = 6, 60_000
    turns = jax.random.bits(jax.random.key(0), (draws, 2), jnp.uint32)
    drawn = np.asarray(jax.vmap(lambda turn: backward._scattered(turn, 4, slots))(turns))
    for one, two in [(0, 1), (0, 3), (1, 3)]:
        table = np.histogram2d(drawn[:, one], drawn[:, two], bins=slots)[0] / draws
        error = np.sqrt(slots**-2.0 / draws)
        assert abs(table - slots**-2.0).max() < 5 * error


def test_moments_of_trajectories_leave_the_padding_out():
    rng = np.random.default_rng(0)
    g, h = rng.normal(size=(4, 7, 2)), rng.normal(size=(4, 7, 3))
    valid = jnp.asarray([True, True, True, False])
    moments = trajectory_moments(jnp.asarray(g), jnp.asarray(h), valid)
    expected = sum(np.outer(g[t, m], h[t - 1, m]) / 7 for t in (1, 2) for m in range(7))
    np.testing.assert_allclose(moments.pair_moment, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moments.weights, np.full((4, 7), 1 / 7), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "fast"}, "'exact'.*'mcmc'"),
        ({"trajectories": 0}, "trajectories must be at least 1"),
        ({"mcmc_steps": 0}, "mcmc_steps must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(change, words):
    model, path, u = small_case()
    arguments = {"trajectories": 3, "key": jax.random.key(0), **change}
    with pytest.raises((RekalError, TypeCheckError), match=words):
        smooth_backward(model, path, u, None, everywhere(6), **arguments)
