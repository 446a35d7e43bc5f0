"""Rolling-origin evaluation: naive forecasts by hand, held-out data never seen, one verdict."""

import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

import rekalman
from rekalman.cli.app import app
from rekalman.evaluation.backtest import Backtest, HorizonScore
from rekalman.evaluation.baselines import naive_forecasts
from rekalman.evaluation.diagnostics import diagnose
from rekalman.fitting.backtesting import backtest, check_backtest, usual_share
from rekalman.foundation.errors import RekalError

S = rekalman.Sequences


def drawn(steps: int, seed: int = 0, phi: float = 0.8) -> np.ndarray:
    """An autoregression seen with noise."""
    rng = np.random.default_rng(seed)
    x = np.zeros(steps)
    for t in range(1, steps):
        x[t] = phi * x[t - 1] + rng.normal()
    return x + 0.3 * rng.normal(size=steps)


def naive_by_hand(y: np.ndarray, t: int, h: int, learned: int, lag: int) -> tuple[float, float]:
    """Mean and variance of one naive forecast, by loops."""
    moves = []
    for i in range(learned):
        j = i - lag
        if lag == 1:
            while j >= 0 and np.isnan(y[j]):
                j -= 1
        if j < 0 or np.isnan(y[i]) or np.isnan(y[j]):
            continue
        moves.append((y[i] - y[j]) ** 2 / ((i - j) / lag))
    if t + h >= len(y):
        return np.nan, np.nan
    j = t + h
    while j > t or (lag == 1 and j >= 0 and np.isnan(y[j])):
        j -= lag
    if j < 0 or np.isnan(y[j]):
        return np.nan, np.nan
    return y[j], (t + h - j) / lag * np.mean(moves)


@pytest.mark.parametrize("lag", [1, 4])
def test_naive_forecasts_are_those_by_hand(lag):
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=30).cumsum(), 100 * rng.normal(size=21).cumsum()
    for y in (first, second):
        y[rng.random(len(y)) < 0.25] = np.nan
    data = S.from_arrays([first[:, None], second[:, None]])
    learned = np.array([20, 12])
    series, origins = np.array([0] * 12 + [1] * 11), np.r_[18:30, 10:21]
    made = naive_forecasts(data, series, origins, (1, 3, 9), learned, lag)
    for i, (which, t) in enumerate(zip(series, origins, strict=True)):
        y = (first, second)[which]
        for j, h in enumerate((1, 3, 9)):
            mean, var = naive_by_hand(y, t, h, learned[which], lag)
            np.testing.assert_allclose(made.mean[i, j, 0], mean, rtol=1e-12)
            np.testing.assert_allclose(made.var[i, j, 0], var, rtol=1e-12)


def test_naive_forecasts_of_irregular_series_count_time():
    times = np.cumsum([0.0, 1.0, 2.5, 0.5, 4.0, 1.0])
    y = np.array([0.0, 1.0, 3.0, 2.0, 6.0, 5.0])
    data = S.from_arrays(y, times=times, irregular=True)
    made = naive_forecasts(data, np.array([0]), np.array([3]), (1, 2), np.array([4]))
    rate = np.mean([1 / 1.0, 4 / 2.5, 1 / 0.5])
    np.testing.assert_allclose(made.mean[0, :, 0], [2.0, 2.0])
    np.testing.assert_allclose(made.var[0, :, 0], [4.0 * rate, 5.0 * rate])


def test_what_is_held_out_is_not_trained_on():
    y = drawn(200)
    changed = y.copy()
    changed[160:] = 5 * drawn(40, seed=9) - 3  # another system altogether
    own = [
        rekalman.fit(
            S.from_arrays(v), "ar", states=1, backtest=0.2, progress=False
        ).history.backtest
        for v in (y, changed)
    ]
    head = rekalman.fit(S.from_arrays(y[:160]), "ar", states=1, progress=False)
    for result, values in zip(own, (y, changed), strict=True):
        made = head.roll(S.from_arrays(values), [1, 2, 5, 10], origins=np.arange(159, 199))
        scores = made.score(values[:, None])
        assert [score.entries for score in result.scores] == list(scores["count"])
        for name in ("crps", "coverage_50", "coverage_90"):
            assert [getattr(s, name) for s in result.scores] == pytest.approx(
                list(scores[name]), rel=1e-5
            )
    assert own[0].held_out == 40 and own[0].trained == 160
    assert not any("interval" in fault for fault in own[0].faults)
    assert own[1].faults  # overconfident: the end is another system


