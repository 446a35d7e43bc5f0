import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from rekalman.core import metrics, mixtures


def mixture(seed, count, shared=True):
    rng = np.random.default_rng(seed)
    means = jnp.asarray(rng.normal(0, 2, (3, count)), jnp.float32)
    var = jnp.asarray(rng.uniform(0.05, 2, (3, 1 if shared else count)), jnp.float32)
    weights = jnp.asarray(rng.dirichlet(np.ones(count), 3), jnp.float32)
    return means, var, jnp.log(weights)


def scipy_cdf(y, means, var, log_weights):
    return np.sum(np.exp(log_weights) * stats.norm.cdf(y, means, np.sqrt(var)))


def test_crps_of_the_standard_gaussian_at_its_mean():
    assert metrics.crps_gaussian(jnp.zeros(()), jnp.zeros(()), jnp.ones(())) == pytest.approx(
        0.233695, abs=1e-6
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_crps_of_a_mixture_is_its_integral(count, shared):
    means, var, log_weights = mixture(count, count, shared)
    y = jnp.array([-4.0, 0.3, 2.0])
    result = metrics.crps_mixture(y, means, var, log_weights)
    for i in range(3):
        row = [np.asarray(v[i], np.float64) for v in (means, var, log_weights)]
        here = float(y[i])
        below = integrate.quad(lambda z, row=row: scipy_cdf(z, *row) ** 2, -20, here)[0]
        above = integrate.quad(lambda z, row=row: (1 - scipy_cdf(z, *row)) ** 2, here, 20)[0]
        assert result[i] == pytest.approx(below + above, rel=2e-5, abs=2e-6)


def test_crps_of_one_component_is_the_gaussian_one():
    y, mean, var = jnp.array([0.4, -3.0]), jnp.array([1.0, 2.0]), jnp.array([0.5, 4.0])
    one = metrics.crps_mixture(y, mean[:, None], var[:, None], jnp.zeros((2, 1)))
    np.testing.assert_allclose(one, metrics.crps_gaussian(y, mean, var), rtol=1e-5)


@pytest.mark.parametrize("fair", [True, False])
def test_crps_of_an_ensemble_is_its_double_sum(fair):
    rng = np.random.default_rng(0)
    members, y = rng.normal(size=(4, 9)), rng.normal(size=4)
    pairs = np.abs(members[:, :, None] - members[:, None, :]).sum((1, 2)) / (
        2 * 9 * (8 + (not fair))
    )
    naive = np.abs(members - y[:, None]).mean(1) - pairs
    result = metrics.crps_ensemble(jnp.asarray(y), jnp.asarray(members), fair)
    np.testing.assert_allclose(result, naive, rtol=2e-5)


def test_crps_of_a_mixture_without_variance_is_that_of_the_ensemble():
    members = jnp.asarray(np.random.default_rng(1).normal(size=(2, 6)))
    y = jnp.array([0.2, -1.0])
    level = jnp.full((2, 6), -jnp.log(6.0))
    result = metrics.crps_mixture(y, members, jnp.zeros((2, 1)), level)
    np.testing.assert_allclose(result, metrics.crps_ensemble(y, members), atol=1e-6)


def test_fair_crps_does_not_depend_on_the_size_of_the_ensemble():
    draws = jax.random.normal(jax.random.key(0), (20000, 41))
    y = draws[:, 0]
    small = metrics.crps_ensemble(y, draws[:, 1:4], fair=True)
    large = metrics.crps_ensemble(y, draws[:, 1:], fair=True)
    error = float((small - large).std()) / np.sqrt(20000)
    assert float(small.mean()) == pytest.approx(float(large.mean()), abs=4 * error)
    plain = metrics.crps_ensemble(y, draws[:, 1:4]).mean()
    assert float(plain) > float(large.mean()) + 8 * error


def test_log_density_and_cdf_of_a_mixture():
    means, var, log_weights = mixture(3, 5, shared=False)
    y = jnp.array([-1.0, 0.0, 2.5])
    for i in range(3):
        row = [np.asarray(v[i], np.float64) for v in (means, var, log_weights)]
        assert mixtures.mixture_cdf(y, means, var, log_weights)[i] == pytest.approx(
            scipy_cdf(float(y[i]), *row), abs=1e-6
        )
        density = np.sum(np.exp(row[2]) * stats.norm.pdf(float(y[i]), row[0], np.sqrt(row[1])))
        assert mixtures.mixture_log_density(y, means, var, log_weights)[i] == pytest.approx(
            np.log(density), abs=1e-5
        )


quantile, cdf = jax.jit(mixtures.mixture_quantile), jax.jit(mixtures.mixture_cdf)


@given(q=st.floats(0.001, 0.999), seed=st.integers(0, 10**6), spread=st.floats(0.01, 100))
def test_quantile_is_the_inverse_of_the_cdf(q, seed, spread):
    means, var, log_weights = mixture(seed, 6)
    means = means * spread
    result = quantile(jnp.asarray(q), means, var, log_weights)
    back = cdf(result, means, var, log_weights)
    # Between components far apart the distribution is flat, and rounding of `found` moves it little.
    np.testing.assert_allclose(back, q, atol=3e-6 * (1 + spread))


def test_quantile_between_modes_far_apart():
    means, log_weights = jnp.array([[-50.0, 50.0]]), jnp.log(jnp.array([[0.3, 0.7]]))
    var = jnp.ones((1, 1))
    low = mixtures.mixture_quantile(0.15, means, var, log_weights)
    np.testing.assert_allclose(low, -50.0, atol=1e-3)
    high = mixtures.mixture_quantile(0.65, means, var, log_weights)
    np.testing.assert_allclose(high, stats.norm.ppf(0.5, 50), atol=1e-3)


def test_moments_of_a_mixture():
    means, var, log_weights = (
        jnp.array([[0.0, 2.0]]),
        jnp.array([[1.0, 3.0]]),
        jnp.log(jnp.full((1, 2), 0.5)),
    )
    assert mixtures.mixture_mean(means, log_weights)[0] == pytest.approx(1)
    assert mixtures.mixture_var(means, var, log_weights)[0] == pytest.approx(3)


def test_masked_entries_are_not_scored():
    y, forecast = jnp.array([1.0, jnp.nan, 3.0, 9.0]), jnp.array([0.0, 5.0, 5.0, jnp.nan])
    mask = jnp.array([True, False, True, False])
    assert metrics.rmse(y, forecast, mask) == pytest.approx(np.sqrt(2.5))
    assert metrics.coverage(y, forecast - 1.5, forecast + 1.5, mask) == 0.5
    assert metrics.mean_width(y, y + 2, mask) == 2
    pit = jnp.array([0.05, jnp.nan, 0.95, 0.5])
    np.testing.assert_allclose(metrics.pit_histogram(pit, mask, 2), [0.5, 0.5])
    assert metrics.coverage_from_pit(pit, 0.5, mask) == 0
    assert np.isnan(metrics.rmse(y, forecast, jnp.zeros(4, bool)))


def test_pit_of_right_and_wrong_forecasts():
    y = jax.random.normal(jax.random.key(1), (20000,))
    right = metrics.pit_gaussian(y, jnp.zeros(()), jnp.ones(()))
    assert metrics.uniformity(right) < 0.02
    for level in (0.5, 0.9):
        error = np.sqrt(level * (1 - level) / 20000)
        assert metrics.coverage_from_pit(right, level) == pytest.approx(level, abs=4 * error)
    assert metrics.uniformity(metrics.pit_gaussian(y, jnp.zeros(()), jnp.asarray(0.1))) > 0.3
    assert metrics.uniformity(jnp.ones(5)) == pytest.approx(0.9)


def test_interval_score_and_log_score():
    y = jnp.array([0.0, 3.0])
    result = metrics.interval_score(y, jnp.full(2, -1.0), jnp.full(2, 1.0), 0.9)
    np.testing.assert_allclose(result, [2.0, 2 + 20 * 2], rtol=1e-5)
    expected = stats.norm.logpdf(np.asarray(y), 1, 2)
    np.testing.assert_allclose(
        metrics.log_score_gaussian(y, jnp.ones(2), jnp.full(2, 4.0)), expected, rtol=1e-5
    )
