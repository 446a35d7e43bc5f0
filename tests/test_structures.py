"""Structural models: their matrices, their parameters, what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rekalman
from rekalman import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.models.structures.stationary import coefficients
from rekalman.models.structures.structural import (
    autoregression,
    constant_acceleration,
    constant_velocity,
    local_level,
    local_linear_trend,
    oscillator,
    seasonal,
)

EVERY = {
    "level": local_level,
    "trend": local_linear_trend,
    "seasonal": lambda: seasonal(4),
    "oscillator": oscillator,
    "velocity": lambda: constant_velocity(0.5, 2),
    "acceleration": lambda: constant_acceleration(0.5),
    "ar": lambda: autoregression(3),
    "sum": lambda: local_linear_trend() + seasonal(3) + autoregression(1),
}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def data(structure, steps=60):
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(steps, structure.observations)), 0)


@pytest.mark.parametrize("name", EVERY)
def test_starts_from_data_and_names_every_parameter(name):
    structure = EVERY[name]()
    y = data(structure)
    y[5] = np.nan
    started = structure.start(y)
    values = started.values()
    assert len(values) == len(started.vector) == len(set(started.names))
    assert all(np.isfinite(v) for v in values.values())
    same = started.replaced(started.vector)
    np.testing.assert_array_equal(same.vector, started.vector)
    model = started.build()
    assert model.A.shape == (model.states, model.states)
    assert (model.initial == "diffuse") == bool(model.flat)
    for block in (model.Q, model.P, model.R):
        assert np.linalg.eigvalsh(block).min() > -1e-9


def test_the_seasonal_effects_add_up_over_a_period():
    A = np.asarray(seasonal(4).build().A)
    effects = [np.array([1.0, -2.0, 0.5])]
    for _ in range(8):
        effects.append(A @ effects[-1])
    pattern = np.array([e[0] for e in effects])
    np.testing.assert_allclose(pattern[4:], pattern[:-4], atol=1e-12)
    np.testing.assert_allclose(pattern[:4].sum(), 0, atol=1e-12)


def test_the_oscillator_has_its_period_and_damping():
    structure = oscillator(period=12.0, damping=0.95)
    values = structure.values()
    assert values["period"] == pytest.approx(12) and values["damping"] == pytest.approx(0.95)
    model = structure.build()
    poles = np.linalg.eigvals(np.asarray(model.A))
    assert np.abs(poles) == pytest.approx([0.95, 0.95])
    assert abs(np.angle(poles[0])) == pytest.approx(2 * np.pi / 12)
    np.testing.assert_allclose(
        model.A @ model.P @ model.A.T + model.Q, model.P, rtol=1e-9, atol=1e-12
    )


def test_the_search_for_a_period_begins_at_the_strongest():
    t = np.arange(300)
    y = np.sin(2 * np.pi * t / 17) + 0.1 * np.random.default_rng(0).normal(size=300)
    assert oscillator().start(y).values()["period"] == pytest.approx(17, rel=0.1)
    assert oscillator(period=9).start(y).values()["period"] == pytest.approx(9)


@pytest.mark.parametrize("order", [1, 2])
def test_the_noise_of_moving_points_adds_up_over_steps(order):
    """One step of 2 s must be two steps of 1 s: the noise is that of continuous time."""
    make = (constant_velocity, constant_acceleration)[order - 1]
    one, two = make(1.0).build(), make(2.0).build()
    np.testing.assert_allclose(one.A @ one.A, two.A)
    np.testing.assert_allclose(one.A @ one.Q @ one.A.T + one.Q, two.Q)


@settings(max_examples=30)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6))
def test_an_autoregression_is_stationary_whatever_its_parameters(free):
    phi = np.asarray(coefficients(jnp.tanh(jnp.asarray(free))))
    roots = np.roots(np.concatenate([[1.0], -phi]))
    assert np.abs(roots).max() < 1 + 1e-9


def test_the_stationary_start_of_an_autoregression():
    structure = autoregression(2)
    model = structure.replaced(jnp.array([0.6, -0.4, 0.3, 0.0, 2.0])).build()
    np.testing.assert_allclose(
        model.A @ model.P @ model.A.T + model.Q, model.P, rtol=1e-9, atol=1e-12
    )
    assert float(model.d[0]) == 2.0


def test_a_mean_only_where_no_component_is_constant():
    assert "mean" in (autoregression(1) + seasonal(4)).names
    assert "mean" not in (autoregression(1) + local_level()).names
    assert "mean" not in constant_velocity().names


def test_components_that_are_alike_are_numbered():
    names = (oscillator(period=10) + oscillator(period=5)).names
    assert {"period 1", "period 2", "damping 1", "damping 2"} <= set(names)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: local_level() + local_level(), "cannot tell level and level apart"),
        (lambda: local_level() + local_linear_trend(), "cannot tell level and trend apart"),
        (lambda: seasonal(4) + seasonal(12), r"cannot tell seasonal\(4\) and seasonal\(12\) apart"),
        (lambda: constant_velocity() + local_level(), "cannot tell velocity and level apart"),
        (lambda: constant_velocity(axes=2) + seasonal(3), "velocity has 2 and another 1"),
        (lambda: seasonal(1), "period of at least 2 whole steps, but got 1"),
        (lambda: oscillator(period=2.0), "period above 2 steps"),
        (lambda: oscillator(damping=1.0), "between 0 and 1"),
        (lambda: autoregression(0), "at least one lag"),
        (lambda: constant_velocity(dt=-1.0), "dt must be positive"),
        (lambda: local_level().start(np.zeros((20, 2))), r"observes 1 columns.*\(20, 2\)"),
        (lambda: seasonal(12).start(np.arange(9.0)), "11 states needs more data than 9"),
        (lambda: local_level().start(np.full(9, np.nan)), "column 1 of the data has no value"),
    ],
)
def test_what_is_refused(make, sentence):
    with pytest.raises(RekalError, match=sentence):
        make()


def test_seasons_without_a_common_pattern_may_be_added():
    assert (seasonal(4) + seasonal(7)).build().states == 9


def test_several_columns_are_refused_with_what_to_do():
    data = Sequences.from_arrays(np.random.default_rng(0).normal(size=(60, 2)), names=["a", "b"])
    for name in ("local-level", "seasonal", "oscillator", "ar"):
        more = {"period": 12} if name == "seasonal" else {}
        with pytest.raises(
            RekalError, match=r"describes 1 column, but the data have 2 \(a, b\)"
        ) as why:
            rekalman.fit(data, name, progress=False, **more)
        assert "data.select(['a']), --columns a" in str(why.value)
        assert "model linear" in str(why.value)
    with pytest.raises(RekalError, match="describes 3 columns, but the data have 2"):
        rekalman.fit(data, rekalman.constant_velocity(1.0, 3), progress=False)


def test_a_seasonal_model_may_have_a_trend():
    t = np.arange(96)
    y = 0.5 * t + 5 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(0).normal(size=96)
    data = rekalman.Sequences.from_arrays(y)
    fits = [
        rekalman.fit(data, "seasonal", period=12, trend=trend, progress=False)
        for trend in (False, True)
    ]
    assert "slope variance" in [each.name for each in fits[1].parameters]
    ahead = np.arange(96, 120)
    truth = 0.5 * ahead + 5 * np.sin(2 * np.pi * ahead / 12)
    errors = [np.abs(fit.forecast(data, 24).mean[0, :, 0] - truth).mean() for fit in fits]
    assert errors[1] < 1.5 < errors[0]
