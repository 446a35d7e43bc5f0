"""Ridge regression, its penalty, and readouts learned online, against brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.learners.reservoir.recursive import OnlineReadout, learn_online
from rekalman.learners.reservoir.ridge import PENALTIES, ridge, spectrum_of


def problem(rows=60, features=8, obs=2, noise=0.3):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(rows, features)) + 1.0, np.ones((rows, 1))], 1)
    return X, X @ rng.normal(size=(features + 1, obs)) + noise * rng.normal(size=(rows, obs))


def brute_force(X, Y, penalty):
    """The normal equations, the constant not penalised."""
    size = np.full(X.shape[1], penalty * len(X))
    size[-1] = 0.0
    return np.linalg.solve(X.T @ X + np.diag(size), X.T @ Y)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("singular", [True, False])
def test_a_ridge_regression_is_that_of_the_normal_equations(penalty, singular):
    X, Y = problem()
    found = ridge(X, Y, penalty=penalty)
    wanted = brute_force(X, Y, penalty)
    np.testing.assert_allclose(found.weights, wanted, rtol=1e-8)
    spectrum = spectrum_of(X, Y, np.ones(len(X)), singular)
    np.testing.assert_allclose(spectrum.weights(penalty), wanted, rtol=1e-8)
    size = np.full(X.shape[1], penalty * len(X))
    size[-1] = 0.0
    hat = X @ np.linalg.solve(X.T @ X + np.diag(size), X.T)
    assert spectrum.freedom(penalty) == pytest.approx(np.trace(hat))


def test_the_penalty_is_the_one_of_the_least_cross_validation():
    X, Y = problem(rows=30, noise=2.0)
    found = ridge(X, Y)

    def criterion(penalty):
        size = np.full(X.shape[1], penalty * len(X))
        size[-1] = 0.0
        hat = X @ np.linalg.solve(X.T @ X + np.diag(size), X.T)
        error = Y - hat @ Y
        return np.log((error**2).mean(0) / (1 - np.trace(hat) / len(X)) ** 2).mean()

    usable = [each for each in PENALTIES if each > 1e-10]
    assert found.penalty == min(usable, key=criterion)
    assert np.log(found.criterion).mean() == pytest.approx(criterion(found.penalty))
    assert 1e-3 < found.penalty < 10

    def left_out(penalty):
        errors = []
        for i in range(len(X)):
            rest = np.arange(len(X)) != i
            errors.append(Y[i] - X[i] @ brute_force(X[rest], Y[rest], penalty))
        return np.log(np.mean(np.square(errors), 0)).mean()

    assert left_out(found.penalty) < min(map(left_out, (1e-6, 10.0)))


def test_penalties_below_the_precision_of_a_gram_matrix_count():
    t = np.linspace(-1, 1, 200)
    X = np.stack([t**k for k in range(11, -1, -1)], 1)
    Y = np.exp(t)[:, None]
    fine, coarse = (np.abs(X @ ridge(X, Y, penalty=k).weights - Y).max() for k in (1e-24, 1e-6))
    assert fine < 1e-10 < 1e-6 < coarse


def test_columns_with_rows_of_their_own_are_regressed_apart():
    X, Y = problem(obs=3)
    counted = np.random.default_rng(1).random(Y.shape) < 0.7
    counted[:, 2] = counted[:, 0]
    found = ridge(X, np.where(counted, Y, np.nan), counted, 1e-2)
    for column in range(3):
        rows = counted[:, column]
        wanted = brute_force(X[rows], Y[rows][:, [column]], 1e-2)[:, 0]
        np.testing.assert_allclose(found.weights[:, column], wanted, rtol=1e-9)


def test_a_readout_learned_online_is_the_ridge_regression_when_nothing_is_forgotten():
    X, Y = problem()
    with jax.enable_x64(True):
        start = OnlineReadout.prior(X.shape[1], 2, 0.6)
        held, ahead = learn_online(start, jnp.asarray(X), jnp.asarray(Y))
        np.testing.assert_allclose(held.weights, brute_force(X, Y, 0.6 / len(X)), rtol=1e-5)
        np.testing.assert_allclose(
            ahead[40], X[40] @ brute_force(X[:40], Y[:40], 0.6 / 40), rtol=1e-5
        )
        later = OnlineReadout.after(X[:25], Y[:25], 0.6)
        resumed, _ = learn_online(later, jnp.asarray(X[25:]), jnp.asarray(Y[25:]))
        np.testing.assert_allclose(resumed.weights, held.weights, rtol=1e-5)
        np.testing.assert_allclose(resumed.cov[:-1, :-1], held.cov[:-1, :-1], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("forgetting", "drift"), [(0.9, 0.0), (1.0, 0.05)])
def test_forgetting_and_drift_are_those_of_the_batch(forgetting, drift):
    """Weighted least squares; and the mean of the last weights of a random walk, by the joint Gaussian."""
    X, Y = problem(rows=20, features=2, obs=1)
    with jax.enable_x64(True):
        start = OnlineReadout.prior(3, 1, 2.0)
        start = start._replace(cov=jnp.diag(jnp.array([0.5, 0.5, 0.5])))
        held, _ = learn_online(
            start, jnp.asarray(X), jnp.asarray(Y), forgetting=forgetting, drift=drift
        )
    n = len(X)
    if drift:
        cov = np.kron(np.ones((n, n)), 0.5 * np.eye(3))
        steps = np.minimum.outer(np.arange(1, n + 1), np.arange(1, n + 1))
        cov += np.kron(steps, drift * np.eye(3))
        H = np.zeros((n, 3 * n))
        for t in range(n):
            H[t, 3 * t : 3 * t + 3] = X[t]
        wanted = cov[-3:] @ H.T @ np.linalg.solve(H @ cov @ H.T + np.eye(n), Y)
    else:
        weight = forgetting ** np.arange(n - 1, -1, -1)
        prior = forgetting**n * 2.0 * np.eye(3)
        wanted = np.linalg.solve((X.T * weight) @ X + prior, (X.T * weight) @ Y)
    np.testing.assert_allclose(held.weights, wanted, rtol=1e-8)


def test_rows_that_were_not_seen_leave_the_weights():
    X, Y = problem()
    seen = np.arange(len(X)) % 3 > 0
    with jax.enable_x64(True):
        start = OnlineReadout.prior(X.shape[1], 2, 1.0)
        some, _ = learn_online(start, jnp.asarray(X), jnp.asarray(Y), jnp.asarray(seen))
        only, _ = learn_online(start, jnp.asarray(X[seen]), jnp.asarray(Y[seen]))
        np.testing.assert_allclose(some.weights, only.weights, rtol=1e-10)


def test_bad_arguments_are_refused():
    X, Y = problem()
    with pytest.raises(RekalError, match="penalty must be at least 0"):
        ridge(X, Y, penalty=-1.0)
    with pytest.raises(RekalError, match="column 0 has 2 rows for a regression"):
        ridge(X[:2], Y[:2])
    with pytest.raises(RekalError, match="penalty must be above 0"):
        OnlineReadout.prior(3, 1, 0.0)
    start = OnlineReadout.prior(X.shape[1], 2, 1.0)
    with pytest.raises(RekalError, match="forgetting must be above 0 and at most 1"):
        learn_online(start, jnp.asarray(X), jnp.asarray(Y), forgetting=1.1)
    with pytest.raises(RekalError, match="drift must be at least 0"):
        learn_online(start, jnp.asarray(X), jnp.asarray(Y), drift=-1.0)
