"""Vector autoregressions by ridge regression: against explicit least squares, leaving out and filtering."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import JointGaussian

import rekalman
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.start.companion import companion
from rekalman.learners.start.ridge_ar import Rows, lagged, log_score, ridge, ridge_ar

W1 = np.array([[0.6, 0.3], [-0.2, 0.5]])
W2 = np.array([[-0.3, 0.0], [0.1, 0.2]])
SIGMA = np.array([[1.0, 0.4], [0.4, 0.5]])


def simulated(steps: int, seed: int, inputs: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A stable vector autoregression of two lags, driven or not."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(steps + 50, 1 if inputs else 0))
    y = np.zeros((steps + 50, 2))
    root = np.linalg.cholesky(SIGMA)
    for t in range(2, len(y)):
        y[t] = W1 @ y[t - 1] + W2 @ y[t - 2] + root @ rng.normal(size=2) + 1.0
        if inputs:
            y[t] += [0.8, 0.0] * u[t] + [0.0, -0.5] * u[t - 1]
    return y[50:], u[50:]


def naive_rows(y: np.ndarray, u: np.ndarray, lags: int) -> Rows:
    features = [
        np.concatenate([np.r_[y[t - lag], u[t - lag + 1]] for lag in range(1, lags + 1)])
        for t in range(lags, len(y))
    ]
    return Rows(np.array(features), y[lags:], np.zeros(len(y) - lags, bool))


def naive_ridge(rows: Rows, lags: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and weights from the normal equations, the intercept without a penalty."""
    X = np.hstack([np.ones((len(rows.features), 1)), rows.features])
    width = rows.features.shape[1] // lags
    each = [0.0] + [penalty * len(X) * lag**2 for lag in range(1, lags + 1) for _ in range(width)]
    solution = np.linalg.solve(X.T @ X + np.diag(each), X.T @ rows.targets)
    return solution[0], solution[1:].T


@pytest.mark.parametrize("inputs", [False, True])
@pytest.mark.parametrize(("lags", "penalty"), [(1, 0.3), (3, 0.01)])
def test_the_coefficients_are_those_of_the_normal_equations(inputs, lags, penalty):
    y, u = simulated(60, 0, inputs)
    rows = lagged([(y, u)], None, lags)
    np.testing.assert_array_equal(rows.features, naive_rows(y, u, lags).features)
    result = ridge(rows, lags, (penalty,))
    intercept, weights = naive_ridge(rows, lags, penalty)
    np.testing.assert_allclose(result.weights, weights, atol=1e-10)
    np.testing.assert_allclose(result.intercept, intercept, atol=1e-10)


def test_without_a_penalty_they_are_those_of_least_squares():
    y, u = simulated(80, 1)
    rows = lagged([(y, u)], None, 2)
    result = ridge(rows, 2, (0.0,))
    X = np.hstack([np.ones((len(rows.features), 1)), rows.features])
    best = np.linalg.lstsq(X, rows.targets, rcond=None)[0]
    np.testing.assert_allclose(result.weights, best[1:].T, atol=1e-9)
    assert result.freedom == pytest.approx(X.shape[1])


def test_the_score_is_that_of_rows_left_out_one_by_one():
    y, u = simulated(40, 2, inputs=True)
    rows, penalties = lagged([(y, u)], None, 2), (1e-3, 0.1, 1.0)
    each = {}
    for penalty in penalties:
        errors = []
        for i in range(len(rows.targets)):
            rest = rows.subset(np.arange(len(rows.targets)) != i)
            # The penalty is a share of the number of rows, of which there is one less.
            more = penalty * len(rows.targets) / len(rest.targets)
            intercept, weights = naive_ridge(rest, 2, more)
            errors.append(rows.targets[i] - weights @ rows.features[i] - intercept)
        each[penalty] = np.array(errors)
        cov = each[penalty].T @ each[penalty] / len(errors)
        alone = ridge(rows, 2, (penalty,))
        np.testing.assert_allclose(alone.cov, cov, rtol=1e-9)
        assert alone.score == pytest.approx(log_score(each[penalty], cov))
    best = min(penalties, key=lambda one: np.linalg.slogdet(each[one].T @ each[one])[1])
    assert ridge(rows, 2, penalties).penalty == best


def test_rows_with_a_gap_are_left_out():
    y, u = simulated(12, 3)
    seen = np.ones(y.shape, bool)
    seen[4, 1] = False
    whole, part = lagged([(y, u)], None, 2), lagged([(y, u)], [seen], 2)
    assert len(whole.targets) == 10 and len(part.targets) == 7
    assert len(lagged([(y, u)], [seen], 2, gaps=True).targets) == 9
    two = lagged([(y, u), (y[:2], u[:2]), (y, u)], [seen, seen[:2], seen], 2)
    np.testing.assert_array_equal(two.targets, np.vstack([part.targets, part.targets]))


