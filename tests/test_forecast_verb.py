"""`rekalman.forecast` of hand-made filters, and the table of intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import rekalman
from rekalman import RekalError, Sequences


def level(q: float = 0.4, r: float = 1.5) -> rekalman.LinearGaussian:
    one = np.eye(1)
    return rekalman.LinearGaussian.create(one, one, q * one, r * one, m=np.array([2.0]), P=9 * one)


Y = np.array([1.0, 2.5, np.nan, 3.0, 2.0])


def exact(y: np.ndarray, horizon: int, q: float = 0.4, r: float = 1.5) -> tuple[float, float]:
    """Mean and variance of a walking level's value so many steps on, from the joint normal law."""
    n = len(y) + horizon
    cov = 9.0 + q * np.minimum.outer(np.arange(n), np.arange(n)) + r * np.eye(n)
    seen = np.flatnonzero(np.isfinite(y))
    gain = cov[-1, seen] @ np.linalg.inv(cov[np.ix_(seen, seen)])
    return 2.0 + gain @ (y[seen] - 2.0), cov[-1, -1] - gain @ cov[seen, -1]


def test_a_filter_forecasts_what_the_joint_law_says():
    data = Sequences.from_arrays([Y[:, None], Y[:4, None]], names=["x"])
    made = rekalman.forecast(rekalman.Kalman(level()), data, 3)
    assert isinstance(made, rekalman.Forecast)
    for i, y in enumerate((Y, Y[:4])):
        for h in (1, 2, 3):
            mean, var = exact(y, h)
            assert made.mean[i, h - 1, 0] == pytest.approx(mean)
            assert made.std[i, h - 1, 0] == pytest.approx(np.sqrt(var))
    assert rekalman.forecast(rekalman.Kalman(level()), data, [3]).horizons == (3,)
    cloud = rekalman.forecast(rekalman.ParticleFilter(level(), particles=20_000), data, 3)
    np.testing.assert_allclose(cloud.mean, made.mean, atol=0.1)
    np.testing.assert_allclose(cloud.std, made.std, rtol=0.05)


def test_it_is_the_forecast_of_a_fit_of_that_model():
    dates = pd.date_range("2020-01-31", periods=40, freq="ME")
    frame = pd.DataFrame({"x": np.cumsum(np.random.default_rng(0).normal(size=40))}, index=dates)
    data = Sequences.from_pandas(frame)
    fit = rekalman.fit(data, level(), rekalman.MaximumLikelihood(iterations=2), progress=False)
    mine = rekalman.forecast(fit.algorithm, data, 2).to_frame()
    pd.testing.assert_frame_equal(mine, fit.forecast(data, 2).to_frame())
    assert list(mine["time"].dt.strftime("%Y-%m")) == ["2023-05", "2023-06"]


def test_a_model_in_continuous_time_goes_on_in_its_own_steps():
    one = np.eye(1)
    model = rekalman.LinearContinuous.create(-0.1 * one, one, one, 0.1 * one, P=5 * one)
    data = Sequences.from_arrays(np.array([1.0, 2.0, 1.5]), times=[0, 2.0, 3.0], irregular=True)
    near, far = (rekalman.forecast(rekalman.Kalman(model), data, 2, dt=dt) for dt in (0.5, 1.0))
    assert far.mean[0, 0, 0] == pytest.approx(near.mean[0, 1, 0])
    assert list(near.to_frame()["time"]) == [3.5, 4.0]
    with pytest.raises(RekalError, match="runs in equal steps: leave dt out"):
        rekalman.forecast(rekalman.Kalman(level()), data, 2, dt=0.5)


def test_future_inputs_are_found_by_name():
    one, effects = np.eye(1), np.array([[1.0, 10.0]])
    model = rekalman.LinearGaussian.create(one, one, 0.1 * one, 0.1 * one, B=effects, P=5 * one)
    u = np.zeros((5, 2))
    data = Sequences.from_arrays(Y, inputs=u, input_names=["a", "b"])
    filtered = rekalman.Kalman(model)
    frame = pd.DataFrame({"b": [1.0], "a": [0.0]})
    moved, still = (
        rekalman.forecast(filtered, data, 1, given) for given in (frame, np.zeros((1, 2)))
    )
    assert moved.mean[0, 0, 0] - still.mean[0, 0, 0] == pytest.approx(10.0)
    for given, why in ((None, "future_inputs"), (np.zeros((3, 2)), "3 rows")):
        with pytest.raises(RekalError, match=why):
            rekalman.forecast(filtered, data, 1, given)


def test_no_horizon_is_refused():
    data = Sequences.from_arrays(Y)
    with pytest.raises(RekalError, match="horizon"):
        rekalman.forecast(rekalman.Kalman(level()), data, 0)


def test_the_table_has_the_intervals_that_are_asked_for():
    made = rekalman.forecast(rekalman.Kalman(level()), Sequences.from_arrays(Y), 2)
    table = made.to_frame(levels=(0.5, 0.9))
    ends = ["lower_50", "upper_50", "lower_90", "upper_90"]
    assert list(table.columns) == ["origin", "horizon", "time", "column", "mean", "path", *ends]
    for h in (1, 2):
        mean, var = exact(Y, h)
        expected = norm.ppf([0.25, 0.75, 0.05, 0.95], mean, np.sqrt(var))
        np.testing.assert_allclose(table.loc[h - 1, ends].astype(float), expected, rtol=1e-4)
    assert "lower_97.5" in made.to_frame(0.975)
    assert "q05" in made.to_frame() and "q05" not in table
    for wrong in ((), (1.0,), (90,)):
        with pytest.raises(RekalError, match="level"):
            made.to_frame(wrong)
