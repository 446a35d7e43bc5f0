"""The studies of the paper's oscillation: what they run and what they print."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.studies import STUDIES
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.em_rnn_synthetic import linear_rows, make_rows, mean_rows
from rekalman.studies.oscillation import (
    PAPER_TRAINED,
    PAPER_TRUE,
    LinearOutcome,
    Outcome,
    Setting,
    run_linear,
    run_once,
    series_of,
)
from rekalman.verbs.fit import fit

SMALL = Setting(
    states=2,
    particles=40,
    train_steps=300,
    test_steps=600,
    iterations=20,
    restarts=1,
    test_particles=60,
)


@pytest.fixture(scope="module")
def outcome():
    return run_once(3, SMALL)


def test_the_true_system_forecasts_as_the_paper_says(outcome):
    published = np.array([PAPER_TRUE[h] for h in (1, 5, 10)])
    np.testing.assert_allclose(outcome.true, published, rtol=0.15)
    assert np.all(np.diff(outcome.true) > 0)
    np.testing.assert_allclose(outcome.true_coverage, 0.9, atol=0.06)


def test_the_trained_network_comes_near_it(outcome):
    assert np.all(outcome.ratio < 1.4)
    assert outcome.ratio[0] < 1.12
    assert outcome.log_likelihood > outcome.true_log_likelihood - 0.15


def test_gaps_cost_little(outcome):
    gappy = run_once(3, SMALL._replace(missing=0.3))
    np.testing.assert_array_equal(gappy.true, outcome.true)
    assert not np.array_equal(gappy.trained, outcome.trained)
    assert gappy.ratio[0] < 1.2


def test_rows_say_median_worst_and_spread():
    make = lambda k: Outcome(*(np.full(3, v) for v in (0.1 * k, 0.1, 0.9 + 0.01 * k, 0.9)),  # noqa: E731
                             -1.0, -0.9, 2.0, "random 1", np.full(3, 0.15 * k), np.full(3, 0.09))  # fmt: skip
    outcomes = [make(1), make(2), make(4)]
    rows = make_rows("em-rnn", outcomes)
    ratio = next(r for r in rows if r.metric == "rmse_ratio" and r.horizon == 5)
    assert (ratio.ours, ratio.worst, ratio.spread) == pytest.approx((2, 4, 3))
    assert ratio.published == pytest.approx(PAPER_TRAINED[5] / PAPER_TRUE[5])
    assert ratio.source is not None
    coverage = next(r for r in rows if r.metric == "coverage_90")
    assert coverage.worst == pytest.approx(0.94)
    gaps = make_rows("em-rnn, 30 % missing", [make(1)])
    assert all(row.published is None for row in gaps)
    means = mean_rows("em-rnn, predictive mean", outcomes, lambda o: o.mean)
    ratio = next(r for r in means if r.metric == "rmse_ratio" and r.horizon == 10)
    assert (ratio.ours, ratio.worst, ratio.published) == pytest.approx((3, 6, None))
    linear = [LinearOutcome(np.full(3, 0.1 * k), np.full(3, 0.9), -1.0, 1.0) for k in (1, 2, 3)]
    rows = linear_rows("linear", linear, outcomes)
    ratio = next(r for r in rows if r.metric == "rmse_ratio" and r.horizon == 1)
    assert (ratio.ours, ratio.worst, ratio.oracle) == pytest.approx((2, 3, 1))


def test_mean_and_path_forecast_much_alike(outcome):
    """They differ by the curvature of tanh alone, and by sixty particles."""
    np.testing.assert_allclose(outcome.mean, outcome.trained, rtol=0.06)
    np.testing.assert_allclose(outcome.true_mean, outcome.true, rtol=0.06)
    assert not np.array_equal(outcome.mean, outcome.trained)


def test_a_linear_model_forecasts_as_a_naive_recursion():
    """Its scores are those of the textbook filter on the same series, step by step."""
    linear = run_linear(3, SMALL)
    train, test, _, _ = series_of(3, SMALL)
    result = fit(train, "linear", states=2, seed=3, progress=False)
    A, C, Q, R, c, d, m, P = (np.asarray(getattr(result.model, s), float) for s in "ACQRcdmP")
    standard = result.prepare(test)
    y = np.asarray(standard.values)[0]
    scale = float(np.std(np.asarray(test.values)) / np.std(y))
    errors: dict[int, list[float]] = {1: [], 5: [], 10: []}
    mean, cov = m, P
    for t in range(len(y)):
        if t:
            mean, cov = A @ mean + c, A @ cov @ A.T + Q
        gain = cov @ C.T @ np.linalg.inv(C @ cov @ C.T + R)
        mean, cov = mean + gain @ (y[t] - C @ mean - d), cov - gain @ C @ cov
        ahead = mean
        for h in range(1, 11):
            ahead = A @ ahead + c
            if h in errors and t + h < len(y):
                errors[h].append(float((C @ ahead + d - y[t + h])[0]) * scale)
    naive = [np.sqrt(np.mean(np.square(errors[h]))) for h in (1, 5, 10)]
    np.testing.assert_allclose(linear.rmse, naive, rtol=1e-4)


def test_the_page_shows_the_recorded_figures():
    """The ratios of docs/synthetic.md and README.md are those of results/em-rnn-synthetic.json."""
    root = Path(__file__).parents[1]
    whole = json.loads((root / "results" / "em-rnn-synthetic.json").read_text())
    ratios = {
        (row["system"], row["horizon"]): row
        for row in whole["rows"]
        if row["metric"] == "rmse_ratio"
    }
    page, readme = ((root / name).read_text() for name in ("docs/synthetic.md", "README.md"))
    for h in (1, 5, 10):
        path, mean, linear, true = (
            ratios[system, h]
            for system in (
                "em-rnn",
                "em-rnn, predictive mean",
                "linear, 2 states",
                "true system, predictive mean",
            )
        )
        cells = (f"{row['ours']:.3f} ({row['worst']:.3f})" for row in (path, mean, linear, true))
        assert f"| {h} | {' | '.join(cells)} |" in page
        gaps = ratios["em-rnn, 30 % missing", h]
        cells = (f"{row['ours']:.3f} | {row['worst']:.3f}" for row in (path, gaps))
        assert f"| {h} | {path['published']:.3f} | {' | '.join(cells)} |" in page
        cells = (f"{row['ours']:.3f}" for row in (path, mean, linear))
        assert f"| {h} | {path['published']:.3f} | {' | '.join(cells)} |" in readme


def test_results_are_json_and_a_published_figure_needs_its_source():
    row = Row("a", "rmse", 1.0, 2.0, 1.0, horizon=5)
    result = StudyResult("s", (row,), 2, 0.5, {"x": np.float32(1), "y": float("nan")})
    output = json.loads(result.to_json())
    assert output["rows"] == [
        {"system": "a", "metric": "rmse", "ours": 1.0, "worst": 2.0, "spread": 1.0,
         "better": "lower", "horizon": 5}
    ]  # fmt: skip
    assert output["config"] == {"x": 1.0, "y": None}
    with pytest.raises(RekalError, match="source"):
        dataclasses.replace(row, published=1.0)


def test_every_study_can_be_found_and_refuses_no_seeds():
    assert {"em-rnn-synthetic", "particles", "breathing"} <= set(STUDIES)
    with pytest.raises(RekalError, match="seed"):
        STUDIES["particles"].run(StudyOptions(seeds=0))
