"""Networks on trends, seasons and driven systems: not behind linear models, intervals that hold, warnings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rekalman
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.scales.volume import log_volume
from rekalman.data.time.seasons import season_of
from rekalman.datasets.pneumatic_arm import TEST, TRAIN, load_pneumatic_arm
from rekalman.learners.gradient.backprop import Backprop
from rekalman.models.structures.structural import local_linear_trend, seasonal
from rekalman.training.calibration import Horizon
from rekalman.training.warnings import behind_holding, hold_score, network_warnings


def dated(values: np.ndarray, start: str, step: str) -> rekalman.Sequences:
    index = pd.date_range(start, periods=len(values), freq=step)
    return rekalman.Sequences.from_pandas(pd.DataFrame({"y": values}, index=index))


def co2() -> rekalman.Sequences:
    data = pytest.importorskip("statsmodels.datasets").co2.load_pandas().data["co2"]
    monthly = data.resample("MS").mean().interpolate()
    return dated(monthly.to_numpy(), str(monthly.index[0].date()), "MS")


def gas() -> rekalman.Sequences:
    path = Path(os.environ.get("REKAL_DATA", "")) / "classic_ssm" / "UKgas.csv"
    if not path.is_file():
        pytest.skip("the record of UK gas is not there")
    return dated(pd.read_csv(path)["value"].to_numpy(float), "1960-01-01", "QS")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["gru", "lstm", "rkn"])
@pytest.mark.parametrize(("record", "period"), [(co2, 12), (gas, 4)])
def test_a_network_is_not_behind_the_structure_on_a_trend_with_seasons(record, period, kind):
    data = record()
    train, _ = data.split(0.75)
    structure = local_linear_trend() + seasonal(period)
    rows = {}
    for name, model in (("network", kind), ("structure", structure)):
        fit = rekalman.fit(train, model, progress=False)
        made = fit.roll(data, 1, origins=np.arange(train.steps - 1, data.steps - 1))
        rows[name] = made.score(data.values, data.mask).iloc[0]
    assert rows["network"]["crps"] < 1.05 * rows["structure"]["crps"]
    assert 0.8 <= rows["network"]["coverage_90"] <= 0.97


@pytest.mark.nightly
@pytest.mark.parametrize("learner", [None, Backprop(epochs=10, batch=16, rate=5e-3)])
def test_a_network_is_not_behind_the_linear_model_of_the_arm(learner):
    if not (Path(os.environ.get("REKAL_DATA", "")) / "pam_robot").is_dir():
        pytest.skip("the episodes of the arm are not there")
    train, test = (load_pneumatic_arm(None, part, pressures=False) for part in (TRAIN, TEST))
    origins, scores = np.arange(20, 70), {}
    for name in ("rkn", "linear"):
        fit = rekalman.fit(train, name, learner if name == "rkn" else None, progress=False)
        made = fit.roll(test, (1, 2, 5, 10), origins=origins)
        scores[name] = made.score(test.values, test.mask, pooled=True)
    assert (scores["rkn"]["rmse"] < 1.05 * scores["linear"]["rmse"]).all()
    assert scores["rkn"]["coverage_90"].between(0.8, 0.97).all()


def test_a_season_is_that_of_the_calendar_or_what_the_data_show():
    random = np.random.default_rng(0)
    wave = np.tile([0.0, 3.0, 1.0, -2.0, 0.5, -1.0], 12) + 0.3 * random.normal(size=72)
    assert season_of(rekalman.Sequences.from_arrays(wave)) == 6
    assert season_of(rekalman.Sequences.from_arrays(random.normal(size=72))) is None
    noise = random.normal(size=72)
    assert season_of(dated(noise, "2000-01-01", "MS")) == 12
    assert season_of(dated(noise, "2000-01-01", "QS")) == 4
    assert season_of(dated(noise, "2000-01-01", "D")) == 7
    assert season_of(dated(noise[:20], "2000-01-01", "MS")) is None  # less than three years


def judged(values: np.ndarray, score: float | None) -> tuple[str, ...]:
    data = rekalman.Sequences.from_arrays(values)
    standardiser = Standardiser.of(data)
    volume = log_volume(standardiser, data)
    return network_warnings(standardiser.apply(data), 0.25, score, volume)


def test_a_bounded_network_is_warned_of_values_out_of_its_range():
    random = np.random.default_rng(0)
    noise = random.normal(size=200)
    assert judged(noise, None) == ()
    (sentence,) = judged(0.1 * np.arange(200) + noise, None)
    assert "outside the range" in sentence and "--model linear" in sentence
    share = judged(np.arange(200.0), None)[0].split(" %")[0]
    # Of 50 values the first 7 lie in the range of the 150 before, widened by a twentieth.
    assert int(share) == 86


def test_a_network_behind_holding_the_last_value_is_warned():
    """The score of holding is that of a Gaussian whose variance is that of the steps before."""
    random = np.random.default_rng(1)
    noise = random.uniform(-1, 1, 200)
    data = rekalman.Sequences.from_arrays(noise)
    steps = np.diff(noise)
    var = np.mean(steps[:149] ** 2)
    expected = np.mean(-0.5 * (np.log(2 * np.pi * var) + steps[149:] ** 2 / var))
    assert hold_score(data, np.array([150])) == pytest.approx(expected, rel=1e-6)
    assert judged(noise, expected + 0.1) == ()
    (sentence,) = judged(noise, expected - 0.1)
    assert "holding the last value" in sentence and f"{expected:.3f}" in sentence


@pytest.mark.parametrize(("slope", "behind"), [(0.5, False), (-0.5, True)])
def test_a_network_behind_holding_at_some_horizon_is_warned(slope: float, behind: bool):
    """Of an AR(1) with coefficient .5, forecast by its own model and by one of the wrong sign."""
    random = np.random.default_rng(2)
    y = np.zeros(400)
    for t in range(1, 400):
        y[t] = 0.5 * y[t - 1] + random.normal()
    data = rekalman.Sequences.from_arrays(y)
    one = np.ones((1, 1))
    model = rekalman.LinearGaussian.create(A=slope * one, C=one, Q=one, R=0.01 * one)
    volume = np.zeros((1, 400, 1))
    made = network_warnings(data, 0.25, np.inf, volume, rekalman.Kalman(model))
    if not behind:
        assert made == ()
        return
    (sentence,) = made
    assert "holding the last value predicts as well or better one step ahead" in sentence
    assert "--model linear" in sentence


def test_the_horizons_behind_holding_are_named():
    row = Horizon(shortest=1, values=50, crps=1.0, linear=1.0, hold=1.1, coverage=0.9, behind=-2.0)
    worse = row._replace(shortest=4, hold=0.8, behind=2.5)
    assert behind_holding((row,)) == ()
    (sentence,) = behind_holding((row, worse))
    assert "from 4 steps ahead" in sentence and "local-level" in sentence
