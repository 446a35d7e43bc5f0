"""Section 4.1 of the EM paper over many seeds, complete and with 30 % of the entries missing."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.oscillation import (
    HORIZONS,
    PAPER,
    PAPER_TRAINED,
    PAPER_TRUE,
    Outcome,
    Setting,
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
    for part, (system, setting) in enumerate(
        (("em-rnn", complete), ("em-rnn, 30 % missing", gappy))
    ):
        outcomes = []
        for i in range(seeds):
            options.report(part * seeds + i, 2 * seeds, f"{system}, seed {options.seed + i}")
            outcomes.append(run_once(options.seed + i, setting))
        rows.extend(make_rows(system, outcomes))
        figures[system] = {
            name: [np.asarray(getattr(o, name)).tolist() for o in outcomes]
            for name in ("ratio", "trained", "true", "coverage", "log_likelihood")
        }
    return StudyResult(
        study="em-rnn-synthetic",
        rows=tuple(rows),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={**complete._asdict(), "quick": options.quick, "per_seed": figures},
    )


def make_rows(system: str, outcomes: list[Outcome]) -> list[Row]:
    """RMSE, its ratio to the true system's, and coverage, by horizon."""
    complete = "missing" not in system
    rows = []
    for j, h in enumerate(HORIZONS):
        reference = (PAPER_TRAINED[h], PAPER) if complete else (None, None)
        ratio = (PAPER_TRAINED[h] / PAPER_TRUE[h], PAPER) if complete else (None, None)
        rows.append(_row(system, "rmse", h, outcomes, lambda o, j=j: o.trained[j],
                         lambda o, j=j: o.true[j], *reference))  # fmt: skip
        rows.append(_row(system, "rmse_ratio", h, outcomes, lambda o, j=j: o.ratio[j],
                         lambda o: 1.0, *ratio))  # fmt: skip
    for j, h in enumerate(HORIZONS):
        rows.append(coverage_row(system, h, np.array([o.coverage[j] for o in outcomes]),
                                 np.array([o.true_coverage[j] for o in outcomes])))  # fmt: skip
    rows.append(
        _row(system, "log_likelihood", None, outcomes, lambda o: o.log_likelihood,
             lambda o: o.true_log_likelihood, better="higher")
    )  # fmt: skip
    rows.append(_row(system, "seconds", None, outcomes, lambda o: o.seconds, None))
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


def _row(
    system: str,
    metric: str,
    horizon: int | None,
    outcomes: list[Outcome],
    ours: Callable[[Outcome], float],
    oracle: Callable[[Outcome], float] | None,
    published: float | None = None,
    source: str | None = None,
    better: str = "lower",
) -> Row:
    values = np.array([ours(o) for o in outcomes])
    return Row(
        system=system,
        metric=metric,
        horizon=horizon,
        ours=float(np.median(values)),
        worst=float(values.max() if better == "lower" else values.min()),
        spread=float(np.ptp(values)),
        published=published,
        source=source,
        oracle=None if oracle is None else float(np.median([oracle(o) for o in outcomes])),
        better="lower" if better == "lower" else "higher",
    )
