"""Maximum likelihood against published and stored values; its standard errors and criteria.

The stored values come from statsmodels 0.15.0: `UnobservedComponents(y, use_exact_diffuse=True)`, fitted to
convergence by BFGS, standard errors of `cov_type="approx"` (the numerical Hessian). It leaves `log(2 pi) / 2`
out of the likelihood of each diffuse coordinate, which is added here.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from naive import JointGaussian, random_linear, simulate_linear

from rekalman.data import Sequences
from rekalman.datasets.examples import load_example
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.likelihood.information import decomposed
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.total import groups_of, total_log_likelihood, value_and_gradient
from rekalman.models.linear import LinearGaussian
from rekalman.models.structures.structural import (
    autoregression,
    constant_velocity,
    local_level,
    local_linear_trend,
    seasonal,
)

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")
FLAT = 0.5 * np.log(2 * np.pi)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def column(root, name):
    return pd.read_csv(root / "classic_ssm" / f"{name}.csv")["value"].to_numpy(float)


def estimate(structure, y, **options):
    batch = as_batch(Sequences.from_arrays(y))
    return MaximumLikelihood(**options).run(structure.start(y), batch)


def test_nile(data_root):
    """Durbin and Koopman (2012), section 2.10: 15,099 and 1,469.1."""
    result = estimate(local_level(), column(data_root, "Nile"))
    assert result.value == pytest.approx(-632.5456, abs=1e-4)
    assert result.structure.values()["noise variance"] == pytest.approx(15098.52, rel=1e-5)
    assert result.structure.values()["level variance"] == pytest.approx(1469.178, rel=1e-5)
    errors = dict(zip(result.names, result.standard_errors, strict=True))
    assert errors["noise variance"] == pytest.approx(3145.55, rel=1e-3)
    assert errors["level variance"] == pytest.approx(1280.38, rel=1e-3)
    assert result.stopped == "converged" and result.gradient < 1e-4
    assert result.aic == pytest.approx(1272.9291 - 2 * FLAT, abs=1e-3)
    assert result.bic == pytest.approx(1280.7446 - 2 * FLAT, abs=1e-3)
    assert result.aicc == pytest.approx(1273.1791 - 2 * FLAT, abs=1e-3)
    assert "level variance" in result.summary() and "converged" in result.summary()


def test_nile_with_gaps(data_root):
    y = column(data_root, "Nile")
    y[20:40] = y[60:80] = np.nan
    result = estimate(local_level(), y)
    assert result.value == pytest.approx(-380.926668 + FLAT, abs=1e-5)
    np.testing.assert_allclose(result.estimates, [685.821473, 17899.83423], rtol=1e-4)
    np.testing.assert_allclose(result.standard_errors, [564.946, 3674.93], rtol=2e-3)


def test_a_trend_with_seasons(data_root):
    """UK gas, quarterly, in logarithms: the level variance is zero."""
    result = estimate(local_linear_trend() + seasonal(4), np.log(column(data_root, "UKgas")))
    assert result.value == pytest.approx(79.192655 + 5 * FLAT, abs=1e-4)
    values = result.structure.values()
    assert values["level variance"] < 1e-8
    assert values["slope variance"] == pytest.approx(7.9012e-6, rel=1e-3)
    assert values["seasonal(4) variance"] == pytest.approx(3.308592e-3, rel=1e-3)
    assert values["noise variance"] == pytest.approx(1.822491e-3, rel=1e-3)
    errors = dict(zip(result.names, result.standard_errors, strict=True))
    assert np.isnan(errors["level variance"]) and np.isfinite(errors["noise variance"])


def test_an_autoregression_around_a_mean(data_root):
    """Lake Huron; R's `arima(LakeHuron, c(2, 0, 0))` gives 1.0436, -0.2495, 579.05, 0.4788, -103.63."""
    y = column(data_root, "LakeHuron")
    result = estimate(autoregression(2), y)
    values = result.structure.values()
    assert values["phi1"] == pytest.approx(1.0436, abs=2e-3)
    assert values["phi2"] == pytest.approx(-0.2495, abs=2e-3)
    assert values["mean"] == pytest.approx(579.05, abs=0.02)
    assert values["ar variance"] == pytest.approx(0.4788, abs=2e-3)
    assert result.value == pytest.approx(-103.63, abs=0.01)


