"""`RekalForecaster` in sktime: its numbers are those of a `Fit`, on any index; and sktime's own checks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import rekalman
from rekalman.adapters.sktime import RekalForecaster
from rekalman.adapters.step_forecasts import sequences_of
from rekalman.foundation.errors import RekalError

INSTALLED = importlib.util.find_spec("sktime") is not None
sktime = pytest.mark.skipif(not INSTALLED, reason="sktime is not installed")
YEARS = pd.period_range("1871", "1970", freq="Y")
INDICES = {
    "period": pd.period_range("2000-11", periods=60, freq="M"),
    "datetime": pd.date_range("2000-01-31", periods=60, freq="ME"),
    "weeks": pd.date_range("2000-01-03", periods=60, freq="W-MON"),
    "range": pd.RangeIndex(7, 67),
    "whole numbers": pd.Index(np.arange(7, 67)),
}


def walk(index: pd.Index, columns: int = 1, seed: int = 0) -> pd.DataFrame:
    draws = np.random.default_rng(seed).normal(size=(len(index), columns)).cumsum(0)
    return pd.DataFrame(draws, index, [f"c{k}" for k in range(columns)])


def nile() -> pd.Series:
    return pd.Series(rekalman.load_example("nile").values[0, :, 0], YEARS, name="flow")


def test_without_sktime_it_says_what_to_install():
    program = """
import sys
sys.modules["sktime"] = None  # as if it were not there
import rekalman
from rekalman.adapters.sktime import RekalForecaster
try:
    RekalForecaster("naive")
except rekalman.RekalError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == "RekalForecaster needs sktime: pip install 'rekalman[sktime]'\n"


def test_rows_that_an_index_leaves_out_are_missing():
    index = INDICES["period"].delete([5, 6, 20])
    y, X = walk(index), walk(INDICES["period"], seed=1).rename(columns={"c0": "c0"})
    data = sequences_of(y, X)
    assert int(data.lengths[0]) == 60 and data.time_kind == "date"
    assert np.flatnonzero(~np.asarray(data.mask)[0, :, 0]).tolist() == [5, 6, 20]
    assert data.input_names == ("c0 (input)",)
    held = np.asarray(data.inputs)[0, :, 0]
    np.testing.assert_array_equal(held[[4, 5, 6, 7]], X["c0"].to_numpy()[[4, 4, 4, 7]])
    numbers = sequences_of(walk(pd.Index([3, 4, 7, 8])))
    assert numbers.steps == 6 and numbers.time_kind == "step"
    with pytest.raises(RekalError, match="X has no row for 2000-12"):
        sequences_of(walk(INDICES["period"]), X.drop(X.index[1]))


@sktime
@pytest.mark.parametrize("kind", INDICES)
def test_forecasts_are_those_of_a_fit_on_the_index_of_the_data(kind):
    y = walk(INDICES[kind], 2)
    past, future = y.iloc[:-6], y.index[-6:]
    forecaster = RekalForecaster("ridge-ar", {"lags": 2}).fit(past)
    fit = rekalman.fit(sequences_of(past), "ridge-ar", lags=2, progress=False)
    ahead = fit.forecast(sequences_of(past), 6)
    mean = forecaster.predict(fh=[1, 2, 6])
    assert mean.index.equals(future[[0, 1, 5]]) and list(mean.columns) == ["c0", "c1"]
    np.testing.assert_allclose(mean, ahead.mean[0, [0, 1, 5]])
    np.testing.assert_allclose(forecaster.predict_var([1, 2, 6]), ahead.std[0, [0, 1, 5]] ** 2)
    quantiles = forecaster.predict_quantiles([6], alpha=[0.1, 0.7])
    np.testing.assert_allclose(
        quantiles["c1"].iloc[0], np.ravel(ahead.quantile([0.1, 0.7])[:, 0, 5, 1])
    )
    interval = forecaster.predict_interval([1], coverage=0.8)
    np.testing.assert_allclose(interval["c0"].iloc[0], np.ravel(ahead.interval(0.8))[[0, 12]])


