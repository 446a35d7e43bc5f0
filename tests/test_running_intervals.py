"""Intervals from errors that are known already: by hand, causal, calibrated where noise drifts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from test_streams import fit_of
from typer.testing import CliRunner

import rekalman
from rekalman.cli.app import app
from rekalman.forecasting.running import BIAS, KERNEL, MEMORY, _normal_scores, known_errors


def drifting(steps: int = 900, seed: int = 0, columns: int = 1) -> rekalman.Sequences:
    """An autoregression whose noise swells and shrinks, with heavy tails."""
    rng = np.random.default_rng(seed)
    scale = np.exp(np.sin(np.arange(steps) / 120))
    y = np.zeros((steps, columns))
    for t in range(1, steps):
        y[t] = 0.8 * y[t - 1] + scale[t] * rng.standard_t(4, columns)
    return rekalman.Sequences.from_arrays(y)


@pytest.fixture(scope="module")
def data():
    return drifting()


@pytest.fixture(scope="module")
def fit(data):
    return rekalman.fit(data.window(0, 300), "ridge-ar", lags=1, progress=False)


def test_they_hold_where_those_of_the_model_do_not(data, fit):
    coverage = {
        kind: fit.roll(data, [1, 4], origins=range(300, 890), intervals=kind).score(
            data.values, data.mask, pooled=True
        )
        for kind in ("model", "running")
    }
    own, running = coverage["model"], coverage["running"]
    assert (np.abs(running["coverage_90"] - 0.9) < 0.05).all()
    assert (np.abs(running["coverage_50"] - 0.5) < 0.07).all()
    assert (np.abs(own["coverage_50"] - 0.5) > 0.12).all()
    assert (running["crps"] < own["crps"]).all()


def test_the_law_is_that_of_the_errors_counted_by_hand(data, fit):
    made = fit.roll(data, 3, origins=[500], intervals="running")
    base = fit.roll(data, 3)
    y = np.asarray(data.values)[0, :, 0]
    mean, deviation = np.asarray(base.mean)[:, 0, 0], np.asarray(base.std)[:, 0, 0]
    z = [(y[o + 3] - mean[o]) / deviation[o] for o in range(498 - MEMORY, 498)]
    z = np.array(z) - (1 - BIAS) * np.mean(z)
    centres = mean[500] + deviation[500] * np.sqrt(1 - KERNEL**2) * z
    assert float(made.mean[0, 0, 0]) == pytest.approx(centres.mean(), rel=1e-4)
    within = (KERNEL * deviation[500]) ** 2 * np.mean(z**2)
    assert float(made.std[0, 0, 0]) ** 2 == pytest.approx(centres.var() + within, rel=1e-4)


def test_nothing_after_an_origin_enters(data, fit):
    values = np.array(data.values)
    values[0, 401:] = 50.0
    other = dataclasses.replace(data, values=values)
    one, two = (
        fit.roll(each, [1, 5], origins=[400], intervals="running") for each in (data, other)
    )
    np.testing.assert_allclose(one.means, two.means, rtol=1e-6)
    ahead = fit.forecast(data.window(0, 401), 5, intervals="running")
    np.testing.assert_allclose(one.mean[0, 1], ahead.mean[0, 4], rtol=1e-5)
    np.testing.assert_allclose(one.quantile(0.9)[0, 1], ahead.quantile(0.9)[0, 4], rtol=1e-4)


def test_before_there_are_errors_they_are_those_of_the_model(data, fit):
    own, running = (fit.roll(data, 1, origins=[2], intervals=kind) for kind in ("model", "running"))
    np.testing.assert_allclose(running.std, own.std, rtol=0.05)
    np.testing.assert_allclose(running.quantile(0.9), own.quantile(0.9), rtol=0.1)
    scores = _normal_scores()
    assert np.mean(scores**2) == pytest.approx(1.0) and abs(scores[: MEMORY // 2].mean()) < 0.1


def driven(steps: int, seed: int = 0, inputs: bool = True) -> rekalman.Sequences:
    """The same, driven by an input, which may be left out of the data."""
    y = np.array(drifting(steps, seed).values)[0]
    u = np.random.default_rng(seed + 100).normal(size=(steps, 1))
    known = {"inputs": u, "input_names": ["u1"]} if inputs else {}
    return rekalman.Sequences.from_arrays(y + 2 * u, names=["y1"], **known)


@pytest.fixture(scope="module")
def driven_fit():
    return rekalman.fit(driven(300), "ridge-ar", lags=1, progress=False)


@pytest.mark.parametrize("horizon", [1, 6])
def test_with_inputs_each_horizon_has_its_newest_errors(driven_fit, horizon):
    data, end = driven(200, 1), 150
    u = np.asarray(data.inputs)[0]
    past, future = data.window(0, end), u[end : end + horizon]
    ahead = driven_fit.forecast(past, horizon, future, intervals="running")
    rolled = driven_fit.roll(data, range(1, horizon + 1), origins=[end - 1], intervals="running")
    stream = driven_fit.stream(intervals="running", horizon=horizon)
    for y, row in zip(np.asarray(past.values)[0], u[:end], strict=True):
        stream.update(y, row)
    for other in (rolled, stream.forecast(horizon, future)):
        np.testing.assert_allclose(ahead.means, other.means, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ahead.cov, other.cov, rtol=1e-4)
    # By hand: the newest error of each horizon is that of the last observation.
    y = np.asarray(past.values)[0, :, 0]
    model = driven_fit.forecast(past, horizon, future)
    for h in range(1, horizon + 1):
        base = driven_fit.roll(past, h)
        mean, deviation = (np.asarray(v)[:, 0, 0] for v in (base.mean, base.std))
        z = (y[h:] - mean[: end - h]) / deviation[: end - h]
        z = z[-MEMORY:] - (1 - BIAS) * z[-MEMORY:].mean()
        centre = np.asarray(model.mean)[0, h - 1, 0]
        scale = np.asarray(model.std)[0, h - 1, 0]
        expected = centre + scale * np.sqrt(1 - KERNEL**2) * z
        np.testing.assert_allclose(ahead.means[0, h - 1, :, 0], expected, rtol=1e-4, atol=1e-4)


def test_with_inputs_a_series_may_be_shorter_than_the_horizon(driven_fit):
    every = [driven(steps, seed) for steps, seed in ((120, 2), (4, 3), (1, 4))]
    values, inputs = (
        [np.asarray(getattr(one, name))[0] for one in every] for name in ("values", "inputs")
    )
    together = rekalman.Sequences.from_arrays(
        values, inputs=inputs, names=["y1"], input_names=["u1"]
    )
    future = np.ones((6, 1))
    made = driven_fit.forecast(together, 6, future, intervals="running")
    for i, one in enumerate(every):
        alone = driven_fit.forecast(one, 6, future, intervals="running")
        np.testing.assert_allclose(made.means[i], alone.means[0], rtol=1e-5, atol=1e-5)
        assert (np.asarray(alone.means)[0, 5].std() > 0).all()
    own = driven_fit.forecast(every[2], 6, future)  # one step: there is no error
    np.testing.assert_allclose(alone.std, own.std, rtol=0.05)
    some = [np.array([100]), np.array([], int), np.array([], int)]
    rolled = driven_fit.roll(together, [1, 6], origins=some, intervals="running")
    alone = driven_fit.roll(every[0], [1, 6], origins=[100], intervals="running")
    np.testing.assert_allclose(rolled.means, alone.means, rtol=1e-5, atol=1e-5)


def test_of_a_model_for_a_number_of_steps_nothing_beyond_them_is_forecast():
    one = np.eye(1)
    rng = np.random.default_rng(0)
    for B in (None, one):
        model = rekalman.LinearTimeVarying.create(
            one, rng.uniform(0.5, 2, (40, 1, 1)), one, one, B=B, varying=("C",)
        )
        fit = fit_of(model, inputs=0 if B is None else 1)
        data = driven(40, inputs=B is not None)
        made = fit.roll(data, [1, 3], origins=[36], intervals="running")
        future = None if B is None else np.asarray(data.inputs)[0, 37:]
        ahead = fit.forecast(data.window(0, 37), 3, future, intervals="running")
        np.testing.assert_allclose(made.means[0, 1], ahead.means[0, 2], rtol=1e-5)


def test_with_a_diffuse_start_errors_are_known_once_the_state_is():
    one = np.eye(1)
    slope = np.array([[1.0, 1.0], [0.0, 1.0]])
    model = rekalman.LinearGaussian.create(
        slope, np.eye(2)[:1], 0.1 * np.eye(2), one, B=np.ones((2, 1)), initial="diffuse"
    )
    fit, data = fit_of(model, inputs=1), driven(30)
    u = np.asarray(data.inputs)[0]
    stream = fit.stream(intervals="running", horizon=3)
    for t, y in enumerate(np.asarray(data.values)[0]):
        stream.update(y, u[t])
        if t in (1, 2, 3, 10, 26):
            past = data.window(0, t + 1)
            ahead = fit.forecast(past, 3, u[t + 1 : t + 4], intervals="running")
            streamed = stream.forecast(3, u[t + 1 : t + 4])
            np.testing.assert_allclose(ahead.means, streamed.means, rtol=1e-4, atol=1e-4)


def test_missing_entries_leave_no_error_and_series_do_not_mix():
    series = [np.asarray(drifting(120, seed).values)[0] for seed in (1, 2)]
    series[0][50:60] = np.nan
    both = rekalman.Sequences.from_arrays(series)
    fit = rekalman.fit(both, "naive", progress=False)
    alone = rekalman.Sequences.from_arrays([series[1]], series_names=("2",))
    together = fit.forecast(both, 2, intervals="running")
    np.testing.assert_allclose(
        together.mean[1], fit.forecast(alone, 2, intervals="running").mean[0], rtol=1e-6
    )
    past = fit.roll(both, 1)
    errors = known_errors(
        past, np.asarray(both.values), np.asarray(both.mask), np.array([0]), np.array([119])
    )
    assert np.isfinite(errors).all() and errors.shape == (1, 1, MEMORY, 1)


def test_transformed_data_keep_their_range():
    rng = np.random.default_rng(3)
    y = np.exp(0.3 * np.cumsum(rng.normal(size=200)) * 0.5)
    data = rekalman.Sequences.from_arrays(y)
    fit = rekalman.fit(data, "local-level", transform="log", progress=False)
    ahead = fit.forecast(data, 3, intervals="running")
    assert (np.asarray(ahead.quantile(0.01)) > 0).all()
    rolled = fit.roll(data, 1, intervals="running").score(data.values, data.mask)
    assert 0.8 < float(rolled["coverage_90"].iloc[0]) < 0.97


def test_refusals_and_the_command_line(data, fit, tmp_path, monkeypatch):
    with pytest.raises(rekalman.RekalError, match="did you mean 'running'"):
        fit.forecast(data, 2, intervals="runing")
    monkeypatch.chdir(tmp_path)
    fit.save("m.rekalman")
    data.to_frame().to_csv("y.csv", index=False)
    command = ["forecast", "m.rekalman", "y.csv", "-n", "2", "--json"]
    own, running = (
        json.loads(CliRunner().invoke(app, [*command, *more]).stdout)["forecast"]
        for more in ((), ("--intervals", "running"))
    )
    assert own[0]["mean"] != running[0]["mean"] or own[0]["std"] != running[0]["std"]
