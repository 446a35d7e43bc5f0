"""Recursive least squares: against batch regression, exact filtering and draws of whole futures."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.data import Sequences
from rekalman.filters.recursive_least_squares import RecursiveLeastSquares
from rekalman.foundation.errors import RekalError
from rekalman.learners.start.companion import companion
from rekalman.learners.start.ridge_ar import lagged, ridge

W1 = np.array([[0.6, 0.3], [-0.2, 0.5]])
W2 = np.array([[-0.3, 0.0], [0.1, 0.2]])
SIGMA = np.array([[1.0, 0.4], [0.4, 0.5]])
WEIGHTS = np.vstack([W1.T, W2.T, [[0.5, -0.2]]])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def simulated(steps: int, seed: int) -> np.ndarray:
    """A stable vector autoregression of two lags."""
    rng = np.random.default_rng(seed)
    y, root = np.zeros((steps + 50, 2)), np.linalg.cholesky(SIGMA)
    for t in range(2, len(y)):
        y[t] = np.concatenate([y[t - 1], y[t - 2], [1.0]]) @ WEIGHTS + root @ rng.normal(size=2)
    return y[50:]


def design(y: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of lags and a one, and what follows."""
    rows = [
        np.concatenate([*(y[t - lag] for lag in range(1, lags + 1)), [1.0]])
        for t in range(lags, len(y))
    ]
    return np.array(rows), y[lags:]


def made(weights, information, noise, errors=5.0, forgetting=1.0) -> RecursiveLeastSquares:
    arrays = (weights, information, noise, errors, forgetting)
    return RecursiveLeastSquares(*(jnp.asarray(each, float) for each in arrays))


