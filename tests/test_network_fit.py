"""`rekalman.fit(data, "rkn" | "lstm" | "gru" | "elman")`: a trained network is a fit like any other."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rekalman
from rekalman.foundation.archive import load_archive, save_archive
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.backprop import Backprop
from rekalman.learners.gradient.pieces import pieces
from rekalman.networks.table import flagged
from rekalman.simulation.filters import simulate_filter

QUICK = Backprop(epochs=3, batch=8, mask_probability=0.2)


def tanks(steps: int = 90, seed: int = 0) -> rekalman.Sequences:
    """Two levels, one after the other, filled by a pump; some entries are missing."""
    random = np.random.default_rng(seed)
    u, level, rows = random.uniform(0, 1, (steps, 1)), np.ones(2), []
    for each in u[:, 0]:
        level = 0.8 * level + np.array([each, 0.2 * level[0]])
        rows.append(level + 0.1 * random.normal(size=2))
    y = 10 * np.array(rows)
    y[random.random(y.shape) < 0.15] = np.nan
    return rekalman.Sequences.from_arrays(
        y, inputs=u, names=("a_mm", "b_mm"), input_names=("pump",), interval=0.5
    )


def walk(steps: int = 60) -> rekalman.Sequences:
    """A random walk sampled at any times."""
    random = np.random.default_rng(1)
    dt = random.uniform(0.2, 3.0, steps)
    y = np.cumsum(np.sqrt(dt) * random.normal(size=steps)) + 0.3 * random.normal(size=steps)
    return rekalman.Sequences.from_arrays(y, times=np.cumsum(dt), irregular=True)


@pytest.fixture(scope="module")
def driven() -> rekalman.Fit:
    trained = rekalman.fit(tanks(), "lstm", QUICK, states=2, units=6, progress=False)
    assert isinstance(trained, rekalman.Fit)
    return trained


@pytest.fixture(scope="module")
def irregular() -> rekalman.Fit:
    trained = rekalman.fit(walk(), "rkn", QUICK, states=2, progress=False)
    assert isinstance(trained, rekalman.Fit)
    return trained


def naive(trained: rekalman.Fit, data: rekalman.Sequences, until: int) -> tuple[Any, np.ndarray]:
    """The belief after `until` rows and their log densities in raw units, one verb after the other."""
    table = trained.algorithm
    scale, mean = trained.standardiser.scale, trained.standardiser.location
    densities = []
    with jax.enable_x64(True):
        belief = table.init()
        for t in range(until):
            y = np.where(data.mask[0, t], (data.values[0, t] - mean) / scale, np.nan)
            there, u = ~np.isnan(y), drive(trained, data, t)[0]
            if t:
                belief = table.predict(belief, *drive(trained, data, t))
            predicted = table.observe(belief, u)
            center, cov = np.asarray(predicted.mean), np.asarray(predicted.cov)
            gap, S = (y - center)[there], cov[np.ix_(there, there)]
            each = gap @ np.linalg.solve(S, gap) + np.linalg.slogdet(2 * np.pi * S)[1]
            densities.append(-0.5 * each - np.log(scale)[there].sum())
            row = jnp.asarray(np.where(there, y, 0)), jnp.asarray(there)
            belief, _ = table.update(belief, *row, u)
    return belief, np.array(densities)


def drive(trained: rekalman.Fit, data: rekalman.Sequences, t: int) -> tuple[Any, Any]:
    u = dt = None
    if data.inputs is not None:
        u = jnp.asarray(
            (data.inputs[0, t] - trained.standardiser.input_location)
            / trained.standardiser.input_scale
        )
    if data.dt is not None:
        dt = jnp.asarray(data.dt[0, t])
    return u, dt


@pytest.mark.parametrize("name", ["driven", "irregular"])
def test_likelihood_is_that_of_a_naive_recursion(name, request):
    trained, data = request.getfixturevalue(name), tanks() if name == "driven" else walk()
    result = trained.filter(data)
    _, densities = naive(trained, data, 25)
    np.testing.assert_allclose(result.log_evidence[0, :25], densities, rtol=2e-4, atol=2e-4)
    assert result.log_likelihood == pytest.approx(float(result.log_evidence.sum()))
    assert result.diagnose() == trained.history.diagnostics
    assert len(result.to_frame()) == data.steps
    assert "one step ahead" in result.summary()


@pytest.mark.parametrize("name", ["driven", "irregular"])
def test_forecasts_are_naive_predictions_that_see_nothing(name, request):
    trained, data = request.getfixturevalue(name), tanks() if name == "driven" else walk()
    at = 30
    made = trained.roll(data, (1, 3), origins=[at])
    belief, _ = naive(trained, data, at + 1)
    table, output = trained.algorithm, []
    with jax.enable_x64(True):
        for t in range(at + 1, at + 4):
            belief = table.predict(belief, *drive(trained, data, t))
            output.append(table.observe(belief, drive(trained, data, t)[0]))
            belief = table.skip(belief)
    scale, mean = trained.standardiser.scale, trained.standardiser.location
    for j, h in enumerate((0, 2)):
        np.testing.assert_allclose(
            made.mean[0, j], output[h].mean * scale + mean, rtol=1e-3, atol=1e-3
        )
        deviation = output[h].std * scale
        np.testing.assert_allclose(made.std[0, j], deviation, rtol=1e-3)


def test_a_forecast_uses_nothing_after_its_origin(driven):
    data = tanks()
    future = np.asarray(data.inputs)[:, 40:43]
    cut = driven.forecast(data.window(0, 40), 3, future)
    whole = driven.roll(data, (1, 2, 3), origins=[39])
    np.testing.assert_allclose(cut.mean[0], whole.mean[0], rtol=1e-5)
    with pytest.raises(RekalError, match="pump"):
        driven.forecast(data, 3)


def test_a_stream_follows_the_filter(driven):
    data, stream = tanks(), driven.stream()
    rows = np.where(data.mask[0], data.values[0], np.nan)
    for y, u in zip(rows, np.asarray(data.inputs)[0], strict=True):
        stream.update(y, u)
    assert stream.log_likelihood == pytest.approx(driven.filter(data).log_likelihood, rel=1e-4)
    inputs = np.full((2, 1), 0.5)
    np.testing.assert_allclose(
        stream.forecast(2, inputs).mean[0], driven.forecast(data, 2, inputs).mean[0], rtol=1e-4
    )
    with pytest.raises(RekalError, match="2 columns"):
        stream.update([1.0])
    with pytest.raises(RekalError, match="equal steps: leave dt out"):
        stream.update([1.0, 2.0], [0.0], dt=0.1)


def test_a_stream_takes_steps_of_any_length(irregular):
    data, stream = walk(), irregular.stream()
    for y, dt in zip(np.asarray(data.values)[0], np.asarray(data.dt)[0], strict=True):
        stream.update(y, dt=float(dt))
    assert stream.log_likelihood == pytest.approx(irregular.filter(data).log_likelihood, rel=1e-4)
    assert irregular.continuous


def test_a_saved_network_comes_back(driven, irregular, tmp_path):
    for trained, data in ((driven, tanks()), (irregular, walk())):
        trained.save(tmp_path / "n.rekalman")
        again = rekalman.load(tmp_path / "n.rekalman")
        assert isinstance(again, rekalman.Fit)
        assert (again.labels, again.kind, again.continuous) == (
            trained.labels,
            trained.kind,
            trained.continuous,
        )
        np.testing.assert_array_equal(again.filter(data).mean, trained.filter(data).mean)
        assert again.summary() == trained.summary()
        np.testing.assert_array_equal(again.history.trained, trained.history.trained)


def test_a_file_with_other_arrays_is_refused_by_their_names(driven, tmp_path):
    path = tmp_path / "n.rekalman"
    driven.save(path)
    config, arrays = load_archive(path)
    place = "filter.network.layer.across"
    for changed, sentence in (
        (
            {k: v for k, v in arrays.items() if k != place},
            f"'{place}' is missing",
        ),
        (
            {**arrays, "filter.network.more": np.zeros(1)},
            "it holds the array 'filter.network.more'",
        ),
        ({**arrays, place: np.zeros((2, 2))}, r"layer.across' has shape \(2, 2\), not \(6, 24\)"),
    ):
        save_archive(path, config, changed)
        with pytest.raises(RekalError, match=sentence):
            rekalman.load(path)


def test_drawn_series_are_what_the_network_expects(driven):
    """Filtered by the network they were drawn from, errors are independent standard normal numbers."""
    inputs = np.random.default_rng(0).normal(size=(60, 40, 1))
    y = simulate_filter(driven.algorithm, 40, jax.random.key(3), 60, inputs)
    white = np.asarray(
        driven.algorithm.run_batch(y, jnp.ones(y.shape, bool), jnp.asarray(inputs)).white
    )
    assert abs(white.mean()) < 4 / np.sqrt(white.size)
    assert abs((white**2).mean() - 1) < 4 * np.sqrt(2 / white.size)
    drawn = driven.simulate(5, 2, inputs=np.zeros((5, 1)))
    assert drawn.values.shape == (2, 5, 2) and drawn.names == ("a_mm", "b_mm")
    with pytest.raises(RekalError, match="needs inputs"):
        driven.simulate(5)


def test_it_learns_to_forecast_and_how_sure_it_is():
    """An oscillation with a drifting phase: noise of 0.1 is left one step ahead, more later."""
    random = np.random.default_rng(0)
    phase = np.cumsum(0.5 + 0.05 * random.normal(size=700))
    y = np.sin(phase) + 0.1 * random.normal(size=700)
    data = rekalman.Sequences.from_arrays(y)
    learner = Backprop(epochs=120, batch=8, rate=1e-2, mask_probability=0.3)
    trained = rekalman.fit(data.window(0, 500), "gru", learner, states=3, units=12, progress=False)
    made = trained.roll(data, (1, 8), origins=np.arange(500, 690))
    score = made.score(data.values, data.mask).set_index("horizon")
    assert score.loc[1, "rmse"] < 0.25
    assert score.loc[8, "width_90"] > 1.2 * score.loc[1, "width_90"]
    assert (score["coverage_90"] > 0.8).all()
    assert score.loc[8, "width_90"] < 3.3 * y.std()  # that of one who knows nothing


@given(
    begin=st.floats(0, 0.4),
    share=st.floats(0.3, 0.6),
    length=st.integers(1, 20),
    warm_up=st.integers(0, 10),
)
def test_every_step_of_a_part_counts_once(begin, share, length, warm_up):
    data = rekalman.Sequences.from_arrays(
        [np.arange(1.0, 31)[:, None], np.arange(101.0, 118)[:, None]]
    )
    result = pieces(data, begin, begin + share, length, warm_up)
    expected = [
        y
        for i, n in enumerate((30, 17))
        for y in data.values[i, round(begin * n) : round((begin + share) * n), 0]
    ]
    assert sorted(result.targets[np.isfinite(result.targets)]) == sorted(expected)
    seen = np.asarray(result.mask)
    assert result.steps <= length + warm_up
    for values, mask, targets in zip(result.values, seen, result.targets, strict=True):
        whole = values[mask]
        assert (np.diff(whole) == 1).all()
        there = np.isfinite(targets)
        np.testing.assert_array_equal(values[there], targets[there])


def test_flags_tell_missing_entries_from_zeros():
    y, mask = jnp.array([[0.0, 2.0], [5.0, 7.0]]), jnp.array([[True, False], [False, False]])
    rows, seen = flagged(y, mask)
    np.testing.assert_array_equal(rows, [[0, 0, 0, 1], [0, 0, 1, 1]])
    np.testing.assert_array_equal(seen, [True, False])


def test_an_interrupt_of_the_calibration_keeps_the_network(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rekalman.training.recurrent.calibrate", interrupted)
    data = rekalman.Sequences.from_arrays(np.random.default_rng(0).normal(size=80).cumsum())
    learner = rekalman.Backprop(epochs=1, batch=8, rate=1e-3)
    fit = rekalman.fit(data, "gru", learner, states=2, units=4, progress=False)
    assert fit.history.stopped == "epochs"
    assert "warning         the calibration was interrupted" in fit.summary()
    assert np.isfinite(np.asarray(fit.forecast(data, 3).mean)).all()


def test_an_interrupt_keeps_what_there_is():
    def stop(stage: str, progress: Any) -> None:
        assert np.isfinite(progress.log_likelihood)
        if progress.iteration == 2:
            raise KeyboardInterrupt

    cut = rekalman.fit(tanks(), "elman", QUICK, states=2, units=4, progress=stop)
    assert isinstance(cut, rekalman.Fit)
    assert (cut.history.stopped, len(cut.history.held_out)) == ("interrupted", 1)
    assert "interrupted" in cut.summary()


@pytest.mark.parametrize(
    ("model", "how", "sentence"),
    [
        ("rkn", {"units": 3}, "units is of no use to the model rkn"),
        ("gru", {"kernels": 3}, "kernels is of no use to the model gru"),
        ("gru", {"states": 0}, "states must be at least 1"),
        ("gru", {"units": 1}, "units >= 2"),
        ("gru", {"filtering": "kalman"}, "a network is its own filter"),
        ("gru", {"hold_out": 1.0}, "hold_out must lie between 0 and 1"),
        (
            "gru",
            {"learner": rekalman.EM()},
            "EM trains em-rnn, rbf, linear, adaptive, not the model gru: use Back",
        ),
        ("linear", {"learner": QUICK}, "Backprop trains rkn, lstm, gru, elman, not the"),
        ("linear", {"checkpoint": "x"}, "checkpoint is of no use to the model linear"),
        ("gru", {"learner": dataclasses.replace(QUICK, hold_out=0.1)}, "give that of fit instead"),
    ],
)
def test_what_is_of_no_use_is_refused(model, how, sentence):
    with pytest.raises(RekalError, match=sentence):
        rekalman.fit(tanks(), model, **how, progress=False)


def test_what_a_network_cannot_tell_is_refused(driven):
    with pytest.raises(RekalError, match="no state-space model"):
        driven.identify()
    other = dataclasses.replace(tanks(), names=("c", "d"))
    with pytest.raises(RekalError, match="trained on the columns a_mm, b_mm"):
        driven.filter(other)
