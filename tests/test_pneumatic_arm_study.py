"""The study of the pneumatic arm: its windows, its scores, its networks and how it runs."""

import json

import numpy as np
import pytest

from rekalman.data import Sequences
from rekalman.datasets.pneumatic_arm import load_pneumatic_arm
from rekalman.networks.recurrent import count_parameters
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.pneumatic_arm import CANDIDATES, by_horizon, linear, persistence
from rekalman.studies.pneumatic_arm_networks import MOVE_VAR, Units, forecasts, network_of
from rekalman.studies.pneumatic_arm_scores import (
    AHEAD,
    HORIZONS,
    METRICS,
    WARM_UP,
    Forecasts,
    Windows,
    scores,
)
from rekalman.verbs.fit import fit


def few(seed=0):
    """Two series of 33 and 31 steps with the columns of the arm, walking at random."""
    rng = np.random.default_rng(seed)
    values = [0.1 * rng.normal(size=(n, 12)).cumsum(0) for n in (33, 31)]
    inputs = [rng.normal(size=(n, 8)) for n in (33, 31)]
    return Sequences.from_arrays(values, inputs=inputs)


def test_windows_are_all_steps_with_enough_before_and_after():
    data = few()
    windows = Windows.of(data)
    assert list(zip(windows.series, windows.at, strict=True)) == [
        (0, 20),
        (0, 21),
        (0, 22),
        (1, 20),
    ]
    for i, (series, at) in enumerate(zip(windows.series, windows.at, strict=True)):
        values = np.asarray(data.values)[series]
        np.testing.assert_array_equal(windows.now[i, 0], values[at, :4])
        np.testing.assert_array_equal(windows.truth[i], values[at + 1 : at + 1 + AHEAD, :4])


def test_scores_of_forecasts_that_know_their_errors():
    rng = np.random.default_rng(0)
    var = rng.uniform(0.5, 2, (20_000, AHEAD, 4))
    truth = rng.normal(size=var.shape) * np.sqrt(var)
    windows = Windows(np.zeros(1, int), np.zeros(1, int), truth[:, :1], truth)
    result = scores(Forecasts(np.zeros_like(var), var), windows)
    assert len(result) == 20
    for h in HORIZONS:
        assert result[f"coverage_90 {h}"] == pytest.approx(0.9, abs=0.005)
        assert result[f"anees {h}"] == pytest.approx(1, abs=0.02)
        assert result[f"rmse {h}"] == pytest.approx(np.sqrt((truth[:, h - 1] ** 2).mean()))
        entropy = 0.5 * np.log(2 * np.pi * np.e * var[:, h - 1]).sum(1).mean()
        assert result[f"log_likelihood {h}"] == pytest.approx(-entropy, abs=0.05)


def test_persistence_is_calibrated_where_it_was_measured():
    data = few()
    result = scores(persistence(data, data), Windows.of(data))
    np.testing.assert_allclose([result[f"anees {h}"] for h in HORIZONS], 1)


def test_linear_forecasts_are_those_of_single_filters():
    made, test = fit(few(), "linear", states=2, progress=False), few(1)
    output, windows = linear(made, test), Windows.of(test)
    assert output.mean.shape == output.var.shape == windows.truth.shape
    for i, (series, at) in enumerate(zip(windows.series, windows.at, strict=True)):
        one = test.series(int(series))
        future = np.asarray(one.inputs)[:, at + 1 : at + 1 + AHEAD]
        alone = made.forecast(one.window(0, int(at) + 1), AHEAD, future_inputs=future)
        np.testing.assert_allclose(output.mean[i], alone.mean[0, :, :4], atol=1e-5)
        np.testing.assert_allclose(output.var[i], alone.std[0, :, :4] ** 2, rtol=1e-4)


def test_networks_are_of_equal_size_and_start_from_persistence():
    counts = [count_parameters(network_of(each, 0).layer) for each in CANDIDATES]
    assert len(counts) == 4 and max(counts) < 1.05 * min(counts), counts
    data = few()
    units, windows = Units.of(data), Windows.of(data)
    output = forecasts(network_of(CANDIDATES[2], 0), units, data)
    np.testing.assert_allclose(output.mean, np.broadcast_to(windows.now, windows.truth.shape))
    var = (MOVE_VAR + 1e-3) * np.arange(1, AHEAD + 1)[:, None] * units.move**2
    np.testing.assert_allclose(output.var, np.broadcast_to(var, windows.truth.shape), rtol=1e-5)


def test_what_networks_see_and_are_to_say():
    data = few()
    units, valid = Units.of(data), data.valid()
    seen = units.prepare(data)
    np.testing.assert_allclose(np.asarray(seen.values)[valid].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(np.asarray(seen.values)[valid].std(0), 1)
    assert np.asarray(seen.mask)[valid].all() and not np.asarray(seen.mask)[~valid].any()
    joints = np.asarray(data.values)[..., :4]
    at_7 = units.standardiser.invert(np.asarray(seen.values))[0, 7]
    np.testing.assert_allclose(at_7[12:], joints[0, 7] - joints[0, 6])
    two_later = np.asarray(seen.targets)[0, 5, 4:8] * units.move
    np.testing.assert_allclose(two_later, joints[0, 7] - joints[0, 5], atol=1e-6)
    assert np.isnan(seen.targets[1, 30]).all() and np.isnan(seen.targets[1, 29, 4:]).all()


def test_rows_have_the_worst_in_the_right_direction():
    run = lambda x: {f"{metric} {h}": x * h for metric in METRICS for h in HORIZONS}  # noqa: E731
    by = {
        (row.metric, row.horizon): row for row in by_horizon("ours", [run(1.0), run(2.0), run(5.0)])
    }
    assert len(by) == len(METRICS) * len(HORIZONS)
    assert by["rmse", 3].worst == 15 and by["log_likelihood", 10].worst == 10
    assert by["rmse", 1].ours == 2 and by["rmse", 1].spread == 4


def test_quick_run(arm_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    result = STUDIES["pneumatic-arm"].run(StudyOptions(quick=True, seeds=1, data=arm_folder))
    titles = {each.title for each in CANDIDATES}
    assert {row.system for row in result.rows} == {"persistence", "linear, EM"} | titles
    assert all(np.isfinite(row.ours) for row in result.rows)
    config = json.loads(result.to_json())["config"]
    test = load_pneumatic_arm(arm_folder, range(*config["episodes"][2]))
    assert config["windows"] == sum(n - AHEAD - WARM_UP for n in test.lengths)