def test_intervals_are_positive_where_parameters_are(data_root):
    result = estimate(local_level(), column(data_root, "Nile"))  # compiled above
    low, high = result.interval()
    assert (low > 0).all() and (low < result.estimates).all() and (result.estimates < high).all()


def test_frozen_parameters_stay(data_root):
    y = column(data_root, "Nile")
    start = local_level().start(y)
    result = estimate(local_level(), y, freeze=("noise variance",))
    assert result.names == ("level variance",)
    assert result.structure.values()["noise variance"] == start.values()["noise variance"]


def linear_case(steps=300, initial="given"):
    network = random_linear(2, 2, 1, seed=1)
    blocks = {name: getattr(network, name) for name in BLOCKS}
    y, mask, u = (np.asarray(leaf) for leaf in simulate_linear(network, steps, seed=2))
    return LinearGaussian.create(**blocks, initial=initial), y, mask, u


def test_em_has_little_to_add_to_a_linear_model():
    truth, y, _, u = linear_case(1000, "stationary")
    batch = as_batch(Sequences.from_arrays(y, inputs=u))
    result = MaximumLikelihood().run(truth, batch)
    assert result.stopped == "converged" and result.gradient < 0.01
    assert result.value > result.log_likelihood[0]
    # EM, whose start is tied to nothing, can only make use of that freedom.
    m, P = result.model.initial_moments()
    given = dataclasses.replace(result.model, m=m, P=P, initial="given")
    more = linear_em(given, batch, iterations=30, tolerance=0, freeze=("m", "P"))
    assert more.log_likelihood[0] == pytest.approx(result.value, abs=1e-6)
    assert more.log_likelihood[-1] - result.value < 5
    # The basis of the states is arbitrary: A has no standard errors of its own, its poles have.
    assert np.isnan(dict(zip(result.names, result.standard_errors, strict=True))["A[1, 1]"])
    value, error = result.standard_error_of(
        lambda m: jnp.stack([jnp.trace(m.A), jnp.linalg.det(m.A)])
    )
    assert np.isfinite(error).all() and (error < 0.2).all()
    expected = jnp.stack([jnp.trace(truth.A), jnp.linalg.det(truth.A)])
    assert (np.abs(value - expected) < 4 * error).all()


def test_several_series_with_gaps_equal_their_sum():
    truth, y, mask, u = linear_case(12)
    gappy = np.where(mask, y, np.nan)
    data = Sequences.from_arrays([y, gappy[:9], y[:6], y[6:]], inputs=[u, u[:9], u[:6], u[6:]])
    groups = groups_of(as_batch(data))
    assert [g.values.shape[:2] for g in groups] == [(2, 6), (1, 12), (1, 9)]
    total = float(jax.jit(lambda: total_log_likelihood(truth, groups))())
    apart = [
        JointGaussian(
            truth, *(np.asarray(leaf)[i, :n] for leaf in (data.values, data.mask, data.inputs))
        )
        for i, n in enumerate((12, 9, 6, 6))
    ]
    assert total == pytest.approx(sum(joint.log_likelihood() for joint in apart), abs=1e-9)


def test_an_interrupt_keeps_the_best():
    y = np.cumsum(np.random.default_rng(0).normal(size=100))

    def interrupt(progress):
        if progress.iteration == 3:
            raise KeyboardInterrupt

    batch = as_batch(Sequences.from_arrays(y))
    result = MaximumLikelihood().run(local_level().start(y), batch, callback=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.log_likelihood) == 4 and result.value >= result.log_likelihood[0]


def test_a_search_without_standard_errors_ends_at_the_same_place(data_root):
    y = column(data_root, "Nile")
    result = estimate(local_level(), y, errors=False)
    assert result.value == pytest.approx(-632.5456, abs=1e-4)
    assert result.stopped == "converged" and np.isnan(result.standard_errors).all()
    assert np.isfinite(result.aic) and "AIC" in result.summary()
    with pytest.raises(RekalError, match="standard errors were not worked out"):
        result.standard_error_of(lambda model: model.Q)


