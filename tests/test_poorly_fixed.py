"""Directions of a diffuse start that the first observations fix only poorly: exact rational references.

The variance after them is vast beside all others, and whatever subtracts covariances loses its digits there:
smoothed variances of -2726 where .07 is right, and worse.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive_diffuse import Exact

import rekalman
from rekalman import Kalman, LinearTimeVarying, Sequences

FORMS = ("covariance", "square-root", "parallel")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def regressors(near: float, scale: float = 1.0, **start) -> LinearTimeVarying:
    """A level and two regressors that nearly agree for six steps."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 2)).round(3)
    x[:6, 1] = 0.5 * x[:6, 0] + near * x[:6, 1]
    C = np.concatenate([np.ones((12, 1)), scale * x], 1)[:, None, :]
    Q = np.diag([0.125, 0, 0])
    return LinearTimeVarying.create(np.eye(3), C, Q, np.eye(1), varying=("C",), **start)


def assert_exact(model: LinearTimeVarying, form: str, digits: float, scales: np.ndarray) -> None:
    y = np.random.default_rng(0).normal(size=(12, 1)).round(3)
    exact = Exact(model, y, np.ones((12, 1), bool), None)
    smoothed = rekalman.smooth(Kalman(model, form=form), Sequences.from_arrays(y))
    assert smoothed.log_likelihood == pytest.approx(exact.log_likelihood, abs=10 * digits)
    for t in (0, 3, 7, 11):
        right = exact.smoothed[t]
        np.testing.assert_allclose(smoothed.mean[0, t] / scales, right.mean / scales, atol=digits)
        back = np.outer(scales, scales)
        np.testing.assert_allclose(smoothed.cov[0, t] / back, right.cov / back, atol=digits)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("near", "digits"), [(2.0**-7, 1e-8), (2.0**-14, 1e-7), (2.0**-21, 1e-3)])
def test_regressors_that_nearly_agree_at_first(form, near, digits):
    assert_exact(regressors(near, initial="diffuse"), form, digits, np.ones(3))


@pytest.mark.parametrize("form", FORMS)
def test_a_vast_known_start_is_smoothed_as_well(form):
    model = regressors(2.0**-10, P=2.0**33 * np.eye(3))
    if form != "parallel":  # its products of covariances cannot hold both
        assert_exact(model, form, 1e-5, np.ones(3))


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
def test_the_units_of_a_regressor_do_not_matter(scale):
    model = regressors(1.0, scale, initial="diffuse")
    assert_exact(model, "covariance", 1e-8, np.array([1.0, 1 / scale, 1 / scale]))


def test_two_time_stamps_close_together():
    rng = np.random.default_rng(0)
    times = np.r_[0, 1e-5, np.cumsum(rng.uniform(0.5, 1.5, 18))]
    y = np.sin(times / 3) + 0.1 * rng.normal(size=20)
    model = rekalman.LinearContinuous.create(
        np.array([[0, 1.0], [0, 0]]), np.array([[1.0, 0]]), np.diag([0.0, 0.01]), 0.01 * np.eye(1),
        initial="diffuse",
    )  # fmt: skip
    data = Sequences.from_arrays(y, times=times, irregular=True)
    smoothed = rekalman.smooth(Kalman(model), data)
    # The pair as one sample of half the noise, 5e-6 later: the same to that.
    R = np.full((19, 1, 1), 0.01)
    R[0] = 0.005
    steps = np.diff(np.r_[5e-6, times[2:]])
    A = np.stack([np.array([[1, h], [0, 1.0]]) for h in np.r_[0, steps]])
    Q = np.stack([0.01 * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]]) for h in np.r_[0, steps]])
    one = LinearTimeVarying.create(
        A, np.array([[1.0, 0]]), Q, R, varying=("A", "Q", "R"), initial="diffuse"
    )
    pair = Sequences.from_arrays(np.r_[y[:2].mean(), y[2:]])
    right = rekalman.smooth(Kalman(one), pair)
    for t, s in ((1, 0), (5, 4), (19, 18)):
        np.testing.assert_allclose(smoothed.mean[0, t], right.mean[0, s], atol=1e-4)
        np.testing.assert_allclose(smoothed.cov[0, t], right.cov[0, s], atol=1e-4)
    assert (np.diagonal(smoothed.cov[0], axis1=1, axis2=2) > 0).all()


def test_more_precise_columns_than_go_through_one_factor():
    rng = np.random.default_rng(0)
    C, P = rng.normal(size=(40, 2)), 1e4 * np.eye(2)
    y = (C @ rng.normal(size=2) + 1e-3 * rng.normal(size=40))[None]
    model = rekalman.LinearGaussian.create(np.eye(2), C, np.eye(2), 1e-6 * np.eye(40), P=P)
    path = Kalman(model, form="covariance").run(jnp.asarray(y), None)
    weights = np.linalg.inv(np.linalg.inv(P) + C.T @ C / 1e-6)
    np.testing.assert_allclose(path.cov[0], weights, rtol=1e-3)
    np.testing.assert_allclose(path.mean[0], weights @ C.T @ y[0] / 1e-6, rtol=1e-9)
