"""Distributions against SciPy: densities, quantiles, scores, and draws with the moments they claim."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rekalman
from rekalman.core.bernoulli import Bernoulli
from rekalman.core.distribution import Distribution
from rekalman.core.gaussian import DiagonalGaussian, Gaussian
from rekalman.core.mixture import GaussianMixture

COV = np.array([[2.0, 0.6], [0.6, 1.0]])
MEANS = np.array([[0.0, 1.0], [2.0, -1.0], [5.0, 0.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def kinds() -> dict[str, Distribution]:
    with jax.enable_x64(True):
        mean, cov = jnp.asarray(MEANS[0]), jnp.asarray(COV)
        return {
            "gaussian": Gaussian(mean, cov),
            "diagonal": DiagonalGaussian(mean, jnp.diagonal(cov)),
            "mixture": GaussianMixture(jnp.asarray(MEANS), cov, jnp.log(jnp.asarray(WEIGHTS))),
        }


def density(kind: str, y: np.ndarray, at: list[int]) -> float:
    """Of some entries, by SciPy."""
    cov = np.diag(np.diag(COV)) if kind == "diagonal" else COV
    parts = zip(MEANS, WEIGHTS, strict=True) if kind == "mixture" else [(MEANS[0], 1.0)]
    laws = ((w, stats.multivariate_normal(m[at], cov[np.ix_(at, at)])) for m, w in parts)
    return float(np.log(sum(w * law.pdf(y[at]) for w, law in laws)))


@pytest.mark.parametrize("kind", ["gaussian", "diagonal", "mixture"])
def test_densities_are_those_of_scipy_and_unknown_entries_are_left_out(kind):
    law = kinds()[kind]
    y = np.array([0.7, -0.4])
    with jax.enable_x64(True):
        for at in ([0, 1], [0], [1]):
            known = np.where(np.isin([0, 1], at), y, np.nan)
            assert float(law.log_prob(jnp.asarray(known))) == pytest.approx(
                density(kind, y, at), rel=1e-10
            )
        assert float(law.log_prob(jnp.full(2, jnp.nan))) == 0


@pytest.mark.parametrize("kind", ["gaussian", "diagonal", "mixture"])
def test_quantiles_undo_the_distribution_function_and_draws_have_its_moments(kind):
    law = kinds()[kind]
    with jax.enable_x64(True):
        for q in (0.01, 0.3, 0.95):
            np.testing.assert_allclose(law.cdf(law.quantile(q)), q, rtol=1e-9)
        low, high = law.interval(0.9)
        np.testing.assert_allclose(law.cdf(high) - law.cdf(low), 0.9, rtol=1e-9)
        drawn = np.asarray(law.sample(jax.random.key(0), (200_000,)))
        np.testing.assert_allclose(drawn.mean(0), law.mean, atol=0.02)
        np.testing.assert_allclose(np.cov(drawn.T), law.cov, atol=0.05)
        np.testing.assert_allclose(np.diagonal(law.cov), law.var, rtol=1e-12)
        np.testing.assert_allclose(law.std**2, law.var)
        y = jnp.asarray([0.5, 0.5])
        first, second = drawn[::2], drawn[1::2]
        energy = np.abs(drawn - 0.5).mean(0) - 0.5 * np.abs(first - second).mean(0)
        np.testing.assert_allclose(law.crps(y), energy, atol=0.01)


def test_leading_axes_are_kept():
    mixture = GaussianMixture(
        jnp.zeros((4, 3, 2)), jnp.eye(2), jnp.full((1, 3), -jnp.log(3.0))
    )  # shared
    assert mixture.mean.shape == (4, 2) and mixture.cov.shape == (4, 2, 2)
    assert mixture.log_prob(jnp.zeros((4, 2))).shape == (4,)
    assert mixture.crps(jnp.zeros((4, 2))).shape == (4, 2) == mixture.quantile(0.2).shape
    assert mixture.sample(jax.random.key(0), (7,)).shape == (7, 4, 2)


def test_pixels_are_on_with_their_probability():
    law = Bernoulli(jnp.array([[-1.0, 2.0]]), axes=1)
    p = np.asarray(law.mean)
    drawn = np.asarray(law.sample(jax.random.key(0), (50_000,)))
    np.testing.assert_allclose(drawn.mean(0), p, atol=0.01)
    np.testing.assert_allclose(law.crps(jnp.ones((1, 2))), (1 - p) ** 2, rtol=1e-5)
    np.testing.assert_array_equal(law.quantile(0.5), [[0.0, 1.0]])
    np.testing.assert_allclose(law.cdf(jnp.array([[0.5, 1.0]])), [[1 - p[0, 0], 1.0]], rtol=1e-6)
    np.testing.assert_allclose(law.cov[0], np.diag(p[0] * (1 - p[0])), rtol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "diagonal", "mixture"])
def test_what_is_no_probability_is_refused(kind):
    for bad in (0, 1, 1.5, np.nan):
        with pytest.raises(rekalman.RekalError, match="must lie between 0 and 1"):
            kinds()[kind].quantile(bad)
