"""Streams: what is refused leaves them as they were; they resume exactly; threads may share one."""

from __future__ import annotations

import copy
import datetime
import pickle
import subprocess
import sys
import threading
from typing import Any

import jax
import numpy as np
import pytest
from small_networks import small_network

import rekalman
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.choice import Filtering
from rekalman.filters.corrected import CorrectedTable
from rekalman.fitting.history import History
from rekalman.forecasting import Labels
from rekalman.foundation.archive import load_archive, save_archive
from rekalman.foundation.errors import RekalError
from rekalman.models.structures.side_by_side import random_walk

HISTORY = History(np.zeros(1), (), "iterations", 0.0, 40)
ONE = np.eye(1)
TREND = np.array([[1.0, 1.0], [0.0, 1.0]])


def fit_of(model: Any, kind: str = "kalman", inputs: int = 0, **labels: Any) -> rekalman.Fit:
    """A fit that was never trained: mean 10 and deviation 2 of every column, 5 and 3 of every input."""
    obs = model.observations
    moments = (np.full(inputs, 5.0), np.full(inputs, 3.0)) if inputs else (None, None)
    names = tuple(f"y{k + 1}" for k in range(obs))
    return rekalman.Fit(
        algorithm=Filtering(kind, particles=60).of(model),  # pyright: ignore[reportArgumentType]
        standardiser=Standardiser(np.full(obs, 10.0), np.full(obs, 2.0), *moments),
        history=HISTORY,
        seed=3,
        labels=Labels(names, (None,) * obs, **labels),
        input_names=tuple(f"u{k + 1}" for k in range(inputs)),
    )


def network_fit(kind: str, inputs: int = 0, interval: float | None = None) -> rekalman.Fit:
    data = rekalman.Sequences.from_arrays(
        np.random.default_rng(0).normal(size=(40, 2)),
        inputs=np.random.default_rng(1).normal(size=(40, inputs)) if inputs else None,
        times=np.cumsum(np.linspace(0.5, 1.5, 40)) if interval else None,
        irregular=interval is not None,
    )
    method = rekalman.methods.get(kind)(states=2, **({} if kind == "rkn" else {"units": 3}))
    network = method.network(data, jax.random.key(0))
    linear = random_walk(np.array([0.5, 2.0]), 1, inputs, interval)
    return rekalman.Fit(
        algorithm=CorrectedTable.of(network, linear, interval, np.zeros((2, 2))),
        standardiser=data.standardiser(),
        history=HISTORY,
        seed=0,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
    )


def level(**options: Any) -> rekalman.LinearGaussian:
    return rekalman.LinearGaussian.create(ONE, ONE, 0.1 * ONE, 0.5 * ONE, **options)


FITS = {
    "kalman": lambda: fit_of(level(B=ONE), inputs=1),
    "diffuse": lambda: fit_of(
        rekalman.LinearGaussian.create(
            TREND, np.array([[1.0, 0.0]]), 0.1 * np.eye(2), ONE, initial="diffuse"
        )
    ),
    "continuous": lambda: fit_of(
        rekalman.LinearContinuous.create(-0.1 * ONE, ONE, 0.2 * ONE, 0.3 * ONE), time_unit="s"
    ),
    "unscented": lambda: fit_of(level(), "unscented"),
    "particles": lambda: fit_of(level(), "particles"),
    "rkn": lambda: network_fit("rkn", inputs=1, interval=1.0),
    "lstm": lambda: network_fit("lstm"),
}