def test_directions_that_are_not_determined_have_no_standard_error():
    information = decomposed(np.array([[4.0, 4.0], [4.0, 4.0]]))
    assert information.rank == 1
    errors = information.standard_errors(np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert errors[0] == pytest.approx(0.5)
    assert np.isnan(errors[1])


def test_what_is_refused():
    truth, y, _, u = linear_case(30)
    batch = as_batch(Sequences.from_arrays(y, inputs=u))
    with pytest.raises(RekalError, match="every block is frozen"):
        MaximumLikelihood(freeze=BLOCKS).run(truth, batch)
    with pytest.raises(RekalError, match="R is to stay diagonal"):
        MaximumLikelihood(observation_noise="diagonal").run(truth, batch)
    with pytest.raises(RekalError, match="no parameter 'A': use one of level variance, noise"):
        MaximumLikelihood(freeze=("A",)).run(
            local_level(), as_batch(Sequences.from_arrays(y[:, :1]))
        )
    with pytest.raises(
        RekalError, match="model has 1 observations and 0 inputs, but the data have 2"
    ):
        MaximumLikelihood().run(local_level(), batch)


def test_a_singular_covariance_is_searched_in_its_range(data_root):
    """A level with seasons as a linear model: the shift register has no noise, and gets none."""
    y = np.log(column(data_root, "UKgas"))
    built = (local_level() + seasonal(4)).start(y).build()
    freeze = ("A", "B", "c", "C", "D", "d")
    batch = as_batch(Sequences.from_arrays(y))
    result = MaximumLikelihood(freeze=freeze, process_noise="diagonal").run(built, batch)
    same = estimate(local_level() + seasonal(4), y)
    assert result.names == ("Q[1, 1]", "Q[2, 2]", "R[1, 1]")
    assert result.value == pytest.approx(same.value, abs=1e-4)
    np.testing.assert_allclose(result.estimates, same.estimates, rtol=1e-3, atol=1e-8)
    assert not np.asarray(result.model.Q)[2:].any()


def test_a_covariance_of_one_factor(data_root):
    """Constant velocity: the noise moves in two directions by one parameter, or in one direction alone."""
    y = column(data_root, "Nile")
    structure = constant_velocity().start(y)
    freeze = ("A", "B", "c", "C", "D", "d")
    batch = as_batch(Sequences.from_arrays(y))
    scaled = MaximumLikelihood(freeze=freeze, process_noise="scaled")
    result, same = scaled.run(structure.build(), batch), estimate(constant_velocity(), y)
    assert result.value == pytest.approx(same.value, abs=1e-5)
    np.testing.assert_allclose(result.model.Q, same.model.Q, rtol=1e-3)
    one = dataclasses.replace(structure.build(), Q=10 * jnp.outer(*2 * [jnp.array([0.5, 1.0])]))
    along = MaximumLikelihood(freeze=freeze).run(one, batch)
    assert along.names == ("Q[1, 1]", "R[1, 1]")
    Q = np.asarray(along.model.Q)
    np.testing.assert_allclose(Q / Q[1, 1], [[0.25, 0.5], [0.5, 1.0]], rtol=1e-9)
    assert along.value > along.log_likelihood[0]


@pytest.mark.parametrize("initial", ["given", "diffuse"])
def test_the_gradient_where_gains_settle_after_a_gap(initial):
    """Missing entries make C and R change in time: steps that are skipped count for their noise, too."""
    one = np.eye(1)
    y = np.random.default_rng(0).normal(size=(1, 60, 1))
    y[0, 5:8] = np.nan
    groups = groups_of(as_batch(Sequences.from_arrays(y)))

    @jax.jit
    def value(theta):
        blocks = (theta[0] * one, theta[1] * one, theta[2] * one, theta[3] * one)
        return total_log_likelihood(LinearGaussian.create(*blocks, initial=initial), groups)

    at = jnp.array([0.7, 0.9, 0.09, 0.04])
    slope = np.asarray(jax.grad(value)(at))
    steps = 1e-6 * np.eye(4)
    numeric = [float(value(at + step) - value(at - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(slope, numeric, rtol=1e-5)


def test_the_gradient_has_no_jumps():
    """While the gains are settled steps are skipped: how many, all sums must agree on, at every rounding."""
    nile = load_example("nile")
    parameters = named_parameters(autoregression(1).start(nile.values[0]))
    groups = groups_of(as_batch(nile))
    slope = lambda v: np.asarray(value_and_gradient(parameters, jnp.asarray(v), groups)[1])  # noqa: E731
    vector = np.array([1.297195, 8.388704, 9.389238, 1.343717])
    for way in np.eye(4):
        slopes = np.stack([slope(vector + k * 1e-7 * way) for k in range(200)])
        steps = np.diff(slopes, axis=0)
        assert np.abs(steps - np.median(steps, 0)).max() < 1e-3
