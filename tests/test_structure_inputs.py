"""Structures with known inputs, their units, and variances at the boundary, against other libraries.

The figures come from statsmodels 0.14 (`UnobservedComponents(..., use_exact_diffuse=True)`, `SARIMAX`),
standard errors from the inverse of the Hessian of its log-likelihood by central differences, or from R as
noted. Its diffuse log-likelihood leaves `log 2 pi / 2` out for every diffuse coordinate, which `FLAT` adds.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from volatility import StochasticVolatility

import rekalman
from rekalman import MaximumLikelihood, RekalError, Sequences
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.information import (
    at_the_boundary,
    decomposed,
    observed_information,
    without,
)
from rekalman.models.structures.structural import (
    constant_velocity,
    local_level,
    oscillator,
)

FLAT = 0.5 * np.log(2 * np.pi)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def parameters(fit) -> tuple[dict[str, float], dict[str, float]]:
    """Values and standard errors by name."""
    each = fit.parameters
    return {p.name: p.value for p in each}, {p.name: p.standard_error for p in each}


def driven(y, inputs, names, **more) -> Sequences:
    return Sequences.from_arrays(y[:, None], inputs=inputs, input_names=names, **more)


def nile(root) -> np.ndarray:
    return pd.read_csv(root / "classic_ssm" / "Nile.csv")["value"].to_numpy(float)


@pytest.mark.returns_nan("a level that walks has no amplitude, no variance and no gain")
def test_drivers_petrol_and_the_law(data_root):
    """Durbin and Koopman (2012), section 8.2.3: one call. The seasonal variance is zero."""
    table = pd.read_csv(data_root / "classic_ssm" / "Seatbelts.csv")
    inputs = np.c_[np.log(table["PetrolPrice"]), table["law"]]
    data = driven(np.log(table["drivers"].to_numpy(float)), inputs, ("petrol", "law"))
    fit = rekalman.fit(data, "seasonal", period=12, progress=False)
    values, errors = parameters(fit)
    assert fit.history.log_likelihood[-1] == pytest.approx(189.660126 + 12 * FLAT, abs=1e-4)
    assert fit.filter(data).log_likelihood == pytest.approx(189.660126 + 12 * FLAT, abs=1e-4)
    expected = {
        "noise variance": (4.083897e-3, 5.4403e-4), "level variance": (2.237181e-4, 1.3838e-4),
        "coefficient of petrol": (-0.2816531, 0.0958183), "coefficient of law": (-0.2359252, 0.0449367),
    }  # fmt: skip
    for name, (value, error) in expected.items():
        assert values[name] == pytest.approx(value, rel=2e-4), name
        assert errors[name] == pytest.approx(error, rel=2e-3), name
    assert values["seasonal(12) variance"] < 1e-8
    assert np.isnan(errors["seasonal(12) variance"])
    assert [p.name for p in fit.parameters if p.boundary] == ["seasonal(12) variance"]
    assert "zero: at the boundary" in fit.summary()
    with pytest.raises(RekalError, match="inputs"):
        fit.forecast(data, 3)
    ahead = fit.forecast(data, 3, future_inputs=np.tile([[-2.2, 0.0]], (3, 1)))
    law = fit.forecast(data, 3, future_inputs=np.tile([[-2.2, 1.0]], (3, 1)))
    np.testing.assert_allclose(law.mean - ahead.mean, values["coefficient of law"], rtol=1e-6)


def test_a_variance_at_zero_leaves_the_errors_of_the_others(data_root):
    """The Nile after the dam: a constant with a step. Closed form: a regression on two constants."""
    y, dam = nile(data_root), (np.arange(1871, 1971) >= 1899).astype(float)
    fit = rekalman.fit(driven(y, dam[:, None], ("dam",)), "local-level", progress=False)
    values, errors = parameters(fit)
    before, after = y[dam == 0], y[dam == 1]
    noise = (((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()) / 99
    assert fit.history.log_likelihood[-1] == pytest.approx(-623.292227 + FLAT, abs=1e-4)
    assert values["coefficient of dam"] == pytest.approx(after.mean() - before.mean(), rel=1e-4)
    assert values["noise variance"] == pytest.approx(noise, rel=1e-4)
    assert errors["noise variance"] == pytest.approx(noise * np.sqrt(2 / 99), rel=1e-3)
    step = np.sqrt(noise * (1 / len(before) + 1 / len(after)))
    assert errors["coefficient of dam"] == pytest.approx(step, rel=1e-3)
    assert np.isnan(errors["level variance"])


def test_a_stationary_structure_around_a_line(data_root):
    """R's `arima(LakeHuron, c(2, 0, 0), xreg = time(LakeHuron) - 1920)`; the noise of our model is zero."""
    y = pd.read_csv(data_root / "classic_ssm" / "LakeHuron.csv")["value"].to_numpy(float)
    data = driven(y, np.arange(1875, 1973)[:, None] - 1920.0, ("year",))
    values, errors = parameters(rekalman.fit(data, "ar", states=2, progress=False))
    expected = {
        "phi1": (1.004816, 0.097621), "phi2": (-0.291301, 0.100335), "mean": (579.09942, 0.237024),
        "coefficient of year": (-0.0215732, 0.0080987), "ar variance": (0.456611, 0.065237),
    }  # fmt: skip
    for name, (value, error) in expected.items():
        assert values[name] == pytest.approx(value, rel=2e-3), name
        assert errors[name] == pytest.approx(error, rel=0.02), name
    assert np.isnan(errors["noise variance"])


