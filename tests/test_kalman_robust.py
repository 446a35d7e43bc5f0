"""Kalman filters where rounding, gaps or singular covariances are the difficulty."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_linear import Joint, assert_equals_joint, random_model, random_series, spd, stable

from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.system import decorrelate
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.precision import single_precision

STEPS = 7


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def leaves(tree):
    """The numbers, without what says which entries have a density."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if leaf.dtype != bool]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_forms_agree_covariances_stay_definite_and_hidden_values_do_nothing(seed, scale):
    """Also for states in units a million apart."""
    rng = np.random.default_rng(seed)
    T = np.diag([1.0, scale])
    A, Q = T @ stable(rng, 2) @ np.linalg.inv(T), T @ spd(rng, 2) @ T
    model = LinearGaussian.create(
        A, rng.normal(size=(2, 2)) @ np.linalg.inv(T), Q, spd(rng, 2), P=T @ spd(rng, 2) @ T,
        B=T @ rng.normal(size=(2, 1)),
    )  # fmt: skip
    y, mask, u = random_series(model, STEPS, seed)
    hidden = jnp.where(mask, y, jnp.nan)
    result = [
        leaves(Kalman(model, form).smooth(y, mask, u))
        for form in ("covariance", "square-root", "parallel")
    ]
    other = leaves(Kalman(model, "covariance").smooth(hidden, mask, u))
    for one, two in zip(result[0], other, strict=True):
        np.testing.assert_array_equal(one, two)
    back = np.diag(1 / np.diag(T))
    for path in result:
        for cov in (path[1], path[3], path[7]):
            assert np.linalg.eigvalsh(back @ cov @ back).min() > 0
    for one, two in zip(result[0], result[1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-10 * scale**2)
    for one, two in zip(result[0], result[2], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-10 * max(1.0, scale**2))


def test_single_precision_stays_positive_definite_over_a_hundred_thousand_steps():
    """Condition number 1e10: the states are a mixture of one of variance 1e5 and one of 1e-5.

    A gap at the very end keeps the covariance recursion from stopping where it has settled.
    """
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    sizes = np.array([1e5, 1.0, 1e-5])
    Q = turn @ np.diag(sizes) @ turn.T
    A = turn @ np.diag([0.999, 0.9, 0.99]) @ turn.T
    C = rng.normal(size=(1, 3)) @ turn.T
    steps = 100_000
    with single_precision():
        model = LinearGaussian.create(A, C, Q, 1e-4 * np.eye(1), P=Q)
        kalman = Kalman(model)
        assert kalman.arithmetic.__name__ == "RootForm"
        y = jnp.asarray(rng.normal(size=(steps, 1)), jnp.float32)
        mask = jnp.ones((steps, 1), bool).at[-2].set(False)
        path, smoothed = kalman.smooth(y, mask)
        assert path.mean.dtype == jnp.float32
    for leaf in leaves((path, smoothed)):
        assert np.isfinite(leaf).all()
    for cov in (path.cov, path.prior_cov, smoothed.cov):
        size = np.sqrt(np.asarray(cov, np.float64).diagonal(axis1=1, axis2=2))
        assert (size > 0).all()
        least = np.linalg.eigvalsh(cov / (size[:, :, None] * size[:, None, :]))[:, 0]
        assert least.min() > -1e-5  # of the product S S', rounded to single precision


def test_single_precision_is_as_exact_as_it_can_be():
    model = random_model(2, 2, 1, 8)
    y, mask, u = random_series(model, STEPS, 8)
    exact = leaves(Kalman(model, "covariance").smooth(y, mask, u))
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (model, y, u))
    model, y, u = single
    rounded = leaves(Kalman(model).smooth(y, mask, u))
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["covariance", "square-root"])
def test_observations_without_noise(form):
    """Some of R is zero, some of it singular: exact sensors, and two that share their noise."""
    rng = np.random.default_rng(1)
    R = np.zeros((3, 3))
    R[1:, 1:] = [[1.0, 2.0], [2.0, 4.0]]
    model = random_model(4, 3, 1, 2)
    model = LinearGaussian.create(
        model.A, model.C, model.Q, R, B=model.B, c=model.c, D=model.D, d=model.d,
        P=spd(rng, 4), m=model.m,
    )  # fmt: skip
    y, mask, u = random_series(model, STEPS, 3)
    path, smoothed = Kalman(model, form).smooth(y, mask, u, None, STEPS)
    joint = Joint(model.blocks(), model.m, model.P, y, mask, u)
    assert_equals_joint(joint, path, smoothed, STEPS, atol=1e-7)


