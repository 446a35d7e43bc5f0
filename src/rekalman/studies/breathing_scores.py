"""How forecasts of the breathing records are scored, and how scores become rows.

RMSE is the published one: the root mean square of the markers' Euclidean errors in space, over the
targets from 60 s on, then the mean over the records. CRPS and coverage are those of single
coordinates; CRPS is the mean over the records, coverage is pooled over all samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rekalman.evaluation.intervals import LEVELS, RunningIntervals
from rekalman.studies.base import Row

HORIZONS = (1, 2, 5, 10, 21)
"""0.1, 0.2, 0.5, 1.0 and 2.1 s at 10 Hz."""
TRAIN, VALIDATED = 300, 600
"""Steps of the first 30 s and 60 s; everything after is the test."""
METRICS = ("rmse", "crps", "coverage_50", "coverage_90")


def rmse_3d(
    issued: np.ndarray, values: np.ndarray, start: int = VALIDATED, stop: int | None = None
) -> np.ndarray:
    """Root mean square marker error in mm of the targets start ... stop - 1, for each horizon.

    Args:
        issued: forecasts issued at each step `(time, horizons, 9)`, columns x1 x2 x3 y1 ... z3.
        values: the record `(time, 9)`.
        start: first target.
        stop: end of the targets; default the end of the record.
    """
    stop = len(values) if stop is None else stop
    errors = [issued[start - h : stop - h, j] - values[start:stop] for j, h in enumerate(HORIZONS)]
    return np.array(
        [np.sqrt(np.mean(np.sum(e.reshape(len(e), 3, -1) ** 2, axis=1))) for e in errors]
    )


def score(intervals: RunningIntervals, values: np.ndarray) -> dict[str, np.ndarray]:
    """All metrics of one record, for each horizon; the number of test steps as `count`."""
    steps = len(values)
    crps, inner, outer = [], [], []
    for h in HORIZONS:
        quantiles = intervals.at(h, slice(VALIDATED - h, steps - h))
        y = values[VALIDATED:]
        miss = y[..., None] - quantiles
        # The CRPS is twice the integral of the quantile losses over all levels.
        crps.append(2 * np.mean(np.maximum(LEVELS * miss, (LEVELS - 1) * miss)))
        inner.append(_covered(quantiles, y, 0.25))
        outer.append(_covered(quantiles, y, 0.05))
    return {
        "rmse": rmse_3d(intervals.mean, values),
        "crps": np.array(crps),
        "coverage_50": np.array(inner),
        "coverage_90": np.array(outer),
        "count": np.array(steps - VALIDATED),
    }


def make_rows(
    system: str,
    scores: Sequence[Sequence[dict[str, np.ndarray]]],
    published: Sequence[float] | None = None,
    source: str | None = None,
) -> list[Row]:
    """The rows of one system.

    Args:
        system: what was scored.
        scores: of each seed and record.
        published: RMSE to compare with, for each horizon.
        source: where that comes from.

    Returns:
        `ours` is the median over the seeds, `worst` the worst record of any seed (for a coverage:
        the one farthest from its level) and `spread` largest minus smallest.
    """
    rows = []
    weights = np.array([record["count"] for record in scores[0]], float)
    for metric in METRICS:
        table = np.array([[record[metric] for record in seed] for seed in scores])
        coverage = metric.startswith("coverage")
        level = float(metric[-2:]) / 100 if coverage else 0.0
        pooled = np.average(table, axis=1, weights=weights if coverage else None)
        for j, h in enumerate(HORIZONS):
            every = table[..., j].ravel()
            comparable = published is not None and metric == "rmse"
            rows.append(
                Row(
                    system=system,
                    metric=metric,
                    horizon=h,
                    ours=float(np.median(pooled[:, j])),
                    worst=float(every[np.abs(every - level).argmax()] if coverage else every.max()),
                    spread=float(every.max() - every.min()),
                    better="higher" if coverage else "lower",
                    published=float(published[j]) if comparable and published is not None else None,
                    source=source if comparable else None,
                )
            )
    return rows


def _covered(quantiles: np.ndarray, y: np.ndarray, tail: float) -> float:
    low = quantiles[..., np.abs(LEVELS - tail).argmin()]
    high = quantiles[..., np.abs(LEVELS - 1 + tail).argmin()]
    return float(np.mean((y >= low) & (y <= high)))
