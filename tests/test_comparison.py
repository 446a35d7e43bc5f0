"""`rekalman.compare`: its figures against a naive loop, causality, budget, refusals, the command line."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest
import scoringrules
from typer.testing import CliRunner

import rekalman
from rekalman.cli.app import app
from rekalman.comparison import running
from rekalman.comparison.selection import candidates_of
from rekalman.comparison.trained_methods import LearnedFit, TrainedMethod
from rekalman.core.metrics import crps_gaussian, energy_score
from rekalman.data.slicing import beginnings
from rekalman.report.comparison import comparison_html

NILE = rekalman.load_example("nile")
NAIVE = ("naive", "drift", "mean")


def short(seed: int = 0, steps: int = 60, columns: int = 1) -> rekalman.Sequences:
    """A random walk with noise."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(steps, columns)), 0)
    return rekalman.Sequences.from_arrays(walk + rng.normal(size=walk.shape))


def compared(data: Any = NILE, models: Any = NAIVE, **more: Any) -> rekalman.Comparison:
    return rekalman.compare(data, models, progress=False, **more)


def test_scores_are_those_of_a_loop_that_forecasts_by_hand():
    comparison = compared(horizons=3, test=20)
    y = np.asarray(NILE.values)[0, :, 0]
    deviation = np.sqrt(np.mean(np.diff(y[:80]) ** 2))
    scores = comparison.scores("naive")
    assert scores.origin.tolist() == list(range(79, 99))
    for row, t in enumerate(scores.origin):
        for j, h in enumerate((1, 2, 3)):
            if t + h >= len(y):
                assert np.isnan(scores.crps[row, j, 0])
                continue
            crps = float(crps_gaussian(y[t + h, None], y[t, None], np.array([h * deviation**2]))[0])
            assert scores.crps[row, j, 0] == pytest.approx(crps, rel=1e-4)
            assert scores.error[row, j, 0] == pytest.approx(y[t] - y[t + h], rel=1e-4, abs=1e-2)
    scale = np.mean(np.abs(np.diff(y[:80])))
    assert comparison.average("naive")["scaled_crps"] == pytest.approx(
        np.nanmean(scores.crps) / scale, rel=1e-6
    )


