"""The Kalman filter as a recursion, its settled covariance, and the gradient of its likelihood."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from naive_linear import random_model, random_series

from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.system import linear_system
from rekalman.foundation.errors import RekalError
from rekalman.learners.likelihood.score import log_likelihood
from rekalman.models.linear import LinearGaussian

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(
    ("initial", "form"),
    [("given", "covariance"), ("stationary", "covariance"), ("diffuse", "square-root")],
)
def test_the_recursion_on_beliefs_equals_the_whole_run(initial, form):
    model = random_model(3, 2, 1, 2, initial=initial)
    y, mask, u = random_series(model, 12, 3)
    algorithm = Kalman(model, form)
    whole = algorithm.run(y, mask, u)
    steps = jax.jit(lambda y: GaussianFilter.run(algorithm, y, mask, u))(y)
    # Before a diffuse start is determined its moments are huge: they agree in fewer digits.
    relative = 1e-4 if initial == "diffuse" else 1e-9
    for name in ("mean", "cov", "log_evidence", "white"):
        one, other = getattr(whole, name), getattr(steps, name)
        np.testing.assert_allclose(one, other, atol=1e-9, rtol=relative)


@pytest.mark.parametrize(
    ("initial", "missing", "form"),
    [
        ("given", False, "covariance"),
        ("given", True, "square-root"),
        ("diffuse", True, "covariance"),
        ("diffuse", False, "square-root"),
    ],
)
def test_the_score_equals_finite_differences(initial, missing, form):
    model = random_model(3, 2, 1, 6, initial=initial)
    y, mask, u = random_series(model, 40, 7)
    arithmetic = Kalman(model, form).arithmetic

    # One compiled function for both: its value is what the differences are taken of.
    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def score(model: LinearGaussian):
        return log_likelihood(linear_system(model, y, mask if missing else None, u), arithmetic)

    _, gradient = score(model)
    rng = np.random.default_rng(0)
    for name in BLOCKS:
        if initial == "diffuse" and name in ("m", "P"):
            continue
        block = np.asarray(getattr(model, name))
        way = rng.normal(size=block.shape)
        if name in "QRP":
            way = way + way.T
        values = []
        for step in (1e-6, -1e-6):
            moved = jnp.asarray(block + step * way)
            values.append(float(score(eqx.tree_at(lambda m: getattr(m, name), model, moved))[0]))  # noqa: B023
        expected = (values[0] - values[1]) / 2e-6
        result = float((np.asarray(getattr(gradient, name)) * way).sum())
        assert result == pytest.approx(expected, rel=1e-5, abs=1e-5), name


def test_the_settled_covariance_is_the_one_of_the_full_recursion():
    model = random_model(4, 2, 0, 8)
    y, _, _ = random_series(model, 400, 9)
    whole = Kalman(model).run(y, None)
    slow = jax.jit(lambda y: GaussianFilter.run(Kalman(model), y, None))(y)
    np.testing.assert_allclose(whole.cov, slow.cov, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(whole.mean, slow.mean, rtol=1e-9, atol=1e-12)


def test_nile_with_a_diffuse_level(data_root):
    """Durbin and Koopman (2012), section 2.2.5; statsmodels, KFAS and R agree on this value."""
    y = pd.read_csv(data_root / "classic_ssm" / "Nile.csv")["value"].to_numpy(float)[:, None]
    one = np.eye(1)
    model = LinearGaussian.create(one, one, 1469.1 * one, 15099.0 * one, initial="diffuse")
    assert float(Kalman(model).run(jnp.asarray(y), None).log_likelihood) == pytest.approx(
        -632.5456, abs=1e-4
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Q": -np.eye(2)}, "Q, the covariance of the process noise, .*smallest eigenvalue is -1"),
        ({"R": np.ones((2, 2))}, r"R has shape \(2, 2\).*\(1, 1\) would fit"),
        ({"initial": "stationary", "A": np.eye(2)}, "largest eigenvalue of A has modulus 1"),
        ({"A": np.ones((3, 2, 2))}, "LinearTimeVarying"),
        ({"P": np.array([[1.0, 2.0], [0.0, 1.0]])}, "P, .* is not symmetric"),
    ],
)
def test_what_is_refused(change, sentence):
    given = {"A": 0.5 * np.eye(2), "C": np.ones((1, 2)), "Q": np.eye(2), "R": np.eye(1)}
    with pytest.raises(RekalError, match=sentence):
        LinearGaussian.create(**{**given, **change})