def test_the_naive_scores_are_those_of_a_random_walk():
    y = drawn(150, phi=0.2)
    result = rekalman.fit(
        S.from_arrays(y), "local-level", backtest=0.2, progress=False
    ).history.backtest
    sigma = np.sqrt(np.mean(np.diff(y[:120]) ** 2))
    for score in result.scores:
        h = score.horizon
        origins = np.arange(119, 150 - h)
        z = (y[origins + h] - y[origins]) / (sigma * np.sqrt(h))
        crps = (
            sigma * np.sqrt(h) * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        )
        assert score.hold_crps == pytest.approx(crps.mean(), rel=1e-9)
        assert score.hold_rmse == pytest.approx(
            np.sqrt(np.mean((y[origins + h] - y[origins]) ** 2))
        )
        assert score.season_crps is None


def test_series_of_other_lengths_and_columns():
    rng = np.random.default_rng(1)
    series = [np.c_[drawn(n, n), 1e3 + 50 * drawn(n, n + 1)] for n in (120, 75, 60)]
    series[1][rng.random(75) < 0.2, 0] = np.nan
    data = S.from_arrays(series, names=["a", "b"])
    result = rekalman.fit(data, "linear", states=2, backtest=0.25, progress=False).history.backtest
    assert result.trained == 90 + 56 + 45 and result.held_out == 30 + 19 + 15
    counts = {(s.name, s.horizon): s.entries for s in result.scores}
    assert counts["b", 1] == 64 and counts["b", 10] == 21 + 10 + 6
    held = np.isfinite(series[0][90:, 0]).sum() + np.isfinite(series[1][56:, 0]).sum() + 15
    assert counts["a", 1] == held
    assert np.isfinite([s.crps for s in result.scores]).all()
    assert result.ratio(1) < 1.1


def test_a_season_is_held_where_the_calendar_has_one():
    rng = np.random.default_rng(5)
    index = pd.date_range("2001-01-01", periods=96, freq="MS")
    wave = 10 * np.sin(np.arange(96) * np.pi / 6)
    frame = pd.DataFrame({"y": wave + 0.3 * rng.normal(size=96)}, index=index)
    result = rekalman.fit(frame, "local-level", backtest=0.25, progress=False).history.backtest
    assert result.period == 12
    assert result.ratio(1, "season") > 1 and result.ratio(5, "season") > 1
    assert (
        "holding the value of 12 steps before predicts as well or better at every horizon"
        in result.beaten
    )
    y = frame["y"].to_numpy()
    sigma = np.sqrt(np.mean((y[12:72] - y[:60]) ** 2))
    z = (y[72:] - y[60:84]) / sigma
    crps = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert result.scores[0].season_crps == pytest.approx(crps.mean(), rel=1e-9)


def test_inputs_are_known_to_the_end():
    rng = np.random.default_rng(2)
    u = rng.normal(size=(160, 1))
    x = np.zeros(160)
    for t in range(1, 160):
        x[t] = 0.7 * x[t - 1] + u[t, 0] + 0.1 * rng.normal()
    data = S.from_arrays(x, inputs=u)
    result = rekalman.fit(data, "linear", states=1, backtest=0.25, progress=False).history.backtest
    assert result.scores[0].entries == 31 and result.ratio(1) < 0.3


def record(coverage: float, entries: int, ours: float = 1.0, hold: float = 2.0) -> Backtest:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1, 400, 1))
    right = diagnose(z, norm.cdf(z), ("y",))
    scores = tuple(
        HorizonScore(h, "y", entries, ours, hold, None, ours, hold, 0.5, c)
        for h, c in ((1, 0.9), (5, coverage))
    )
    return Backtest(0.2, 1600, 400, right, scores)


