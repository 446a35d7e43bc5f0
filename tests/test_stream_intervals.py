"""Running intervals of a stream: those of rolling forecasts, of bounded memory, resumed to the last bit."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from small_networks import small_network
from test_running_intervals import drifting
from test_streams import FITS, fit_of, level, samples, state

import rekalman
from rekalman.forecasting.running import MEMORY, with_errors
from rekalman.foundation.archive import load_archive, save_archive


def gappy(steps: int = 260, seed: int = 0, columns: int = 2) -> rekalman.Sequences:
    """Columns whose noise swells and shrinks, a fifth of the entries missing, and a gap in all of them."""
    y = np.array(drifting(steps, seed, columns).values)[0]
    y[np.random.default_rng(seed).random(y.shape) < 0.2] = np.nan
    y[100:110] = np.nan
    return rekalman.Sequences.from_arrays(y)


def rows_of(data: rekalman.Sequences, series: int = 0) -> np.ndarray:
    there = np.asarray(data.mask)[series]
    return np.where(there, np.asarray(data.values)[series], np.nan)[: int(data.lengths[series])]


def assert_same(made: rekalman.Forecast, rolled: rekalman.Forecast, where: int = 0) -> None:
    """The forecast of a stream, and one origin of a rolling one, of all its horizons."""
    np.testing.assert_allclose(made.means[0], rolled.means[where], rtol=2e-4, atol=2e-4)
    for q in (0.05, 0.5, 0.95):
        ours, theirs = np.asarray(made.quantile(q))[0], np.asarray(rolled.quantile(q))[where]
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def follow(
    fit: Any, data: rekalman.Sequences, horizon: int, origins: list[int], **known: Any
) -> None:
    """A stream along a series has the laws of `roll` at some origins."""
    stream, rows = fit.stream(intervals="running", horizon=horizon), rows_of(data)
    inputs = None if data.inputs is None else np.asarray(data.inputs)[0]
    rolled = fit.roll(data, range(1, horizon + 1), origins=origins, intervals="running")
    for t, row in enumerate(rows):
        stream.update(row, None if inputs is None else inputs[t])
        if t in origins:
            future = None if inputs is None else inputs[t + 1 : t + 1 + horizon]
            assert_same(stream.forecast(horizon, future), rolled, origins.index(t))


@pytest.mark.parametrize("name", ["ridge-ar", "naive", "local-level", "lstm"])
def test_they_are_those_of_rolling_forecasts(name):
    data = gappy(columns=1 if name == "local-level" else 2)
    learner = {"learner": rekalman.Backprop(epochs=2)} if name == "lstm" else {}
    fit = rekalman.fit(data.window(0, 160), name, progress=False, **learner)
    follow(fit, data, 4, [0, 3, 50, 104, 140, 255])


def test_errors_of_a_model_with_inputs_count_once_the_inputs_are_known():
    rng = np.random.default_rng(1)
    u, y = rng.normal(size=(200, 2)), np.array(gappy(200, 1).values)[0]
    y[2:] += 2 * u[2:, :1] + u[1:-1]
    y[rng.random(y.shape) < 0.1] = np.nan
    data = rekalman.Sequences.from_arrays(y, inputs=u)
    fit = rekalman.fit(data.window(0, 120), "ridge-ar", lags=2, progress=False)
    follow(fit, data, 3, [1, 2, 40, 130, 196])


def test_each_series_has_its_scale_and_its_errors():
    series = [10.0**k * np.asarray(gappy(150, k).to_frame()[["y1", "y2"]]) for k in (0, 2)]
    data = rekalman.Sequences.from_arrays(series, series_names=("north", "south"))
    fit = rekalman.fit(data, "ridge-ar", scale="series", progress=False)
    rolled = fit.roll(data, [1, 2, 3], intervals="running", origins=[140])
    for i, name in enumerate(data.series_names):
        stream = fit.stream(name, intervals="running", horizon=3)
        for row in rows_of(data, i)[:141]:
            stream.update(row)
        assert_same(stream.forecast(3), rolled, i)


def test_the_errors_of_what_went_before_are_known_from_the_start():
    series = [np.asarray(gappy(150, k).to_frame()[["y1", "y2"]]) for k in (0, 1)]
    data = rekalman.Sequences.from_arrays(series, series_names=("north", "south"))
    fit = rekalman.fit(data, "ridge-ar", scale="series", progress=False)
    every = fit.forecast(data, 3, intervals="running")
    for i, name in enumerate(data.series_names):
        known = fit.stream(name, intervals="running", horizon=3, history=data)
        stream = fit.stream(name, intervals="running", horizon=3)
        for row in rows_of(data, i):
            stream.update(row)
        assert_same(stream.forecast(3), every, i)
        np.testing.assert_allclose(known._errors.last, stream._errors.last, rtol=1e-3, atol=1e-3)
        known.update([0.0, 0.0])  # from the first sample on, they are the law of what it forecasts
        plain = fit.stream(name)
        plain.update([0.0, 0.0])
        law = with_errors(plain.forecast(3), known._errors.last[None])
        np.testing.assert_allclose(known.forecast(3).means, law.means, rtol=1e-6)
        spread = (
            stream._errors.last.std(1),
            fit.stream(name, intervals="running")._errors.last.std(1),
        )
        assert (np.abs(spread[0] / spread[1][:3] - 1) > 0.01).any()


@pytest.mark.parametrize("steps", [1, 2, 4, 9, 150])
def test_a_history_with_inputs_may_be_shorter_than_the_horizon(steps):
    rng = np.random.default_rng(5)
    u, y = rng.normal(size=(200, 1)), np.array(gappy(200, 5).values)[0]
    y[1:] += 2 * u[:-1]
    data = rekalman.Sequences.from_arrays(y, inputs=u)
    fit = rekalman.fit(data.window(0, 120), "ridge-ar", lags=1, progress=False)
    known = fit.stream(intervals="running", horizon=5, history=data.window(0, steps))
    stream = fit.stream(intervals="running", horizon=5)
    start = stream._errors.last
    for t in range(steps):
        stream.update(y[t], u[t])
    np.testing.assert_allclose(known._errors.last, stream._errors.last, rtol=1e-3, atol=1e-3)
    changed = (known._errors.last != start).any((1, 2))
    assert changed.tolist() == [h < steps for h in range(1, 6)]


def test_steps_of_any_length_are_those_that_came():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.5, 1.5, 90))
    data = rekalman.Sequences.from_arrays(
        10 + rng.normal(size=(90, 1)).cumsum(0),
        times=times,
        irregular=True,
        names=("y1",),
        time_unit="s",
    )
    fit, dt = FITS["continuous"](), np.diff(times, prepend=0.0)
    stream = fit.stream(intervals="running", horizon=2)
    rolled = fit.roll(data, [1], intervals="running")
    for t, row in enumerate(rows_of(data)[:-1]):
        stream.update(row, dt=float(dt[t]) if t else None)
        if t in (0, 1, 5, 60, 88):
            assert_same(stream.forecast(1, dt=float(dt[t + 1])), rolled, t)


def test_the_law_is_counted_by_hand_from_its_own_forecasts():
    data = gappy(140, 2)
    fit = rekalman.fit(data.window(0, 100), "ridge-ar", lags=1, progress=False)
    plain, stream, made = fit.stream(), fit.stream(intervals="running", horizon=2), []
    rows = rows_of(data)
    for row in rows:
        plain.update(row)
        stream.update(row)
        made.append(plain.forecast(2))
    last = stream._errors.last
    assert last.shape == (2, MEMORY, 2)
    for h in (1, 2):
        for k in (0, 1):
            z = np.array(
                [
                    (rows[t + h, k] - made[t].mean[0, h - 1, k]) / made[t].std[0, h - 1, k]
                    for t in range(len(rows) - h)
                ]
            )
            z = z[np.isfinite(z)][-MEMORY:]
            np.testing.assert_allclose(last[h - 1, MEMORY - len(z) :, k], z, rtol=1e-3, atol=1e-4)
    held = {name: array.shape for name, array in stream._errors.arrays().items()}
    assert held == {"last": (2, MEMORY, 2), "made": (2, 2, 2, 2)}


@pytest.mark.parametrize("name", FITS)
def test_a_saved_stream_keeps_its_errors_to_the_last_bit(name, tmp_path):
    fit = FITS[name]()
    stream, rows = fit.stream(intervals="running", horizon=3), samples(fit, 12)
    stream.save(tmp_path / "empty.rekalman")
    again = rekalman.load_stream(tmp_path / "empty.rekalman")
    for row in rows[:6]:
        stream.update(**row)
        again.update(**row)
    stream.save(tmp_path / "s.rekalman")
    copied, resumed = copy.deepcopy(stream), rekalman.load_stream(tmp_path / "s.rekalman")
    future = np.ones((3, 1)) if fit.input_names else None
    for row in rows[6:]:
        laws = []
        for one in (stream, again, copied, resumed):
            one.update(**row)
            laws.append(one.forecast(3, future))
        for other in laws[1:]:
            np.testing.assert_array_equal(laws[0].means, other.means)
            np.testing.assert_array_equal(laws[0].cov, other.cov)
    errors = [one._errors.last for one in (stream, again, copied, resumed)]
    assert all((each == errors[0]).all() for each in errors)
    assert not (errors[0] == fit.stream(intervals="running", horizon=3)._errors.last).any(1).all()


def test_a_refused_sample_leaves_the_errors_as_they_were():
    fit = fit_of(level())
    stream = fit.stream(intervals="running")
    for row in samples(fit, 5):
        stream.update(**row)
    before = stream.forecast(4)
    with pytest.raises(rekalman.RekalError, match="cannot be taken"):
        stream.update(1e200)
    np.testing.assert_array_equal(before.means, stream.forecast(4).means)
    assert "up to 10 steps ahead" in repr(stream)


def test_a_sample_from_which_forecasts_are_beyond_all_numbers_is_refused():
    one = np.eye(1)
    fit = fit_of(rekalman.LinearGaussian.create(3 * one, one, one, one))
    stream, before = fit.stream(intervals="running", horizon=800), fit.stream()
    with pytest.raises(rekalman.RekalError, match="steps ahead is beyond the numbers of float"):
        stream.update(12.0)
    assert stream.step == 0 and state(stream) == state(before)


def test_before_any_error_is_known_they_are_those_of_the_model():
    fit = fit_of(level())
    own, running = fit.stream(), fit.stream(intervals="running", horizon=2)
    for one in (own, running):
        one.update(11.0)
    for q in (0.05, 0.5, 0.95):
        a, b = (np.asarray(one.forecast(2).quantile(q)) for one in (own, running))
        np.testing.assert_allclose(a, b, rtol=0.02)


def test_transformed_data_keep_their_range():
    y = np.exp(np.cumsum(0.2 * np.random.default_rng(4).normal(size=150)))
    data = rekalman.Sequences.from_arrays(y)
    fit = rekalman.fit(data, "local-level", transform="log", progress=False)
    follow(fit, data, 2, [30, 147])


def test_refusals(tmp_path):
    fit = fit_of(level())
    two = rekalman.Sequences.from_arrays(10 + np.random.default_rng(0).normal(size=(2, 30, 1)))
    camera, one = rekalman.film_fit(small_network()), np.eye(1)
    steps = rekalman.LinearTimeVarying.create(one, np.ones((3, 1, 1)), one, one, varying=("C",))
    for call, sentence in (
        (lambda: fit.stream(intervals="runing"), "did you mean 'running'"),
        (lambda: fit.stream(horizon=3), "horizon is for running intervals"),
        (lambda: fit.stream(history=two), "history is for running intervals"),
        (lambda: fit.stream(intervals="running", horizon=0), "horizon must be"),
        (lambda: fit.stream(intervals="running", history=two), "one series, but there are 2"),
        (lambda: camera.stream(intervals="running"), "never told its targets"),
        (lambda: fit_of(steps).stream(intervals="running"), "for a number of steps only"),
    ):
        with pytest.raises(rekalman.RekalError, match=sentence):
            call()
    stream = fit.stream(intervals="running", horizon=2)
    stream.update(10.0)
    with pytest.raises(
        rekalman.RekalError, match="up to 2 steps ahead, not 3: make it with horizon=3"
    ):
        stream.forecast(3)
    stream.save(tmp_path / "s.rekalman")
    config, arrays = load_archive(tmp_path / "s.rekalman")
    cut = {**arrays, "stream.errors.last": arrays["stream.errors.last"][:1]}
    more = {**arrays, "stream.errors.more": np.zeros(1)}
    plain = {name: value for name, value in config.items() if name != "horizon"}
    for held, known, sentence in (
        (config, cut, "'last' of the stream's own errors is float64 of shape"),
        (config, more, "no array 'more'"),
        (plain, arrays, "no array 'errors.last'"),
    ):
        save_archive(tmp_path / "t.rekalman", held, known)
        with pytest.raises(rekalman.RekalError, match=sentence):
            rekalman.load_stream(tmp_path / "t.rekalman")