@pytest.mark.parametrize("window", [None, 40])
def test_training_again_is_the_same_as_fitting_and_forecasting_by_hand(window: int | None):
    comparison = compared(models=["local-level"], horizons=2, test=12, refit=5, window=window)
    scores = comparison.scores("local-level")
    for row, t in enumerate(scores.origin):
        stop = 88 + 5 * ((t - 87) // 5)
        past = NILE.window(0 if window is None else stop - window, stop)
        fit = rekalman.fit(past, "local-level", progress=False)
        ahead = fit.forecast(NILE.window(0, int(t) + 1), 2)
        known = np.asarray(NILE.values)[0, t + 1 : t + 3, 0]
        for h in range(len(known)):
            error = float(ahead.mean[0, h, 0]) - known[h]
            assert scores.error[row, h, 0] == pytest.approx(error, rel=2e-3, abs=0.5)


def test_nothing_after_an_origin_enters_its_forecasts():
    cut = 85
    rng = np.random.default_rng(1)
    values = np.array(NILE.values)
    values[0, cut:, 0] = rng.normal(900, 300, 100 - cut)
    other = dataclasses.replace(NILE, values=values)
    models = ["naive", "mean", "local-level", "ridge-ar"]
    settings: dict[str, Any] = {"horizons": [1, 4], "test": 25}
    one, two = compared(models=models, **settings), compared(other, models, **settings)
    for name in models:
        a, b = one.scores(name), two.scores(name)
        y = [np.asarray(d.values)[0, :, 0] for d in (NILE, other)]
        for row, t in enumerate(a.origin):
            if t >= cut:
                continue
            for j, h in enumerate((1, 4)):
                means = [
                    each.error[row, j, 0] + v[t + h] for each, v in zip((a, b), y, strict=True)
                ]
                assert means[0] == pytest.approx(means[1], rel=1e-5)
                assert a.lower_90[row, j, 0] == pytest.approx(b.lower_90[row, j, 0], rel=1e-5)


def test_the_energy_score_is_that_of_another_library():
    rng = np.random.default_rng(0)
    y, draws = rng.normal(size=(4, 3)), rng.normal(size=(50, 4, 3))
    theirs = scoringrules.es_ensemble(y, np.moveaxis(draws, 0, 1))
    np.testing.assert_allclose(energy_score(y, draws), theirs, rtol=1e-9)


def test_several_columns_and_series_are_averaged_in_their_own_units():
    rng = np.random.default_rng(0)
    walks = [np.cumsum(rng.normal(size=(n, 2)), 0) * [1.0, 1000.0] for n in (60, 50)]
    data = rekalman.Sequences.from_arrays(walks)
    comparison = compared(data, horizons=2)
    average = comparison.average("naive")
    assert 0.5 < average["scaled_crps"] < 1.0 and average["energy_score"] > 0
    frame = comparison.to_frame(["series", "column", "horizon"])
    assert len(frame) == 3 * 2 * 2 * 2
    own = frame[frame["method"] == "naive"]
    pooled = np.average(own["scaled_crps"], weights=own["count"])
    assert pooled == pytest.approx(average["scaled_crps"], rel=1e-9)
    assert comparison.scores("naive").series.tolist() == [0] * 15 + [1] * 13
    assert "the column 'y1' of the series '1', each" in comparison_html(comparison)


def test_what_does_not_apply_says_why_and_the_rest_goes_on():
    values = np.array(short().values)[0]
    values[5:8] = np.nan
    data = rekalman.Sequences.from_arrays(values)
    models = candidates_of(["naive", "mean"], None)

    class Broken:
        name, group, cost, by_series = "broken", "own", 0.0, False
        dynamics, hidden = "", None

        def check(self, data: Any) -> None:
            pass

        def learn(self, data: Any, seed: int, tick: Any) -> Any:
            raise rekalman.RekalError("it breaks")

    comparison = compared(data, [*(each.method for each in models), Broken(), "gru"], budget=1e-3)  # type: ignore[attr-defined]
    assert comparison.names and set(comparison.names) == {"naive", "mean"}
    assert set(comparison.unreached) == {"broken", "gru"}
    comparison = compared(data, ["naive", Broken(), "driven-rnn"])
    assert comparison.failures[0] == ("broken", "it breaks")
    assert comparison.failures[1][0] == "driven-rnn" and "inputs" in comparison.failures[1][1]
    assert "broken: it breaks" in comparison.summary()


@pytest.mark.returns_nan("the forecasts of a candidate are NaN")
def test_a_forecast_that_is_no_number_is_a_failure():
    class Unknown(LearnedFit):
        def roll(self, *given: Any) -> Any:
            made = super().roll(*given)
            return dataclasses.replace(made, means=np.asarray(made.means) * np.nan)

    class Broken(TrainedMethod):
        def learn(self, data: Any, seed: int, tick: Any) -> Any:
            learned = super().learn(data, seed, tick)
            return Unknown(learned.fit, learned.fitting)

    broken = Broken(rekalman.methods.Mean(), "broken")
    comparison = compared(models=["naive", broken], horizons=2)
    assert comparison.failures == (("broken", "a forecast is not finite"),)


def test_an_interrupted_training_is_not_judged_as_if_it_were_finished():
    calls = []

    def tick() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrainedMethod(rekalman.methods.Linear()).learn(NILE, 0, tick)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BrokenProcessPool(), rekalman.RekalError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_ends_a_process_ends_the_comparison(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, raised: type[BaseException]
):
    class Pool(ThreadPoolExecutor):
        waits = True

        def __init__(self, jobs: int, **more: Any):
            super().__init__(1)

        def submit(self, *given: Any) -> Any:  # type: ignore[override]
            result: Future[Any] = Future()
            result.set_exception(error)
            return result

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            Pool.waits &= not cancel_futures

    monkeypatch.setattr(running, "ProcessPoolExecutor", Pool)
    with pytest.raises(raised):
        compared(jobs=2)
    assert Pool.waits == (raised is rekalman.RekalError)


def test_peers_forecast_each_series_by_its_own_model():
    pytest.importorskip("statsforecast", reason="needs the models of the extra `compare`")
    walks = [np.asarray(short(steps=n).values)[0] * n for n in (24, 24, 40)]
    scores = []
    for order in ([2, 0], [0, 2]):  # late forecasts are of the long series alone
        data = rekalman.Sequences.from_arrays([walks[i] for i in order])
        comparison = compared(data, ["AutoETS"], horizons=1, refit=4)
        scores.append(comparison.scores("AutoETS").take(order.index(2)).width_50)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-6)


def test_a_method_alone_is_not_called_naive():
    comparison = compared(models="local-level", horizons=1)
    assert "nothing to compare it with" in comparison.verdict
    assert "naive forecast was made" in comparison.summary()


def test_processes_give_the_same_figures():
    data = rekalman.Sequences.from_arrays([np.asarray(short(i).values)[0] for i in range(3)])
    one, two = compared(data, horizons=2), compared(data, horizons=2, jobs=2)
    for name in NAIVE:
        np.testing.assert_allclose(one.scores(name).crps, two.scores(name).crps, rtol=1e-6)


def test_the_best_is_trained_on_everything():
    comparison = compared(models=["naive", "local-level"])
    fit = comparison.fit(progress=False)
    again = rekalman.fit(NILE, "local-level", progress=False)
    assert fit.kind == "local-level" == comparison.best
    np.testing.assert_array_equal(fit.forecast(NILE, 3).mean, again.forecast(NILE, 3).mean)
    assert fit.history.entries == 100
    with pytest.raises(rekalman.RekalError, match="no method of rekalman"):
        comparison.fit("AutoARIMA")


def with_gap(start: int, stop: int, columns: int = 1) -> rekalman.Sequences:
    """A random walk whose last column is not seen for a while."""
    values = np.array(short(columns=columns).values)[0]
    values[start:stop, -1] = np.nan
    return rekalman.Sequences.from_arrays(values)