def samples(fit: Any, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Samples with a gap, and what the model of `fit` takes with them."""
    random, output = np.random.default_rng(seed), []
    for t in range(count):
        y = 10 + 2 * random.normal(size=len(fit.labels.names))
        one: dict[str, Any] = {"y": y * np.nan if t == 2 else y}
        if fit.input_names:
            one["u"] = random.normal(size=1)
        if fit.continuous:
            one["dt"] = float(random.uniform(0.5, 1.5))
        output.append(one)
    return output


def state(stream: Any) -> list[Any]:
    """Everything that a stream believes, as exact values."""
    leaves = [
        jax.random.key_data(leaf) if "key" in str(leaf.dtype) else leaf
        for leaf in jax.tree.leaves(stream.belief)
    ]
    return [stream.step, stream.log_likelihood, *(np.asarray(leaf).tobytes() for leaf in leaves)]


@pytest.mark.parametrize("name", FITS)
def test_a_saved_stream_goes_on_to_the_last_bit(name, tmp_path):
    fit = FITS[name]()
    stream, rows = fit.stream(), samples(fit, 9)
    for row in rows[:5]:
        stream.update(**row)
    stream.save(tmp_path / "s.rekalman")
    copied, again = copy.deepcopy(stream), rekalman.load_stream(tmp_path / "s.rekalman")
    assert state(again) == state(stream)
    for row in rows[5:]:
        for one in (stream, copied, again):
            one.update(**row)
        assert state(again) == state(copied) == state(stream)
    future = np.ones((3, 1)) if fit.input_names else None
    made, remade = stream.forecast(3, future), again.forecast(3, future)
    for field in ("means", "cov", "path", "log_weights"):
        np.testing.assert_array_equal(getattr(made, field), getattr(remade, field))
    np.testing.assert_array_equal(made.to_frame()["time"], remade.to_frame()["time"])
    again.save(tmp_path / "t.rekalman")  # and so does the next one
    assert state(rekalman.load_stream(tmp_path / "t.rekalman")) == state(stream)


def test_a_stream_is_saved_before_its_first_sample(tmp_path):
    fit = FITS["particles"]()
    fit.stream().save(tmp_path / "s.rekalman")
    stream, again = fit.stream(), rekalman.load_stream(tmp_path / "s.rekalman")
    for one in (stream, again):
        one.update([11.0])
    assert state(stream) == state(again)


def test_a_stream_of_frames_goes_on_to_the_last_bit(tmp_path):
    stream, random = rekalman.film_fit(small_network()).stream(), np.random.default_rng(0)
    frames = random.integers(0, 256, (6, 3, 3)).astype(np.uint8)
    for frame in frames[:3]:
        stream.update(frame)
    stream.save(tmp_path / "s.rekalman")
    again = rekalman.load_stream(tmp_path / "s.rekalman")
    assert again.step == 3
    for frame in (frames[3], None, frames[4]):
        for one in (stream, again):
            one.update(frame)
        np.testing.assert_array_equal(stream.estimate().mean, again.estimate().mean)
        np.testing.assert_array_equal(stream.estimate().var, again.estimate().var)
    np.testing.assert_array_equal(stream.forecast(4).mean, again.forecast(4).mean)
    pickle.loads(pickle.dumps(stream)).update(frames[5])


def test_files_that_are_no_stream_are_refused(tmp_path):
    fit, path = FITS["kalman"](), tmp_path / "s.rekalman"
    fit.save(path)
    with pytest.raises(RekalError, match=r"holds 'fit', not a stream: read it by rekalman\.load$"):
        rekalman.load_stream(path)
    stream = fit.stream()
    for row in samples(fit, 3):
        stream.update(**row)
    stream.save(path)
    with pytest.raises(RekalError, match=r"holds 'stream'.*read it by rekalman\.load_stream"):
        rekalman.load(path)
    config, arrays = load_archive(path)
    name = "stream.belief.mean"
    assert name in arrays
    rest = {key: array for key, array in arrays.items() if key != name}
    own = arrays[name].dtype
    other = np.dtype(np.float32 if own == np.float64 else np.float64)
    for changed, sentence in (
        ((config, rest), r"s\.rekalman: 'belief\.mean' is missing"),
        ((config, {**rest, name: np.ones(2, own)}), r"shape \(2,\), not \(1,\)"),
        ((config, {**rest, name: np.ones(1, other)}), f"{other}.*JAX_ENABLE_X64"),
        ((config, {**arrays, "stream.belief.more": np.ones(1)}), r"no array 'belief\.more'"),
        (({**config, "step": -1}, arrays), "-1"),
        (
            (config, {k: v for k, v in arrays.items() if k != "stream.log_likelihood"}),
            "log_likelihood",
        ),
    ):
        save_archive(path, *changed)
        with pytest.raises(RekalError, match=sentence):
            rekalman.load_stream(path)
    with pytest.raises(RekalError, match=r"take Fit\.stream"):
        rekalman.Stream(fit.algorithm, fit.standardiser, fit.labels).save(path)


@pytest.mark.parametrize(
    ("name", "far"), [("kalman", 1e200), ("diffuse", 1e200), ("particles", 1e200), ("unscented", 1e200),
                      ("rkn", 1e200), ("lstm", 1e300)]
)  # fmt: skip
def test_one_bad_sample_leaves_a_stream_as_it_was(name, far):
    fit = FITS[name]()
    stream, rows = fit.stream(), samples(fit, 6)
    for t, row in enumerate(rows):
        before = state(stream)
        # The first two samples of a diffuse start have no density: wherever they are, they are possible.
        for sign in (1, -1) if name != "diffuse" or t > 1 else ():
            with pytest.raises(RekalError, match=f"sample {t + 1} cannot be taken.*deviations"):
                stream.update(**{**row, "y": np.full(len(row["y"]), sign * far)})
            assert state(stream) == before
        stream.update(**row)
    clean = fit.stream()
    for row in rows:
        clean.update(**row)
    assert state(clean) == state(stream)
    assert np.isfinite(stream.log_likelihood)


def test_a_frame_with_inputs_beyond_all_numbers_is_refused():
    from test_network_files import NETWORKS

    stream = rekalman.film_fit(NETWORKS["rkn"](), interval=1.0).stream()
    frame = np.full((3, 3), 100, np.uint8)
    stream.update(frame, u=[0.5], dt=1.0)
    before = np.asarray(stream.belief.mean)
    for bad in ({"u": [1e300], "dt": 1.0}, {"u": [0.5], "dt": 1e300}):
        with pytest.raises(RekalError, match="frame 2 cannot be taken"):
            stream.update(frame, **bad)
    np.testing.assert_array_equal(stream.belief.mean, before)
    assert stream.step == 1
    stream.update(frame, [0.5], 1.0)
    assert stream.step == 2 and np.isfinite(stream.estimate().mean).all()
    with pytest.raises(RekalError, match="hides some of its pixels"):
        stream.update(np.ma.masked_greater(frame, 99), u=[0.5])


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        ({"y": ["3.5"]}, "sample 1 must be numbers, not text"),
        ({"y": [datetime.date(2020, 1, 1)]}, "sample 1 must be numbers, not dates"),
        ({"y": np.array(["2020-01-01"], "datetime64[D]")}, "sample 1 must be numbers, not dates"),
        ({"y": [1 + 2j]}, "real numbers, not complex"),
        ({"y": [[1.0]]}, "a sample has 1 columns"),
        ({"y": [np.inf]}, "infinite value"),
        ({"u": [0.0]}, "takes no inputs, so leave u out"),
        ({"dt": 0.5}, "runs in equal steps: leave dt out"),
    ],
)
def test_what_is_no_sample_is_refused(sample, sentence):
    stream = fit_of(level()).stream()
    with pytest.raises(RekalError, match=sentence):
        stream.update(**{"y": [1.0], **sample})
    assert stream.step == 0


@pytest.mark.parametrize(
    ("u", "sentence"),
    [
        (None, "1 inputs, which every sample must bring"),
        ([1.0, 2.0], "1 inputs"),
        ([[1.0]], "1 inputs"),
        (np.ones((3, 1)), "1 inputs"),
        (["0"], "inputs must be numbers, not text"),
        ([np.nan], "an input of sample 1 is missing"),
        (np.ma.array([0.0], mask=True), "an input of sample 1 is missing"),
    ],
)
def test_inputs_of_a_sample_are_checked(u, sentence):
    stream = FITS["kalman"]().stream()
    with pytest.raises(RekalError, match=sentence):
        stream.update([1.0], u)
    stream.update([1.0], 2.0)  # a number alone is the only input
    assert stream.step == 1


def test_a_masked_entry_of_a_sample_is_missing():
    fit = network_fit("lstm")
    hidden, missing = fit.stream(), fit.stream()
    for k in range(3):
        hidden.update(np.ma.array([1.0, 9.96921e36], mask=[k == 2, True]))
        missing.update([np.nan if k == 2 else 1.0, np.nan])
    assert state(hidden) == state(missing)


def test_threads_share_a_stream():
    fit = FITS["particles"]()
    alone, shared = fit.stream(), fit.stream()
    for _ in range(80):
        alone.update([11.0])
    work = [
        threading.Thread(target=lambda: [shared.update([11.0]) for _ in range(20)])
        for _ in range(4)
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert state(shared) == state(alone)


def irregular() -> tuple[rekalman.Sequences, np.ndarray, rekalman.Fit]:
    random = np.random.default_rng(3)
    times = 7 + np.cumsum(random.uniform(0.1, 0.5, 30))
    y = 10 + np.sin(times)
    flow, noise = np.array([[0, 1.0], [-1, -0.1]]), np.diag([1e-4, 0.1])
    model = rekalman.LinearContinuous.create(
        flow, np.array([[1.0, 0.0]]), noise, 0.04 * ONE, P=4 * np.eye(2)
    )
    data = rekalman.Sequences.from_arrays(
        y, times=times, irregular=True, names=("y1",), time_unit="s"
    )
    return data, y, fit_of(model, interval=data.interval, time_kind="number", time_unit="s")


def test_a_stream_and_a_fit_go_on_in_the_same_steps():
    data, y, fit = irregular()
    stream, times = fit.stream(), data.times[0]
    for t in range(len(y)):
        stream.update([y[t]], dt=float(times[t] - times[t - 1]) if t else None)
    for dt in (None, 0.7):
        made, streamed = fit.forecast(data, 4, dt=dt), stream.forecast(4, dt=dt)
        np.testing.assert_allclose(made.mean, streamed.mean, rtol=2e-5)
        np.testing.assert_allclose(made.std, streamed.std, rtol=2e-4)
        step = np.arange(1, 5) * (data.interval if dt is None else dt)
        np.testing.assert_allclose(made.to_frame()["time"], times[-1] + step)
        np.testing.assert_allclose(streamed.to_frame()["time"], times[-1] - times[0] + step)
        assert streamed.labels.axis == "time since the first sample (s)"
    exact, mean = fit.paths(data), fit.standardiser.location[0]
    from scipy.linalg import expm

    state = expm(np.asarray(fit.model.F) * 0.7) @ np.asarray(exact.mean[0, -1])
    assert float(made.mean[0, 0, 0]) == pytest.approx(mean + 2 * state[0], rel=1e-5)


def test_rolling_forecasts_go_on_in_the_steps_they_are_labelled_with():
    data, y, fit = irregular()
    short = rekalman.Sequences.from_arrays(
        [y, y[:12]],
        times=[data.times[0], 7 + 2.0 * np.arange(12)],
        irregular=True,
        names=("y1",),
        time_unit="s",
    )
    made, rolled = fit.forecast(short, 3), fit.roll(short, [1, 2, 3], origins=[-1])
    np.testing.assert_allclose(made.mean, rolled.mean, rtol=1e-5)
    np.testing.assert_allclose(made.targets, rolled.targets)
    other = fit.forecast(short, 3, dt=0.25)
    np.testing.assert_allclose(
        np.asarray(other.targets), short.times[[0, 1], [29, 11]][:, None] + 0.25 * np.arange(1, 4)
    )


def test_time_in_another_unit_is_the_same_time():
    data, y, fit = irregular()
    times = 1000 * (data.times[0] - 7)
    other = rekalman.Sequences.from_arrays(
        y, times=times, irregular=True, names=("y1",), time_unit="ms"
    )
    np.testing.assert_allclose(fit.forecast(other, 3).mean, fit.forecast(data, 3).mean, rtol=1e-4)
    np.testing.assert_allclose(
        fit.forecast(other, 2, dt=700).mean, fit.forecast(data, 2, dt=0.7).mean, rtol=1e-4
    )
    yearly = fit_of(level(), time_unit="year")
    monthly = rekalman.Sequences.from_arrays(
        y, times=np.arange(30), time_unit="month", names=("y1",)
    )
    with pytest.raises(RekalError, match="interval of 1 year, but the data have 1 month"):
        yearly.forecast(monthly, 3)


def test_an_explicit_step_between_steps_without_stamps():
    _, y, fit = irregular()
    data = rekalman.Sequences.from_arrays(y, names=("y1",))
    made = fit.forecast(data, 2, dt=0.25)
    np.testing.assert_allclose(made.to_frame()["time"], [29.25, 29.5])
    with pytest.raises(RekalError, match="dt must be a time above 0, but is 0"):
        fit.forecast(data, 2, dt=0)
    with pytest.raises(RekalError, match="equal steps: leave dt out"):
        fit_of(level()).forecast(rekalman.Sequences.from_arrays(y, names=("y1",)), 2, dt=1.0)


def test_future_inputs_are_those_of_the_horizon():
    fit = FITS["kalman"]()
    random = np.random.default_rng(0)
    y, u = random.normal(10, 2, 20), random.normal(5, 3, (28, 1))
    data = rekalman.Sequences.from_arrays(y, inputs=u[:20], names=("y1",), input_names=("u1",))
    stream = fit.stream()
    for row in zip(y, u[:20], strict=True):
        stream.update(*row)
    made = fit.forecast(data, 5, u[20:25])
    np.testing.assert_allclose(stream.forecast(5, u[20:25]).mean, made.mean, rtol=1e-5)
    calls = {
        "Fit.forecast": lambda rows: fit.forecast(data, 5, rows),
        "Stream.forecast": lambda rows: stream.forecast(5, rows),
    }
    for call in calls.values():
        with pytest.raises(
            RekalError, match="future_inputs have 28 rows, but 5 steps are forecast"
        ):
            call(u)
        with pytest.raises(RekalError, match="unknown at step 24"):
            call(u[20:24])
        with pytest.raises(RekalError, match="unknown at step 22"):
            call(np.where(np.arange(5)[:, None] == 2, np.nan, u[20:25]))
        with pytest.raises(RekalError, match="inputs must be numbers, not text"):
            call(u[20:25].astype(str))
        with pytest.raises(RekalError, match=r"one column for each input|do not fit"):
            call(u[20:25, 0])
    plain = fit_of(level())
    alone = rekalman.Sequences.from_arrays(y, names=("y1",))
    with pytest.raises(RekalError, match="takes no inputs"):
        plain.forecast(alone, 5, u[20:25])
    with pytest.raises(RekalError, match="takes no inputs"):
        plain.simulate(5, inputs=u[20:25])
    with pytest.raises(RekalError, match="after its first sample"):
        plain.stream().forecast(3)


def test_future_inputs_of_networks_are_those_of_the_horizon():
    fit, random = network_fit("rkn", inputs=1), np.random.default_rng(0)
    u = random.normal(size=(30, 1))
    data = rekalman.Sequences.from_arrays(random.normal(size=(20, 2)), inputs=u[:20])
    with pytest.raises(RekalError, match="future_inputs have 30 rows, but 4 steps are forecast"):
        fit.forecast(data, 4, u)
    assert fit.forecast(data, 4, u[20:24]).mean.shape == (1, 4, 2)


WRONG = """
import numpy as np, rekalman
from test_streams import FITS, fit_of, level, network_fit
from small_networks import small_network
y = np.random.default_rng(0).normal(10, 2, 20)
fit, data = fit_of(level()), rekalman.Sequences.from_arrays(y, names=("y1",))
stream, frames = fit.stream(), rekalman.film_fit(small_network()).stream()
stream.update([1.0]); frames.update(np.zeros((3, 3), np.uint8))
made = fit.forecast(data, 2)
calls = [call for bad in (2.5, "5", True, 0, -1, None, np.nan) for call in (
    lambda: fit.forecast(data, bad), lambda: fit.roll(data, bad), lambda: stream.forecast(bad),
    lambda: frames.forecast(bad))]
calls += [call for bad in (2.5, "5", [["1"]], 1e9, [1.5]) for call in (
    lambda: fit.roll(data, 1, origins=bad),)]
calls += [call for bad in ("0.5", 0, 1, True, np.nan, [], ["0.1"]) for call in (
    lambda: made.quantile(bad), lambda: made.interval(bad))]
continuous = FITS["continuous"]().stream(); continuous.update([1.0])
calls += [call for bad in ("1", True, np.nan, np.inf, -1, 0) for call in (
    lambda: continuous.update([1.0], dt=bad), lambda: continuous.forecast(2, dt=bad),
    lambda: frames.forecast(2, dt=bad))]
"""


def test_wrong_types_end_in_one_sentence():
    # In a process of its own: the type checks that the tests switch on would come first.
    script = WRONG.replace("lambda:", "lambda bad=bad:") + (
        "for i, call in enumerate(calls):\n"
        "    try:\n        print(i, 'taken', call())\n"
        "    except rekalman.RekalError as error:\n"
        "        assert len(str(error)) < 250 and chr(10) not in str(error), error\n"
        "print(len(calls))"
    )
    folder = str(__import__("pathlib").Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(28 + 5 + 14 + 18)], done.stdout


def test_a_forecast_beyond_all_numbers_is_refused():
    model = rekalman.LinearGaussian.create(3 * ONE, ONE, ONE, ONE)
    data = rekalman.Sequences.from_arrays(10 + 0.1 * np.sin(np.arange(20.0)), names=("y1",))
    for kind in ("kalman", "particles"):
        with pytest.raises(RekalError, match="steps ahead is beyond the numbers of float"):
            fit_of(model, kind).forecast(data, 800)


def test_matrices_given_step_by_step_end_a_stream_and_a_forecast():
    model = rekalman.LinearTimeVarying.create(ONE, np.ones((3, 1, 1)), ONE, ONE, varying=("C",))
    stream = fit_of(model).stream()
    for _ in range(2):
        stream.update([1.0])
    assert stream.forecast(1).mean.shape == (1, 1, 1)
    with pytest.raises(RekalError, match="C has 3 steps, but the series has 4"):
        stream.forecast(2)
    stream.update([1.0])
    with pytest.raises(RekalError, match="C has 3 steps, but the series has 4"):
        stream.update([1.0])
    assert stream.step == 3