@pytest.mark.parametrize("scale", [1e12, 1e-21])
def test_units_change_nothing_but_the_units(data_root, scale):
    """In single precision, too: variances of 1e-42 have no place there."""
    u = np.random.default_rng(0).normal(size=(100, 1))
    y = nile(data_root)
    with jax.enable_x64(False):
        plain, scaled = (
            rekalman.fit(driven(s * y, r * u + r, ("u",)), "local-level", progress=False)
            for s, r in ((1.0, 1.0), (scale, 1e3))
        )
        made = [
            fit.forecast(driven(s * y, r * u + r, ("u",)), 2, future_inputs=np.full((2, 1), r))
            for fit, s, r in ((plain, 1.0, 1.0), (scaled, scale, 1e3))
        ]
        whole = scaled.filter(driven(scale * y, 1e3 * u + 1e3, ("u",))).log_likelihood
    (values, errors), (far, far_errors) = parameters(plain), parameters(scaled)
    assert plain.history.log_likelihood[-1] == pytest.approx(-633.249488 + FLAT, abs=1e-3)
    assert values["noise variance"] == pytest.approx(14481.323, rel=1e-3)
    assert values["level variance"] == pytest.approx(1780.865, rel=1e-3)
    assert values["coefficient of u"] == pytest.approx(-9.835064, rel=1e-3)
    assert errors["coefficient of u"] == pytest.approx(14.92246, rel=2e-3)
    units = {
        "noise variance": scale**2,
        "level variance": scale**2,
        "coefficient of u": scale / 1e3,
    }
    for name, unit in units.items():
        assert far[name] == pytest.approx(values[name] * unit, rel=1e-4), name
        assert far_errors[name] == pytest.approx(errors[name] * unit, rel=1e-3), name
    np.testing.assert_allclose(made[1].mean, scale * np.asarray(made[0].mean), rtol=1e-4)
    np.testing.assert_allclose(made[1].std, scale * np.asarray(made[0].std), rtol=1e-3)
    # The flat level counts in raw units: 99 entries of 100 have a density per unit.
    shift = -99 * np.log(scale)
    expected = plain.history.log_likelihood[-1] + shift
    assert scaled.history.log_likelihood[-1] == pytest.approx(expected, abs=1e-2)
    assert whole == pytest.approx(expected, abs=0.1)
    criteria, others = dict(plain.history.criteria), dict(scaled.history.criteria)
    assert others["AIC"] == pytest.approx(criteria["AIC"] - 2 * shift, abs=0.02)


def test_the_likelihood_is_that_of_the_raw_data_everywhere(data_root):
    """Two series with gaps at their beginnings: history, filter, stream and a search on raw data agree."""
    y = nile(data_root)
    first, second = y[:60].copy(), y[40:].copy()
    first[:3] = second[1:4] = np.nan
    data = Sequences.from_arrays([first, second])
    fit = rekalman.fit(data, local_level(), scale="shared", progress=False)
    value = fit.history.log_likelihood[-1]
    raw = MaximumLikelihood().run(
        local_level().start(second), as_batch(data)
    )  # no units are changed here
    assert value == pytest.approx(raw.value, abs=1e-4)
    assert fit.filter(data).log_likelihood == pytest.approx(value, abs=1e-4)
    assert dict(fit.history.criteria)["AIC"] == pytest.approx(raw.aic, abs=1e-3)
    stream = fit.stream()
    for row in first:
        stream.update(row)
    alone = fit.filter(Sequences.from_arrays(first)).log_likelihood
    assert stream.log_likelihood == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(
    ("structure", "irregular"),
    [(oscillator(8) + local_level(), False), (constant_velocity(axes=2), True)],
)
def test_other_structures_take_inputs(structure, irregular):
    """An input that acts on the data is found, whatever else moves."""
    rng = np.random.default_rng(1)
    p = structure.observations
    u = rng.normal(size=(60, 1)) * 50
    noise = rng.normal(size=(60, p))
    y = 0.1 * np.cumsum(noise, 0) + 0.2 * rng.normal(size=(60, p)) + u @ np.arange(1.0, p + 1)[None]
    times = np.cumsum(rng.uniform(0.5, 1.5, 60)) if irregular else None
    data = Sequences.from_arrays(
        y, inputs=u, input_names=("valve",), times=times, irregular=irregular
    )
    learner = MaximumLikelihood(iterations=60)
    values, _ = parameters(rekalman.fit(data, structure, learner, progress=False))
    names = [name for name in values if name.startswith("coefficient")]
    assert names == (
        ["coefficient of valve"] if p == 1 else ["coefficient 1 of valve", "coefficient 2 of valve"]
    )
    np.testing.assert_allclose([values[name] for name in names], np.arange(1.0, p + 1), atol=0.01)


