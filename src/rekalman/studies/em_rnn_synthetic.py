"""Section 4.1 of the EM paper over many seeds, complete and with 30 % of the entries missing.

Beside the network by the paper's forecast: the mean of its predictive distribution, and a linear model with
as many states as the true system has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.oscillation import (
    HORIZONS,
    PAPER,
    PAPER_TRAINED,
    PAPER_TRUE,
    LinearOutcome,
    Outcome,
    Setting,
    run_linear,
    run_once,
)


def run(options: StudyOptions) -> StudyResult:
    """Train and score on `options.seeds` fresh pairs of series, twice."""
    began = time.perf_counter()
    seeds = options.seeds or 1
    complete = Setting(iterations=40, restarts=1, test_steps=2000) if options.quick else Setting()
    gappy = complete._replace(missing=0.3)
    rows: list[Row] = []
    figures: dict[str, dict[str, list]] = {}
    for part, (gaps, setting) in enumerate((("", complete), (", 30 % missing", gappy))):
        outcomes: list[Outcome] = []
        linear: list[LinearOutcome] = []
        for i in range(seeds):
            seed = options.seed + i
            options.report(part * seeds + i, 2 * seeds, f"em-rnn{gaps}, seed {seed}")
            outcomes.append(run_once(seed, setting))
            linear.append(run_linear(seed, setting))
        rows.extend(make_rows(f"em-rnn{gaps}", outcomes))
        rows.extend(mean_rows(f"em-rnn, predictive mean{gaps}", outcomes, lambda o: o.mean))
        rows.extend(linear_rows(f"linear, 2 states{gaps}", linear, outcomes))
        if not gaps:  # it is not trained
            rows.extend(mean_rows("true system, predictive mean", outcomes, lambda o: o.true_mean))
        figures[f"em-rnn{gaps}"] = _per_seed(
            outcomes,
            ("ratio", "trained", "true", "mean", "true_mean", "coverage", "log_likelihood"),
        )
        figures[f"linear, 2 states{gaps}"] = _per_seed(
            linear, ("rmse", "coverage", "log_likelihood")
        )
    return StudyResult(
        study="em-rnn-synthetic",
        rows=tuple(rows),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={**complete._asdict(), "quick": options.quick, "per_seed": figures},
    )


def make_rows(system: str, outcomes: list[Outcome]) -> list[Row]:
    """The network by the paper's forecast: RMSE, its ratio to the true system's, and coverage, by horizon."""
    complete = "missing" not in system
    rows = []
    for j, h in enumerate(HORIZONS):
        published = PAPER_TRAINED[h] if complete else None
        relative = PAPER_TRAINED[h] / PAPER_TRUE[h] if complete else None
        trained = [o.trained[j] for o in outcomes]
        rows.append(_row(system, "rmse", h, trained, _true(outcomes, j), published))
        rows.append(_row(system, "rmse_ratio", h, [o.ratio[j] for o in outcomes], 1.0, relative))
    for j, h in enumerate(HORIZONS):
        rows.append(coverage_row(system, h, np.array([o.coverage[j] for o in outcomes]),
                                 np.array([o.true_coverage[j] for o in outcomes])))  # fmt: skip
    likelihood = [o.log_likelihood for o in outcomes]
    best = float(np.median([o.true_log_likelihood for o in outcomes]))
    rows.append(_row(system, "log_likelihood", None, likelihood, best, better="higher"))
    rows.append(_row(system, "seconds", None, [o.seconds for o in outcomes], None))
    return rows


def mean_rows(
    system: str, outcomes: list[Outcome], rmse: Callable[[Outcome], np.ndarray]
) -> list[Row]:
    """RMSE of a predictive mean, and its ratio to that of the paper's forecast by the true system."""
    rows = []
    for j, h in enumerate(HORIZONS):
        values = [rmse(o)[j] for o in outcomes]
        rows.append(_row(system, "rmse", h, values, _true(outcomes, j)))
        ratios = [rmse(o)[j] / o.true[j] for o in outcomes]
        rows.append(_row(system, "rmse_ratio", h, ratios, 1.0))
    return rows


def linear_rows(system: str, linear: list[LinearOutcome], outcomes: list[Outcome]) -> list[Row]:
    """A linear model: the rows of the network, beside the same true system."""
    rows = []
    for j, h in enumerate(HORIZONS):
        rows.append(_row(system, "rmse", h, [each.rmse[j] for each in linear], _true(outcomes, j)))
        ratios = [each.rmse[j] / o.true[j] for each, o in zip(linear, outcomes, strict=True)]
        rows.append(_row(system, "rmse_ratio", h, ratios, 1.0))
    for j, h in enumerate(HORIZONS):
        rows.append(coverage_row(system, h, np.array([each.coverage[j] for each in linear]),
                                 np.array([o.true_coverage[j] for o in outcomes])))  # fmt: skip
    likelihood = [each.log_likelihood for each in linear]
    best = float(np.median([o.true_log_likelihood for o in outcomes]))
    rows.append(_row(system, "log_likelihood", None, likelihood, best, better="higher"))
    rows.append(_row(system, "seconds", None, [each.seconds for each in linear], None))
    return rows


def coverage_row(system: str, horizon: int, ours: np.ndarray, oracle: np.ndarray) -> Row:
    """Coverage of the 90 % interval: the worst seed is the one farthest from 0.9."""
    return Row(
        system=system,
        metric="coverage_90",
        horizon=horizon,
        ours=float(np.median(ours)),
        worst=float(ours[np.argmax(np.abs(ours - 0.9))]),
        spread=float(np.ptp(ours)),
        oracle=float(np.median(oracle)),
        better="higher",
    )


def _true(outcomes: list[Outcome], j: int) -> float:
    """Median RMSE of the paper's forecast by the true system."""
    return float(np.median([o.true[j] for o in outcomes]))


def _per_seed(
    outcomes: Sequence[Outcome] | Sequence[LinearOutcome], names: Sequence[str]
) -> dict[str, list]:
    return {name: [np.asarray(getattr(o, name)).tolist() for o in outcomes] for name in names}


def _row(
    system: str,
    metric: str,
    horizon: int | None,
    ours: Sequence[float | np.floating],
    oracle: float | None,
    published: float | None = None,
    better: Literal["lower", "higher"] = "lower",
) -> Row:
    values = np.array(ours)
    return Row(
        system=system,
        metric=metric,
        horizon=horizon,
        ours=float(np.median(values)),
        worst=float(values.max() if better == "lower" else values.min()),
        spread=float(np.ptp(values)),
        published=published,
        source=None if published is None else PAPER,
        oracle=oracle,
        better=better,
    )