def any_prior(lags: int, obs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = lags * obs + 1
    root = rng.normal(size=(size, size))
    return rng.normal(size=(size, obs)), root @ root.T


@pytest.mark.parametrize("forgetting", [1.0, 0.97, 0.8])
@pytest.mark.parametrize("lags", [1, 3])
def test_the_weights_minimise_the_discounted_squares(lags, forgetting):
    y = simulated(80, 1)
    W0, L0 = any_prior(lags, 2)
    path = made(W0, L0, np.eye(2), forgetting=forgetting).run(
        jnp.asarray(y), jnp.ones(y.shape, bool)
    )
    for end in (lags + 1, 30, 80):
        X, Y = design(y[:end], lags)
        X_discounted = X * forgetting ** np.arange(len(X))[::-1, None]
        best = np.linalg.solve(X_discounted.T @ X + L0, X_discounted.T @ Y + L0 @ W0)
        np.testing.assert_allclose(path.belief.weights[end - 1], best, rtol=1e-9, atol=1e-9)


def test_without_forgetting_they_are_those_of_ridge_regression():
    y = simulated(120, 2)
    rows = lagged([(y, np.zeros((len(y), 0)))], None, 2)
    result = ridge(rows, 2, (0.05,))
    # The penalty of `ridge` is on deviations from the mean, and not on the constant.
    penalty = 0.05 * len(rows.targets) * np.array([1.0, 1, 4, 4, 0])
    nearly_none = np.diag(np.maximum(penalty, 1e-9))
    path = made(np.zeros((5, 2)), nearly_none, np.eye(2)).run(
        jnp.asarray(y), jnp.ones(y.shape, bool)
    )
    expected = np.vstack([result.weights.T, result.intercept])
    np.testing.assert_allclose(path.belief.weights[-1], expected, atol=1e-8)


def test_the_predictive_law_is_that_of_a_bayesian_regression():
    y = simulated(40, 3)
    W0, L0 = any_prior(2, 2)
    S0 = np.array([[1.0, 0.2], [0.2, 0.4]])
    path = made(W0, L0, S0, errors=5.0).run(jnp.asarray(y), jnp.ones(y.shape, bool))
    X, Y = design(y[:-1], 2)
    information = X.T @ X + L0
    W = np.linalg.solve(information, X.T @ Y + L0 @ W0)
    # Mean of the scatter of a matrix-normal inverse-Wishart law (Bishop 2006; Murphy 2012, 7.6).
    scatter = 5 * S0 + (Y - X @ W).T @ (Y - X @ W) + (W - W0).T @ L0 @ (W - W0)
    x = np.concatenate([y[-2], y[-3], [1.0]])
    cov = scatter / (5 + len(Y)) * (1 + x @ np.linalg.solve(information, x))
    np.testing.assert_allclose(path.predicted.mean[-1], x @ W, rtol=1e-9)
    np.testing.assert_allclose(path.predicted.cov[-1], cov, rtol=1e-9)
    error = y[-1] - x @ W
    density = -0.5 * (error @ np.linalg.solve(cov, error) + np.linalg.slogdet(2 * np.pi * cov)[1])
    assert float(path.log_evidence[-1]) == pytest.approx(density, rel=1e-9)


def test_with_known_weights_gaps_and_forecasts_are_those_of_the_kalman_filter():
    y = simulated(60, 4)
    mask = np.random.default_rng(0).random(y.shape) > 0.3
    sure = made(WEIGHTS, 1e14 * np.eye(5), SIGMA, errors=1e14)
    model = companion(
        WEIGHTS[:-1].T, WEIGHTS[-1], SIGMA, 2, np.zeros(2), np.ones(2), np.zeros(0), 1.0, 1e-13
    )
    path = sure.run(jnp.asarray(y), jnp.asarray(mask))
    exact = rekalman.Kalman(model).run(jnp.asarray(y), jnp.asarray(mask))
    late = slice(20, None)  # the first states differ
    np.testing.assert_allclose(path.predicted.mean[late], exact.prior_mean[late, :2], atol=1e-5)
    np.testing.assert_allclose(path.predicted.cov[late], exact.prior_cov[late, :2, :2], atol=1e-5)
    np.testing.assert_allclose(path.log_evidence[late], exact.log_evidence[late], atol=1e-5)
    last = jax.tree.map(lambda leaf: leaf[-1], path.belief)
    ahead = sure.forecast(last, 30)
    kalman = rekalman.Kalman(model)
    moments = jax.tree.map(lambda leaf: leaf[-1], exact.moments)
    expected = kalman.forecast(kalman.restore(moments, jnp.asarray(59)), 30)
    np.testing.assert_allclose(ahead.mean, expected.mean, atol=1e-5)
    np.testing.assert_allclose(ahead.cov, expected.cov, atol=1e-5)


def test_forecasts_are_those_of_drawn_futures():
    """Futures whose weights are drawn once, of a regression on a hundred samples."""
    y, rng = simulated(100, 5), np.random.default_rng(0)
    rls = made(np.zeros((5, 2)), 1e-3 * np.eye(5), np.eye(2), errors=1.0)
    path = rls.run(jnp.asarray(y), jnp.ones(y.shape, bool))
    last = jax.tree.map(lambda leaf: leaf[-1], path.belief)
    ahead, draws = rls.forecast(last, 8), 200_000
    S = np.linalg.cholesky(np.asarray(last.scatter / last.errors))
    P = np.linalg.cholesky(np.asarray(last.uncertainty))
    W = np.asarray(last.weights) + P @ rng.normal(size=(draws, 5, 2)) @ S.T
    window, rows = np.broadcast_to(np.concatenate([y[-1], y[-2], [1.0]]), (draws, 5)).copy(), []
    for _ in range(8):
        new = np.einsum("nf,nfo->no", window, W) + rng.normal(size=(draws, 2)) @ S.T
        window = np.hstack([new, window[:, :2], np.ones((draws, 1))])
        rows.append(new)
    futures = np.array(rows)
    std = futures.std(1)
    np.testing.assert_allclose(ahead.std[0], std[0], rtol=0.01)
    np.testing.assert_allclose(ahead.std, std, rtol=0.03)
    assert (abs(np.asarray(ahead.mean) - futures.mean(1)) < 0.03 * std).all()
    # Without the uncertainty of the weights they would be too narrow.
    assert (np.sqrt(np.diagonal(last.scatter / last.errors)) < 0.985 * std[0]).all()


def test_only_whole_windows_teach():
    y = simulated(12, 6)
    mask = np.ones(y.shape, bool)
    mask[5, 1] = False
    W0, L0 = any_prior(2, 2)
    path = made(W0, L0, np.eye(2)).run(jnp.asarray(y), jnp.asarray(mask))
    moved = np.asarray(np.diff(path.belief.weights, axis=0) != 0).any((1, 2))
    assert moved.tolist() == [False, True, True, True, False, False, False, True, True, True, True]
    assert np.asarray(path.belief.cov[-1] == 0).all()  # all that the window holds was observed


@pytest.fixture(scope="module")
def drifting() -> tuple[rekalman.Fit, Sequences]:
    """An oscillation whose frequency changes for good after half of the training data."""
    rng = np.random.default_rng(7)
    y = np.zeros(600)
    for t in range(2, 600):
        first = 1.6 if t < 250 else 0.4
        y[t] = first * y[t - 1] - 0.9 * y[t - 2] + rng.normal()
    data = Sequences.from_arrays(y)
    return rekalman.fit(data.window(0, 400), "rls", lags=2, progress=False), data


def test_a_process_that_changes_is_followed(drifting):
    fit, data = drifting
    assert float(fit.algorithm.forgetting) < 1 and fit.history.trials[0][0].startswith("forgetting")
    origins = range(400, 599)
    scores = {}
    for factor in (1.0, None):
        own = rekalman.fit(data.window(0, 400), "rls", lags=2, forgetting=factor, progress=False)
        rolled = own.roll(data, [1], origins=origins)
        scores[factor] = rolled.score(data.values, data.mask)
    batch = rekalman.fit(data.window(0, 400), "ridge-ar", lags=2, progress=False)
    once = batch.roll(data, [1], origins=origins).score(data.values, data.mask)
    assert scores[None]["crps"].mean() < 0.95 * scores[1.0]["crps"].mean()
    assert scores[None]["crps"].mean() < 0.85 * once["crps"].mean()
    assert 0.84 < scores[None]["coverage_90"].mean() < 0.95


def test_a_fit_streams_and_is_saved(drifting, tmp_path):
    fit, data = drifting
    fit.save(tmp_path / "rls.rekalman")
    again = rekalman.load(tmp_path / "rls.rekalman")
    ahead = fit.forecast(data, 4)
    np.testing.assert_array_equal(again.forecast(data, 4).mean, ahead.mean)
    stream = fit.stream()
    for row in np.asarray(data.values)[0]:
        stream.update(row)
    np.testing.assert_allclose(stream.forecast(4).mean, ahead.mean, rtol=1e-6)
    assert "recursive least squares, lags 2" in fit.summary()
    assert fit.simulate(20, 2).values.shape == (2, 20, 1)


def test_several_columns_gaps_and_few_samples():
    y = simulated(300, 8)
    hidden = np.random.default_rng(0).random(y.shape) < 0.2
    gaps = Sequences.from_arrays(np.where(hidden, np.nan, y))
    fit = rekalman.fit(gaps.window(0, 200), "rls", progress=False)
    rolled = fit.roll(gaps, [1], origins=range(200, 299))
    scores = rolled.score(gaps.values, gaps.mask)
    assert 0.82 < scores["coverage_90"].mean() < 0.97
    two = Sequences.from_arrays([y[:100], y[100:160]])
    assert rekalman.fit(two, "rls", progress=False).forecast(two, 2).mean.shape[0] == 2
    few = Sequences.from_arrays(y[:12])
    assert np.isfinite(rekalman.fit(few, "rls", progress=False).forecast(few, 3).std).all()


def test_it_is_a_baseline_of_comparisons():
    data = Sequences.from_arrays(simulated(120, 9))
    comparison = rekalman.compare(data, "baselines", horizons=[1, 3], progress=False)
    assert {"rls", "naive", "drift", "mean"} <= set(comparison.names)
    assert comparison.best == "rls" and comparison.reference == "mean"
    assert comparison.evaluation("rls").group == "baseline"


def test_what_is_refused():
    data = Sequences.from_arrays(simulated(30, 9))
    with pytest.raises(RekalError, match="40 lags cannot be learned from 30 samples"):
        rekalman.fit(data, "rls", lags=40, progress=False)
    with pytest.raises(RekalError, match="forgetting must be at most 1"):
        rekalman.methods.RLS(forgetting=1.5)
    with pytest.raises(RekalError, match="recursive least squares are their own filter"):
        rekalman.fit(data, "rls", filtering="kalman", progress=False)
    with pytest.raises(RekalError, match="one for the constant, but there are 4 rows"):
        made(np.zeros((4, 2)), np.eye(4), np.eye(2))
    with pytest.raises(RekalError, match=r"information has shape \(4, 4\), but \(5, 5\)"):
        made(np.zeros((5, 2)), np.eye(4), np.eye(2))