def test_a_known_autoregression_is_found():
    y, u = simulated(4000, 4)
    result = ridge_ar([(y, u)])
    assert 2 <= result.lags <= 4 and len(result.candidates) == 12
    scores = dict(result.candidates)
    assert scores[2] > scores[1] + 0.02
    expected = np.hstack([W1, W2, np.zeros((2, 2 * (result.lags - 2)))])
    np.testing.assert_allclose(result.ridge.weights, expected, atol=0.06)
    np.testing.assert_allclose(result.ridge.cov, SIGMA, atol=0.06)


def driven_model(lags: int = 3):
    y, u = simulated(60, 5, inputs=True)
    found = ridge_ar([(y, u)], lags=lags, penalty=0.02)
    one = found.ridge
    with jax.enable_x64(True):
        model = companion(
            one.weights, one.intercept, one.cov, lags, y.mean(0), y.var(0), u.mean(0), 0.999, 1e-12
        )
    return y, u, found, model


def test_the_companion_form_predicts_what_the_regression_does():
    y, u, found, model = driven_model()
    with jax.enable_x64(True):
        path = rekalman.Kalman(model).run(jnp.asarray(y), None, jnp.asarray(u))
        errors = y[3:] - np.asarray(path.prior_mean)[3:, :2]
    expected = found.ridge.errors(lagged([(y, u)], None, 3))
    np.testing.assert_allclose(errors, expected, atol=1e-9)


def test_gaps_are_filtered_as_the_joint_law_says():
    y, u, _, model = driven_model()
    y, u = y[:14], u[:14]
    mask = np.random.default_rng(0).random(y.shape) > 0.3
    with jax.enable_x64(True):
        joint = JointGaussian(model, y, mask, u)
        path = rekalman.Kalman(model).run(jnp.asarray(y), jnp.asarray(mask), jnp.asarray(u))
    mean, cov = joint.filtered()
    np.testing.assert_allclose(path.mean, mean, atol=1e-7)
    np.testing.assert_allclose(path.cov, cov, atol=1e-7)
    assert float(np.asarray(path.log_evidence).sum()) == pytest.approx(
        joint.log_likelihood(), abs=1e-6
    )


def test_an_explosive_autoregression_is_shrunk():
    with jax.enable_x64(True):
        model = companion(
            np.array([[1.5, -0.4]]), np.zeros(1), np.eye(1), 2, np.ones(1), np.ones(1), np.zeros(0),
            0.99, 1e-12,
        )  # fmt: skip
        before = np.abs(np.linalg.eigvals(np.array([[1.5, -0.4], [1.0, 0.0]])))
        A, c = np.asarray(model.A), np.asarray(model.c)
    after = np.abs(np.linalg.eigvals(A))
    np.testing.assert_allclose(np.sort(after), np.sort(before) * 0.99 / before.max(), rtol=1e-9)
    # The mean of the data stays where it was pushed from.
    assert c[0] + A[0].sum() == pytest.approx(1.1)


@pytest.fixture(scope="module")
def fitted():
    y, u = simulated(600, 6, inputs=True)
    data = Sequences.from_arrays(y[:500], inputs=u[:500])
    return rekalman.fit(data, "ridge-ar", progress=False), y, u


def test_a_fit_shows_what_was_chosen(fitted, tmp_path):
    fit, y, u = fitted
    chosen = dict(fit.history.criteria)
    assert 2 <= chosen["lags"] <= 4 and fit.history.trials[0][0] == f"{chosen['lags']:.0f} lags"
    assert "held-out" in fit.summary() and "penalty" in fit.summary()
    fit.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    data = Sequences.from_arrays(y, inputs=u)
    np.testing.assert_array_equal(again.roll(data, 1).mean, fit.roll(data, 1).mean)
    smoothed, stream = fit.smooth(data), fit.stream()
    np.testing.assert_allclose(smoothed.observed_mean[0], y, atol=1e-6)
    for row, drive in zip(y[:50], u[:50], strict=True):
        stream.update(row, drive)
    ahead = fit.forecast(Sequences.from_arrays(y[:50], inputs=u[:50]), 3, u[50:53])
    np.testing.assert_allclose(stream.forecast(3, u[50:53]).mean, ahead.mean, atol=1e-6)
    assert fit.identify().linear is not None