@sktime
def test_within_the_data_they_are_predictions_one_step_ahead():
    forecaster = RekalForecaster("local-level").fit(nile())
    fitted = forecaster.predict(fh=YEARS)
    fit = rekalman.fit(rekalman.load_example("nile"), "local-level", progress=False)
    rolled = fit.roll(rekalman.load_example("nile"), 1, origins=range(99)).mean[:, 0, 0]
    assert np.isnan(fitted.iloc[0])  # nothing was seen before
    np.testing.assert_allclose(fitted.iloc[1:], rolled, rtol=1e-6)
    both = forecaster.predict(fh=[-1, 1])
    np.testing.assert_allclose(both, [fitted.iloc[-2], forecaster.predict(fh=1).iloc[0]])
    with pytest.raises(RekalError, match="lies before the first"):
        forecaster.predict(fh=[-100])


@sktime
def test_an_update_filters_on_and_trains_again_only_if_asked():
    y = nile()
    once = RekalForecaster("local-level").fit(y.iloc[:60])
    trained = once.fit_
    once.update(y.iloc[60:], update_params=False)
    assert once.fit_ is trained
    expected = trained.forecast(sequences_of(y.to_frame()), 2).mean[0, :, 0]
    np.testing.assert_allclose(once.predict([1, 2]), expected)
    once.update(y.iloc[90:], update_params=True)  # rows that are known count once
    whole = RekalForecaster("local-level").fit(y).predict([1])
    np.testing.assert_allclose(once.predict([1]), whole, rtol=1e-6)


@sktime
def test_inputs_of_the_steps_to_come():
    index = INDICES["weeks"]
    X = pd.DataFrame({"price": np.random.default_rng(0).choice([1.0, 1.2], 60)}, index)
    y = (5 - 2 * X["price"] + 0.01 * np.random.default_rng(1).normal(size=60)).rename("demand")
    forecaster = RekalForecaster("local-level").fit(y.iloc[:50], X.iloc[:50])
    names = set(forecaster.get_fitted_params())
    assert {"fit", "coefficient of price", "level variance"} <= names
    made = forecaster.predict(fh=[2, 10], X=X)  # more rows than are needed
    np.testing.assert_allclose(made, y.iloc[[51, 59]], atol=0.1)
    with pytest.raises(RekalError, match="give predict an X with the rows 2000-12-18"):
        forecaster.predict(fh=[2])
    with pytest.raises(RekalError, match="X has no row for 2000-12-18"):
        forecaster.predict(fh=[2], X=X.iloc[[51]])


@sktime
def test_tags_are_those_of_the_method():
    tags = {
        name: [
            RekalForecaster(name).get_tag(f"capability:{tag}")
            for tag in ("multivariate", "exogenous")
        ]
        for name in ("local-level", "naive", "gru", "constant-velocity")
    }
    assert tags["local-level"] == [False, True] and tags["naive"] == [True, False]
    assert tags["gru"] == [True, True] and tags["constant-velocity"] == [True, True]
    assert not RekalForecaster(rekalman.methods.Seasonal(period=4)).get_tag(
        "capability:multivariate"
    )
    each = RekalForecaster("local-level").fit(walk(INDICES["range"], 2)).predict([1])
    assert each.shape == (1, 2)  # a model for each column


QUICK = [
    "test_constructor",
    "test_clone",
    "test_object_tags",
    "test_doctest_examples",
    "test_update_tag",
    "test_deepcopy_fitted",
    "test_predict_quantiles",
    "test_fit_does_not_overwrite_hyper_params",
]


@sktime
def test_checks_of_sktime_pass():
    assert _passed(QUICK) > 30


@pytest.mark.nightly
@sktime
def test_all_checks_of_sktime_pass():
    assert _passed(None) > 700


def _passed(names: list[str] | None) -> int:
    """How many checks pass, in a process whose functions are as they are written, not type-checked."""
    program = f"""
import warnings
warnings.simplefilter("ignore")
from sktime.utils.estimator_checks import check_estimator
from rekalman.adapters.sktime import RekalForecaster
results = check_estimator(RekalForecaster, tests_to_run={names!r}, verbose=False)
for name, result in results.items():
    print("CHECK", name, "PASSED" if result == "PASSED" else repr(result))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("CHECK")]
    assert lines, done.stderr
    assert [line for line in lines if not line.endswith(" PASSED")] == []
    return len(lines)