@pytest.mark.parametrize("form", ["covariance", "square-root"])
@pytest.mark.parametrize("noisy", [True, False])
def test_many_observations_enter_together(noisy, form):
    """Fourteen observations of three states; without noise, eleven of them say nothing new."""
    model = random_model(3, 14, 0, 4)
    y, mask, _ = random_series(model, 4, 5)
    if noisy:
        joint = Joint(model.blocks(), model.m, model.P, y, mask)
        assert_equals_joint(joint, *Kalman(model, form).smooth(y, mask, None, None, 4), 4)
        return
    x = np.random.default_rng(6).normal(size=(4, 3))
    y = jnp.asarray(x @ np.asarray(model.C).T + np.asarray(model.d))
    exact = LinearGaussian.create(
        model.A, model.C, model.Q, np.zeros((14, 14)), d=model.d, P=model.P
    )
    path, smoothed = Kalman(exact, form).smooth(y, mask, None, None, 4)
    np.testing.assert_allclose(path.mean, x, atol=1e-6)
    np.testing.assert_allclose(smoothed.mean, x, atol=1e-6)
    assert np.abs(smoothed.cov).max() < 1e-6


def test_a_singular_prediction_does_not_break_the_square_root_smoother():
    """A companion form: the prediction is certain of all but one state, and A forgets one."""
    A = np.array([[0.5, 0.3, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    model = LinearGaussian.create(
        A, np.array([[1.0, 0.4, 0.0]]), np.diag([1.0, 0.0, 0.0]), np.zeros((1, 1)),
        P=np.diag([1.0, 0.0, 0.5]),
    )  # fmt: skip
    y, mask, _ = random_series(model, STEPS, 7)
    path, smoothed = Kalman(model, "square-root").smooth(y, mask)
    joint = Joint(model.blocks(), model.m, model.P, y, mask)
    assert_equals_joint(joint, path, smoothed, STEPS, atol=1e-7)


def test_the_covariance_settles_in_every_direction():
    """A slow state in small units beside a fast one in large units."""
    A, Q = np.diag([0.5, 0.9999]), np.diag([1e8, 1e-12])
    model = LinearGaussian.create(A, np.diag([1.0, 1e6]), Q, np.diag([1e8, 1e2]), P=Q)
    y = jnp.zeros((2000, 2))
    mask = np.ones(y.shape, bool)
    mask[-1] = False
    for form in ("covariance", "square-root"):
        stopped, smoothed = Kalman(model, form).smooth(y, None)
        whole, other = Kalman(model, form).smooth(y, jnp.asarray(mask))
        np.testing.assert_allclose(stopped.var[:-1], whole.var[:-1], rtol=1e-9)
        # The last row says nothing any more of what lies a thousand steps before it.
        for one, two in ((smoothed.cov, other.cov), (smoothed.lag, other.lag)):
            for i in range(2):
                np.testing.assert_allclose(one[:500, i, i], two[:500, i, i], rtol=1e-8)


def test_noise_of_any_units_is_decorrelated():
    R = np.array([[1e-20, 0.5e-14, 0.0], [0.5e-14, 1e-8, 2e-1], [0.0, 2e-1, 1e8]])
    rows, noise = decorrelate(jnp.asarray(R))
    lower = np.linalg.inv(rows)
    size = np.sqrt(np.diag(R))
    again = lower @ np.diag(noise) @ lower.T
    np.testing.assert_allclose(again / np.outer(size, size), R / np.outer(size, size), atol=1e-14)


def test_a_parallel_filter_returns():
    """16 states, 8 observations, a thousand steps: the size at which a peer's scan never came back."""
    model = random_model(16, 8, 0, 9)
    y, mask, _ = random_series(model, 1000, 10)
    one, other = (Kalman(model, form).run(y, mask) for form in ("covariance", "parallel"))
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("form", ["covariance", "square-root", "parallel"])
def test_exact_observations_that_noise_does_not_reach_fix_the_state(form):
    one = np.eye(1)
    model = LinearGaussian.create(one, one, 0 * one, 0 * one)
    path = Kalman(model, form).run(jnp.ones((5, 1)), None)
    np.testing.assert_allclose(path.mean, 1.0)
    np.testing.assert_allclose(path.cov, 0.0)
    np.testing.assert_allclose(path.log_evidence, [-0.5 * (np.log(2 * np.pi) + 1), 0, 0, 0, 0])
    wrong = Kalman(model, form).run(jnp.ones((5, 1)).at[3].set(1.1), None)
    assert wrong.log_evidence[3] == -np.inf  # the state was known to be 1


def test_a_diffuse_start_does_not_depend_on_units():
    """A local linear trend whose slope is counted in units a billion times too large."""
    C, Q = np.array([[1.0, 0.0]]), np.diag([0.3, 0.02])
    result = []
    for unit in (1.0, 1e9):
        T = np.diag([1.0, 1 / unit])
        A = T @ np.array([[1.0, 1.0], [0.0, 1.0]]) @ np.linalg.inv(T)
        model = LinearGaussian.create(A, C, T @ Q @ T, np.eye(1), initial="diffuse")
        y, mask, _ = random_series(model, STEPS, 11)
        path, smoothed = Kalman(model, "covariance").smooth(y, mask)
        back = np.linalg.inv(T)
        moments = back @ np.asarray(smoothed.cov) @ back, np.asarray(smoothed.mean) @ back
        # The constant of the flat law goes with its unit.
        result.append((*moments, float(path.log_likelihood) + np.log(unit)))
    for one, other in zip(*result, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)
