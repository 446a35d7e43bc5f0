"""Forecasts in ArviZ: the draws are ours, at their series, horizons and time stamps."""

from __future__ import annotations

import sys

import jax
import numpy as np
import pandas as pd
import pytest
from test_streams import fit_of

import rekalman
from rekalman.forecasting import Forecast
from rekalman.foundation.errors import RekalError

ONE = np.eye(1)


def ahead(data: rekalman.Sequences, horizon: int = 4) -> Forecast:
    eye = np.eye(data.observations)
    model = rekalman.LinearGaussian.create(eye, eye, 1469 * eye, 15099 * eye, initial="diffuse")
    return rekalman.forecast(rekalman.Kalman(model), data, horizon=horizon)


def rolled(batch: int) -> Forecast:
    fit = fit_of(rekalman.LinearGaussian.create(ONE, ONE, ONE, ONE))
    values = 10 + np.random.default_rng(0).normal(size=(batch, 6, 1))
    data = rekalman.Sequences.from_arrays(values, names=["y1"])
    return fit.roll(data, [1, 3], origins=[2, 4])


@pytest.fixture(scope="module")
def arviz():
    return pytest.importorskip("arviz")


def test_the_draws_are_those_of_the_forecast_at_the_years_to_come(arviz):
    data = rekalman.load_example("nile")
    made = ahead(data)
    tree = made.to_inference_data(500, seed=3)
    drawn = tree.predictions["flow"]
    assert drawn.dims == ("chain", "draw", "series", "horizon") and drawn.shape == (1, 500, 1, 4)
    ours = np.asarray(made.samples(jax.random.key(3), 500))
    np.testing.assert_array_equal(drawn.values[0], ours[..., 0])
    assert drawn["series"].values.tolist() == list(data.series_names)
    assert drawn["horizon"].values.tolist() == [1, 2, 3, 4]
    known = tree.predictions_constant_data
    assert known["time"].dims == ("series", "horizon") and known["origin"].dims == ("series",)
    assert known["time"].values.tolist() == [[1971, 1972, 1973, 1974]]
    assert known["origin"].values.tolist() == [99]
    table = arviz.summary(tree, group="predictions", round_to="none")
    error = np.asarray(table["mean"], float) - np.ravel(made.mean)
    assert (np.abs(error) < 4 * np.ravel(made.std) / np.sqrt(500)).all()
    again, other = made.to_inference_data(500, seed=3), made.to_inference_data(500, seed=4)
    np.testing.assert_array_equal(again.predictions["flow"], drawn)
    assert not (np.asarray(other.predictions["flow"]) == drawn.values).any()
    assert made.to_inference_data().predictions["flow"].shape == (1, 1000, 1, 4)


def test_columns_and_series_have_their_names(arviz):
    values = np.random.default_rng(1).normal(size=(2, 20, 2))
    values += np.array([[[0.0, 1e4]], [[2e4, 3e4]]])
    data = rekalman.Sequences.from_arrays(
        values, names=["horizon", "flow"], series_names=("north", "south")
    )
    made = ahead(data, 2)
    tree = made.to_inference_data(50)
    assert set(tree.predictions.data_vars) == {"observed horizon", "flow"}
    for k, name in enumerate(("observed horizon", "flow")):
        for i, series in enumerate(("north", "south")):
            one = tree.predictions[name].sel(series=series)
            np.testing.assert_allclose(
                one.mean(("chain", "draw")), made.mean[i, :, k], atol=5 * made.std.max() / 7
            )


def test_rolling_forecasts_have_origins(arviz):
    drawn = rolled(1).to_inference_data(5)
    assert drawn.predictions["y1"].dims == ("chain", "draw", "origin", "horizon")
    assert drawn.predictions["origin"].values.tolist() == [2, 4]
    assert drawn.predictions_constant_data["time"].values.tolist() == [[3, 5], [5, 7]]
    both = rolled(2).to_inference_data(5).predictions["y1"]
    assert both["origin"].values.tolist() == ["1: 2", "1: 4", "2: 2", "2: 4"]


def test_dates_are_dates_and_those_of_a_zone_in_utc(arviz):
    for zone, first in ((None, "2024-03-01T12"), ("America/New_York", "2024-03-01T17")):
        index = pd.date_range("2024-03-01 02:00", periods=10, freq="h", tz=zone)
        frame = pd.DataFrame({"y": np.arange(10.0)}, index)
        tree = ahead(rekalman.Sequences.from_arrays(frame), 2).to_inference_data(5)
        stamps = tree.predictions_constant_data["time"].values
        assert stamps[0, 0] == np.datetime64(first)
        assert stamps[0, 1] - stamps[0, 0] == np.timedelta64(1, "h")


def test_refusals(monkeypatch):
    made = rolled(1)
    with pytest.raises(RekalError, match="draws must be"):
        made.to_inference_data(0)
    monkeypatch.setitem(sys.modules, "arviz", None)  # as if it were not there
    with pytest.raises(RekalError, match=r"needs ArviZ: pip install 'rekalman\[bayes\]'"):
        made.to_inference_data(5)