def test_frozen_parameters_of_a_structure_keep_its_values(data_root):
    """They are in raw units, and are not searched for in the data either."""
    y = nile(data_root)
    structure = local_level()
    chosen = structure.replaced(jnp.log(jnp.array([2000.0, 14000.0])))
    fit = rekalman.fit(
        Sequences.from_arrays(y),
        chosen,
        MaximumLikelihood(freeze=("noise variance",)),
        progress=False,
    )
    scale = float(fit.standardiser.scale[0])
    assert float(fit.model.R[0, 0]) * scale**2 == pytest.approx(14000.0, rel=1e-9)
    assert [p.name for p in fit.parameters] == ["level variance"]


def test_simulations_of_a_diffuse_start_begin_where_the_data_did(data_root, tmp_path):
    y = nile(data_root)
    data = Sequences.from_arrays(y)
    fit = rekalman.fit(data, "local-level", progress=False)
    drawn = fit.simulate(2, batch=4000, seed=1)
    smoothed = rekalman.smooth(fit.algorithm, fit.prepare(data))
    scale, at = float(fit.standardiser.scale[0]), float(fit.standardiser.location[0])
    mean = float(smoothed.mean[0, 0, 0]) * scale + at
    values, _ = parameters(fit)
    var = float(smoothed.cov[0, 0, 0, 0]) * scale**2 + values["noise variance"]
    first = np.asarray(drawn.values)[:, 0, 0]
    assert first.mean() == pytest.approx(mean, abs=4 * np.sqrt(var / 4000))
    assert first.var() == pytest.approx(var, rel=0.1)
    fit.save(tmp_path / "nile.rekalman")
    again = rekalman.load(tmp_path / "nile.rekalman")
    np.testing.assert_array_equal(again.simulate(5, seed=3).values, fit.simulate(5, seed=3).values)
    given = np.asarray(fit.simulate(1, batch=4000, seed=2, start=[2.0]).values)[:, 0, 0]
    assert given.mean() == pytest.approx(2 * scale + at, abs=10)
    assert given.var() == pytest.approx(values["noise variance"], rel=0.1)
    with pytest.raises(RekalError, match="start of shape"):
        fit.simulate(5, start=[1.0, 2.0])


def test_what_does_not_fit_is_refused():
    y = np.random.default_rng(0).normal(size=50)
    still = driven(y, np.ones((50, 1)), ("fan",))
    with pytest.raises(RekalError, match="column 'fan' is constant"):
        rekalman.fit(still, "local-level", progress=False)
    other = driven(y, np.arange(50.0)[:, None], ("wind",))
    with pytest.raises(RekalError, match="takes the inputs fan, but the data have wind"):
        rekalman.fit(other, local_level().with_inputs(("fan",)), progress=False)
    with pytest.raises(RekalError, match="inputs need names of their own"):
        local_level().with_inputs(("fan", "fan"))
    with pytest.raises(RekalError, match="takes inputs of shape"):
        local_level().with_inputs(("fan",)).start(y)


def test_a_parameter_without_a_derivative_costs_the_others_nothing():
    """One entry of the gradient that is NaN at every point made all standard errors NaN."""

    def gradient(v):
        return np.array([-4.0 * v[0], np.nan, -9.0 * v[2]])

    information = observed_information(gradient, np.zeros(3))
    errors = information.standard_errors(np.eye(3))
    np.testing.assert_allclose(errors[[0, 2]], [1 / 2, 1 / 3], rtol=1e-6)
    assert np.isnan(errors[1])


def test_a_variance_at_the_boundary_is_taken_out():
    """Its row is rounding: it would tilt the directions of the others."""
    information = decomposed(np.array([[1e4, 5.0, 0.2], [5.0, 100.0, -0.3], [0.2, -0.3, 1e-6]]))
    edge = at_the_boundary(information, np.array([True, True, True]))
    np.testing.assert_array_equal(edge, [False, False, True])
    errors = without(information, edge).standard_errors(np.eye(3))
    expected = np.sqrt(np.diagonal(np.linalg.inv([[1e4, 5.0], [5.0, 100.0]])))
    np.testing.assert_allclose(errors[:2], expected)
    assert np.isnan(errors[2])


def test_models_without_a_learner_are_refused_in_one_sentence():
    """They ended in an AttributeError."""
    data = Sequences.from_arrays(np.random.default_rng(0).normal(size=40))
    with pytest.raises(RekalError, match="cannot be learned yet, only filtered"):
        rekalman.fit(data, StochasticVolatility(), progress=False)