def test_the_verdict_names_intervals_that_do_not_hold_and_baselines_that_win():
    assert record(0.9, 400).verdict == "on held-out data the filter is consistent"
    assert record(0.93, 400).faults == ()  # near enough
    assert record(0.6, 400).faults == ("its 90 % intervals hold 60 % 5 steps ahead",)
    assert record(0.6, 8).faults == ()  # chance
    assert record(0.9, 400, 2.0).beaten == (
        "holding the last value predicts as well or better at every horizon",
    )


def test_it_is_told_in_the_summary_and_kept_in_the_file(tmp_path):
    trained = rekalman.fit(S.from_arrays(drawn(120)), "local-level", backtest=0.2, progress=False)
    lines = trained.summary().splitlines()
    assert sum(line.startswith("verdict") for line in lines) == 1
    assert any(line.startswith("held out        the last 24 samples") for line in lines)
    trained.save(tmp_path / "m.rekalman")
    assert rekalman.load(tmp_path / "m.rekalman").history.backtest == trained.history.backtest
    assert list(trained.history.backtest.to_frame().index.names) == ["horizon", "name"]


def test_the_model_itself_is_the_same_with_and_without():
    data = S.from_arrays(drawn(120))
    one, other = (rekalman.fit(data, "local-level", backtest=b, progress=False) for b in (0.0, 0.2))
    assert one.history.backtest is None
    assert [p.value for p in one.parameters] == [p.value for p in other.parameters]


def test_shares_that_cannot_be_held_out_are_refused():
    data = S.from_arrays(drawn(40))
    for share in (-0.1, 1.0):
        with pytest.raises(RekalError, match="from 0 to below 1"):
            rekalman.fit(data, "local-level", backtest=share)
    with pytest.raises(RekalError, match="holds out 4 values, of which 10"):
        check_backtest(data, 0.1)
    assert usual_share(data) == 0.0 and usual_share(S.from_arrays(drawn(50))) == 0.2


def test_a_beginning_that_cannot_be_learned_is_said_and_costs_no_model():
    y = np.r_[np.zeros(80), drawn(40)]
    trained = rekalman.fit(S.from_arrays(y), "local-level", backtest=0.4, progress=False)
    assert trained.history.backtest is None and trained.history.stopped == "converged"
    assert "warning         there is no verdict from held-out data: " in trained.summary()


def test_ctrl_c_in_the_backtest_keeps_the_model():
    y = drawn(120)

    def interrupt(stage, _):
        if stage.startswith("backtest"):
            raise KeyboardInterrupt

    trained = rekalman.fit(S.from_arrays(y), "local-level", backtest=0.2, progress=interrupt)
    assert trained.history.stopped == "converged" and trained.history.backtest is None
    data = S.from_arrays(y)
    stopped = rekalman.fit(data, "local-level", progress=False)
    history = dataclasses.replace(stopped.history, stopped="interrupted")
    assert backtest(lambda _: dataclasses.replace(stopped, history=history), data, 0.2) is None


def test_the_command_judges_on_held_out_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("y.csv", drawn(120), header="y", comments="")
    run = CliRunner().invoke(app, ["fit", "y.csv", "--model", "local-level", "--json", "--quiet"])
    assert run.exit_code == 0, run.output
    output = json.loads(run.stdout)
    assert output["backtest"]["held_out"] == 24
    assert output["backtest"]["verdict"].startswith("on held-out data")
    page = (tmp_path / "y-local-level.html").read_text()
    assert "How it predicts what it has not seen" in page
    run = CliRunner().invoke(
        app, ["fit", "y.csv", "--model", "local-level", "--json", "--quiet", "--backtest", "0"]
    )
    assert json.loads(run.stdout)["backtest"] is None
    run = CliRunner().invoke(app, ["fit", "y.csv", "--model", "local-level", "--backtest", "0.02"])
    assert run.exit_code == 2 and "holds out 3 values" in run.output
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.savetxt("short.csv", drawn(30), header="y", comments="")
        run = CliRunner().invoke(app, ["fit", "short.csv", "--model", "local-level", "--json"])
    assert run.exit_code == 0 and json.loads(run.stdout)["backtest"] is None