IRREGULAR = rekalman.Sequences.from_arrays(
    np.asarray(short().values)[0], times=np.arange(60) ** 1.1, irregular=True
)
REFUSED = {
    "leaves 1 origins": {"test": 1},
    "longer than the test of 10": {"test": 10, "horizons": 11},
    "budget must be above 0": {"budget": 0},
    "unknown model 'gruu'": {"models": ["gruu"]},
    "twice": {"models": ["naive", "naive"]},
    "test is a share": {"test": 0},
    "leaves nothing to learn from": {"test": 100},
    "samples to learn from": {"test": 97},
    "window must be at most 75": {"window": 80},
    "refit must be at least 1": {"refit": 0},
    "jobs must be at least 1": {"jobs": 0},
    "there is no model": {"models": []},
    "a model to compare is": {"models": [3]},
    r"compare Naive\(\)": {"models": [rekalman.methods.Naive]},
    "but is inf": {"test": float("inf")},
    "needs more samples to learn from": {"period": 75},
    "the series are irregular": {"data": IRREGULAR, "period": 7},
    "all values of the test are missing": {"data": with_gap(45, 60)},
    "the data before the test: column 'y2' has no value": {"data": with_gap(0, 45, 2)},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_refusal_says_what_would_be_right(sentence: str):
    given = {"models": NAIVE, **REFUSED[sentence]}
    with pytest.raises(rekalman.RekalError, match=sentence):
        compared(**given)


def test_the_command_writes_a_report_and_json(tmp_path: Any):
    out = tmp_path / "nile.html"
    command = ["compare", "nile", "--models", "naive,mean,drift", "--json", "--report", str(out)]
    result = CliRunner().invoke(app, [*command, "--horizons", "1,3", "--test", "20"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["best"] == "mean" and answer["horizons"] == [1, 3]
    assert len(answer["methods"]) == 3 and len(answer["methods"][0]["by_horizon"]) == 2
    assert sum(answer["methods"][0]["pit"]) == pytest.approx(1.0)
    page = out.read_text()
    assert "Which method forecasts" in page and "cannot be told" in page
    refused = CliRunner().invoke(app, ["compare", "nile", "--horizons", "x", "--no-report"])
    assert refused.exit_code == 2


def test_the_beginning_of_series_has_the_shape_of_the_whole():
    part = beginnings(NILE, np.array([30]))
    assert part.steps == 100 and int(part.lengths[0]) == 30
    assert not np.asarray(part.mask)[0, 30:].any()


def test_methods_of_one_name_are_told_apart_by_their_options():
    methods = rekalman.methods
    pair = [methods.RidgeAR(lags=1), methods.RidgeAR(lags=2)]
    comparison = compared(models=["naive", *pair, "ridge-ar"], horizons=1)
    assert {"ridge-ar (lags=1)", "ridge-ar (lags=2)", "ridge-ar"} <= set(comparison.names)
    assert comparison.fit("ridge-ar (lags=2)", progress=False).model.states == 2
    with pytest.raises(rekalman.RekalError, match=r"ridge-ar \(lags=1\) is among the models twice"):
        compared(models=[pair[0], pair[0]])


def test_any_error_of_a_candidate_is_said_in_its_row():
    class Faulty:
        name, group, cost, by_series = "faulty", "own", 0.0, False
        dynamics, hidden = "", None

        def check(self, data: Any) -> None:
            pass

        def learn(self, data: Any, seed: int, tick: Any) -> Any:
            raise ValueError("a line\nand another")

    comparison = compared(models=["naive", Faulty()])
    assert comparison.failures == (("faulty", "it fails with ValueError: a line and another"),)


def test_series_that_never_move_are_compared_on_a_shared_scale():
    moving = np.asarray(short(1).values)[0]
    data = rekalman.Sequences.from_arrays([moving, np.zeros_like(moving)])
    with pytest.raises(rekalman.RekalError, match="shared"):
        compared(data, horizons=1)
    comparison = compared(data, scale="shared", horizons=1)
    assert set(comparison.names) == set(NAIVE)
    with pytest.raises(rekalman.RekalError, match="unknown scale 'share'"):
        compared(scale="share")


@pytest.mark.parametrize(("significant", "equals", "says"), [
    (False, ("line", "net"), "cannot be told apart"),
    (False, ("line",), "does not pay"),
    (True, ("line", "net"), "does not pay"),
])  # fmt: skip
def test_the_verdict_on_nonlinearity_agrees_with_the_confidence_set(significant, equals, says):
    from types import SimpleNamespace as Stand

    from rekalman.comparison.verdict import _nonlinearity

    ranked = (
        Stand(name="line", dynamics="linear", hidden=True),
        Stand(name="net", dynamics="nonlinear", hidden=False),
    )
    comparison = Stand(
        candidates_by_rank=ranked,
        equals=equals,
        difference=lambda one, other: Stand(significant=significant, mean=0.5),
        average=lambda name: {"scaled_crps": 1.0},
    )
    assert says in _nonlinearity(comparison)  # pyright: ignore[reportArgumentType]
