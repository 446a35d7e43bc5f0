"""Scores of a forecast against what came true, by horizon and column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from rekalman.core import metrics
from rekalman.data import Sequences
from rekalman.data.numeric import holds_tables, is_column, numeric_array
from rekalman.data.tables.named import Known, ordered
from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    from rekalman.forecasting.result import Forecast


def pair(
    forecast: Forecast, values: Any, mask: Any = None
) -> tuple[
    Float[np.ndarray, "origins horizons obs"],
    Bool[np.ndarray, "origins horizons obs"],
]:
    """What was observed at the step that each forecast is for.

    Args:
        forecast: made on these data.
        values: `(steps, obs)`, or `(batch, steps, obs)` for several series; NaN = missing. Tables are read as
            those that were forecast.
        mask: True = observed, in the same form (False in the padding of ragged series).

    Returns:
        The observations, and where there is one; beyond the data there is none.

    Raises:
        RekalError: the values do not fit the forecast.
    """
    known = Known(time=forecast.labels.time_name)
    if holds_tables(values) and not is_column(values):
        values = _of_tables(forecast, values)
    numbers = numeric_array(ordered(values, forecast.names, "values", known), "values")
    seen = ~np.isnan(numbers)
    if mask is not None:
        known = np.asarray(mask)
        if known.shape != numbers.shape or known.dtype != bool:
            raise RekalError(
                f"mask is of booleans in the shape {numbers.shape} of the values, but has shape "
                f"{known.shape} and type {known.dtype}"
            )
        seen &= known
    with np.errstate(over="ignore"):
        y = numbers.astype(np.asarray(forecast.means).dtype)
    if np.isinf(y[seen]).any():
        raise RekalError(f"values hold a number beyond those of {y.dtype}, which has no score")
    if y.ndim == 2:
        y, seen = y[None], seen[None]
    series, origins = np.asarray(forecast.series), np.asarray(forecast.origins)
    if y.ndim != 3 or y.shape[2] != len(forecast.names) or y.shape[0] <= series.max():
        raise RekalError(
            f"values of shape {np.shape(values)} do not fit a forecast of {len(forecast.names)} "
            f"columns and {series.max() + 1} series: the axes are (batch, steps, obs)"
        )
    at = origins[:, None] + np.array(forecast.horizons)
    inside = at < y.shape[1]
    result = series[:, None], np.minimum(at, y.shape[1] - 1)
    observed = seen[result] & inside[..., None]
    return np.where(observed, y[result], 0), observed


def _of_tables(forecast: Forecast, tables: Any) -> Float[np.ndarray, "*batch steps obs"]:
    """The columns of the forecast from tables, each series in its place, NaN where missing."""
    labels = forecast.labels
    data = Sequences.from_pandas(
        tables,
        columns=forecast.names,
        default_time=labels.time_name,
        default_series=labels.frame_kind.series,
        irregular=forecast.times is not None and forecast.targets is not None,
        learnable=False,
        where="values",
    )
    if labels.series_names and set(labels.series_names) <= set(data.series_names):
        data = data.take([data.series_names.index(name) for name in labels.series_names])
    rows = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)
    return rows if len(rows) > 1 else rows[0]


FIGURES = (
    "rmse", "rmse_mean", "log_score", "crps", "coverage_50", "coverage_90", "width_50", "width_90",
)  # fmt: skip


def score(forecast: Forecast, values: Any, mask: Any = None, pooled: bool = False) -> pd.DataFrame:
    """Score a forecast: the forecast made at step t for t + h against the observation at t + h.

    Args:
        forecast: made on these data.
        values: `(steps, obs)` or `(batch, steps, obs)`, in the units of the forecast; NaN = missing; or the
            tables that the forecast was made on.
        mask: True = observed; other entries are not scored.
        pooled: one row for each horizon over all series and columns instead of a row for each of them.

    Returns:
        A row for each horizon (and column, and series where several are forecast): `rmse` of the path,
        `rmse_mean` of the mean of the distribution, `log_score` (mean log density in nats, the higher the
        better), `crps`, `coverage_50` and `coverage_90` of the central intervals, their mean `width_50` and
        `width_90`, `count` of the observations scored. NaN where the count is 0.

    Raises:
        RekalError: the values do not fit the forecast.
    """
    y, seen = pair(forecast, values, mask)
    tables = {
        "path": np.asarray(forecast.path),
        "mean": np.asarray(forecast.mean),
        "pit": np.asarray(forecast.cdf(y)),
        "log_score": np.asarray(forecast.log_score(y)),
        "crps": np.asarray(forecast.crps(y)),
    }
    for level in (50, 90):
        lower, upper = forecast.interval(level / 100)
        tables[f"width_{level}"] = np.asarray(upper) - np.asarray(lower)
    rows = []
    with np.errstate(invalid="ignore"):  # nothing to score: NaN
        for name, origins in _groups(forecast, pooled):
            for j, horizon in enumerate(forecast.horizons):
                for column, part in _columns(forecast, pooled):
                    where = (origins, j, part)
                    cut = {name: table[where] for name, table in tables.items()}
                    row = {**name, "horizon": horizon, **column}
                    result = _scores(cut, y[where], seen[where])
                    figures = (float(each) for each in result)
                    count = int(seen[where].sum())
                    rows.append({**row, **dict(zip(FIGURES, figures, strict=True)), "count": count})
    return pd.DataFrame(rows)


def _groups(forecast: Forecast, pooled: bool) -> list[tuple[dict[str, str], Any]]:
    """The origins that are scored together: those of each series, named where there are several."""
    series = np.asarray(forecast.series)
    several = np.unique(series)
    if pooled or len(several) < 2:
        return [({}, slice(None))]
    return [
        ({"series": forecast.labels.series(int(i))}, np.flatnonzero(series == i)) for i in several
    ]


def _columns(forecast: Forecast, pooled: bool) -> list[tuple[dict[str, str], slice]]:
    """The columns that are scored together."""
    if pooled:
        return [({}, slice(None))]
    return [({"column": name}, slice(k, k + 1)) for k, name in enumerate(forecast.names)]


def _scores(
    cut: dict[str, np.ndarray], truth: np.ndarray, used: np.ndarray
) -> tuple[AnyArray, ...]:
    """One row of scores, in the order of `FIGURES`."""
    return (
        metrics.rmse(truth, cut["path"], used),
        metrics.rmse(truth, cut["mean"], used),
        metrics.masked_mean(cut["log_score"], used),
        metrics.masked_mean(cut["crps"], used),
        metrics.coverage_from_pit(cut["pit"], 0.5, used),
        metrics.coverage_from_pit(cut["pit"], 0.9, used),
        metrics.masked_mean(cut["width_50"], used),
        metrics.masked_mean(cut["width_90"], used),
    )
