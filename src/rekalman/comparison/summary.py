"""Scores averaged: over everything, by horizon, by series, by column; and losses by origin for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from rekalman.comparison.scores import Scores
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

GROUPS = ("horizon", "series", "column")
"""What averages can be taken by."""
BINS = 10
"""Bins of a histogram of the PIT."""


def averages(
    scores: Scores, scale: Float[np.ndarray, "batch obs"], where: Any = (slice(None),) * 3
) -> dict[str, float]:
    """Mean scores over some of the origins, horizons and columns.

    Args:
        scores: of a method.
        scale: of each series and column: the unit of `scaled_crps`, `mase`, `rmsse` and the energy score.
        where: index of the origins, of the horizons and of the columns.

    Returns:
        `scaled_crps`, `crps`, `mase`, `mae`, `rmsse`, `rmse`, `log_score`, `energy_score` (NaN of one
        column), `coverage_50`, `coverage_90`, `width_50`, `width_90` and `count`.
    """
    rows, ahead, columns = where
    cut = lambda table: table[rows][:, ahead][:, :, columns]  # noqa: E731
    unit = np.asarray(scale)[scores.series[rows]][:, None, columns]
    error, distance = cut(scores.error), np.abs(cut(scores.pit) - 0.5)
    seen = np.isfinite(error)
    energy = float("nan")
    if scores.energy is not None and isinstance(columns, slice):
        energy = mean(scores.energy[rows][:, ahead])
    return {
        "scaled_crps": mean(cut(scores.crps) / unit),
        "crps": mean(cut(scores.crps)),
        "mase": mean(np.abs(error) / unit),
        "mae": mean(np.abs(error)),
        "rmsse": float(np.sqrt(mean((error / unit) ** 2))),
        "rmse": float(np.sqrt(mean(error**2))),
        "log_score": mean(cut(scores.log_score)),
        "energy_score": energy,
        "coverage_50": mean(np.where(seen, distance <= 0.25, np.nan)),
        "coverage_90": mean(np.where(seen, distance <= 0.45, np.nan)),
        "width_50": mean(cut(scores.width_50)),
        "width_90": mean(cut(scores.upper_90 - scores.lower_90)),
        "count": int(seen.sum()),
    }


def mean(table: Float[np.ndarray, "*shape"]) -> float:
    """Mean of what is not NaN; NaN where there is nothing. An infinite entry makes it infinite."""
    seen = ~np.isnan(table)
    return float(table[seen].mean()) if seen.any() else float("nan")


def grouped(
    scores: Scores,
    scale: Float[np.ndarray, "batch obs"],
    by: Sequence[str],
    horizons: tuple[int, ...],
    names: tuple[str, ...],
    series_names: tuple[str, ...],
) -> Iterator[dict[str, Any]]:
    """Averages of each group.

    Args:
        scores: of a method.
        scale: of each series and column.
        by: some of `GROUPS`; empty = everything in one row.
        horizons: steps ahead.
        names: of the columns.
        series_names: of the series.

    Raises:
        RekalError: a group is unknown.
    """
    for each in by:
        if each not in GROUPS:
            raise RekalError(f"averages cannot be taken by {each!r}: {choices(str(each), GROUPS)}")
    several: list[tuple[Any, Any]] = [(None, slice(None))]
    places = {
        "series": [(series_names[i], scores.series == i) for i in np.unique(scores.series)],
        "horizon": [(h, [j]) for j, h in enumerate(horizons)],
        "column": [(name, [k]) for k, name in enumerate(names)],
    }
    chosen = {name: places[name] if name in by else several for name in places}
    for series, rows in chosen["series"]:
        for horizon, ahead in chosen["horizon"]:
            for column, columns in chosen["column"]:
                keys = {"series": series, "horizon": horizon, "column": column}
                yield {
                    **{name: keys[name] for name in by},
                    **averages(scores, scale, (rows, ahead, columns)),
                }


def losses_by_origin(
    scores: Scores,
    scale: Float[np.ndarray, "batch obs"],
    horizons: slice | list[int] = slice(None),
) -> Float[np.ndarray, " origins"]:
    """Scaled CRPS of each origin, so weighted that the mean is that of all entries.

    Args:
        scores: of a method.
        scale: of each series and column.
        horizons: which of them count, by their place.
    """
    table = (scores.crps / np.asarray(scale)[scores.series][:, None])[:, horizons]
    seen = ~np.isnan(table)
    each = np.where(seen, table, 0.0).sum((1, 2))
    return each * len(each) / max(int(seen.sum()), 1)


def pit_histogram(scores: Scores) -> Float[np.ndarray, " bins"]:
    """Share of the PIT in each of ten bins; all are a tenth where the forecasts are calibrated."""
    pit = scores.pit[np.isfinite(scores.pit)]
    return np.histogram(pit, BINS, (0.0, 1.0))[0] / max(len(pit), 1)