def test_intervals_hold_what_they_say():
    """Short series, so that the error of the coefficients counts."""
    inside = []
    for seed in range(20):
        y, _ = simulated(160, 100 + seed)
        fit = rekalman.fit(Sequences.from_arrays(y[:80]), "ridge-ar", progress=False, lags=3)
        scores = fit.roll(Sequences.from_arrays(y), [1], origins=range(79, 159)).score(
            y[None], np.ones(y[None].shape, bool)
        )
        inside.append(scores["coverage_90"].mean())
    assert 0.88 < np.mean(inside) < 0.925


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_missing_entries_leave_intervals_honest(share):
    """With few gaps there are windows without one, with many they are interpolated."""
    inside, errors = [], []
    for seed in range(20, 24):
        y, _ = simulated(700, seed)
        hidden = np.random.default_rng(seed).random(y.shape) < share
        gaps = np.where(hidden, np.nan, y)
        whole, origins = Sequences.from_arrays(gaps), range(400, 699)
        for rows in (gaps, y):
            fit = rekalman.fit(Sequences.from_arrays(rows[:400]), "ridge-ar", progress=False)
            scores = fit.roll(whole, [1], origins=origins).score(gaps[None], ~hidden[None])
            errors.append(scores["rmse"].mean())
            inside.append(scores["coverage_90"].mean())
    assert 0.87 < np.mean(inside[::2]) < 0.93
    assert np.mean(errors[::2]) < 1.03 * np.mean(errors[1::2])


def test_single_precision():
    t = np.arange(300)
    y = np.stack([np.sin(t / 5), np.sin(t / 5) + 1e-3 * np.cos(t / 3)], 1)
    data = Sequences.from_arrays(y + 1e-3 * np.random.default_rng(0).normal(size=y.shape))
    with rekalman.single_precision():
        fit = rekalman.fit(data, "ridge-ar", progress=False)
        assert str(fit.model.A.dtype) == "float32"
        assert np.isfinite(fit.history.log_likelihood).all()
        single = fit.roll(data, 1).mean
    double = rekalman.fit(data, "ridge-ar", progress=False).roll(data, 1).mean
    np.testing.assert_allclose(single[0, 5:], double[0, 5:], atol=2e-3)


def test_several_series_and_few_samples():
    y, _ = simulated(300, 8)
    one = rekalman.fit(Sequences.from_arrays([y[:100], y[100:160]]), "ridge-ar", progress=False)
    assert one.forecast(Sequences.from_arrays([y[:100], y[100:160]]), 2).mean.shape[0] == 2
    few = rekalman.fit(Sequences.from_arrays(y[:12]), "ridge-ar", progress=False)
    assert few.model.states <= 4
    nile = rekalman.load_example("nile")
    assert np.isfinite(rekalman.fit(nile, "ridge-ar", progress=False).forecast(nile, 5).std).all()


def test_what_is_refused():
    y, u = simulated(30, 9)
    data = Sequences.from_arrays(y)
    with pytest.raises(RekalError, match="40 lags cannot be learned from 30 samples"):
        rekalman.fit(data, "ridge-ar", lags=40, progress=False)
    with pytest.raises(RekalError, match="penalty must be at least 0"):
        rekalman.methods.RidgeAR(penalty=-1.0)
    with pytest.raises(RekalError, match=r"EM trains .*ridge-ar: leave learner out"):
        rekalman.fit(data, "ridge-ar", learner=rekalman.EM(), progress=False)
    with pytest.raises(RekalError, match="needs at least 3 windows of 29 steps"):
        ridge_ar([(y, u)], lags=28)


@pytest.mark.parametrize("gap", [False, True])
def test_many_states_settle_early_with_the_same_numbers(gap):
    """`run_batch` makes room for few steps of the covariances first, `run` for all."""
    y, u = simulated(640, 10)
    found = ridge_ar([(y, u)], lags=13, penalty=0.02).ridge
    mask = np.ones((1, *y.shape), bool)
    mask[0, 500, 0] = not gap
    with jax.enable_x64(True):
        model = companion(
            found.weights, found.intercept, found.cov, 13, y.mean(0), y.var(0), u.mean(0), 1.0, 1e-12
        )  # fmt: skip
        kalman = rekalman.Kalman(model)
        one = kalman.run(jnp.asarray(y), jnp.asarray(mask[0]))
        many = kalman.run_batch(jnp.asarray(y)[None], jnp.asarray(mask))
        for name in ("mean", "cov", "prior_mean", "prior_cov", "log_evidence", "white"):
            np.testing.assert_allclose(getattr(many, name)[0], getattr(one, name), atol=1e-9)


def test_many_states_are_smoothed_as_the_joint_law_says():
    y, u, found, _ = driven_model(13)
    y, u = y[:24], u[:24]
    mask = np.random.default_rng(1).random(y.shape) > 0.4
    with jax.enable_x64(True):
        one = found.ridge
        model = companion(
            one.weights, one.intercept, one.cov, 13, y.mean(0), y.var(0), u.mean(0), 0.999, 1e-12
        )  # fmt: skip
        joint = JointGaussian(model, y, mask, u)
        _, smoothed = rekalman.Kalman(model).smooth(
            jnp.asarray(y), jnp.asarray(mask), jnp.asarray(u)
        )
    mean, cov = joint.given(24)
    np.testing.assert_allclose(smoothed.mean, mean, atol=1e-6)
    every = np.stack([cov[t, :, t] for t in range(24)])
    np.testing.assert_allclose(smoothed.cov, every, atol=1e-6)
