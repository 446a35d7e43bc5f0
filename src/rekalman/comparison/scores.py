"""The scores of every forecast of a method: one for each origin, horizon and column."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from rekalman.core.metrics import energy_score
from rekalman.data import Sequences
from rekalman.evaluation.baselines import lagged_moves
from rekalman.forecasting import Forecast
from rekalman.forecasting.scores import pair

DRAWS = 100
"""Joint draws of a forecast that its energy score is worked out from."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of a method, NaN where nothing was observed.

    Attributes:
        series: which series each origin belongs to, counted from 0.
        origin: the step after whose observation the forecast was made.
        crps: continuous ranked probability score, in the unit of the column; infinite where a forecast is not
            a number.
        log_score: log density of what came true, in nats; the higher the better.
        error: mean of the forecast minus what came true.
        pit: probability that the forecast gave to values below what came true.
        width_50: width of the central 50 % interval.
        lower_90: lower end of the central 90 % interval.
        upper_90: its upper end.
        energy: energy score of all columns together, each in units of its scale, `(origins, horizons)`; None
            of one column, whose energy score is the CRPS.
    """

    series: Int[np.ndarray, " origins"]
    origin: Int[np.ndarray, " origins"]
    crps: Float[np.ndarray, "origins horizons obs"]
    log_score: Float[np.ndarray, "origins horizons obs"]
    error: Float[np.ndarray, "origins horizons obs"]
    pit: Float[np.ndarray, "origins horizons obs"]
    width_50: Float[np.ndarray, "origins horizons obs"]
    lower_90: Float[np.ndarray, "origins horizons obs"]
    upper_90: Float[np.ndarray, "origins horizons obs"]
    energy: Float[np.ndarray, "origins horizons"] | None = None

    @classmethod
    def of(
        cls,
        forecast: Forecast,
        data: Sequences,
        scale: Float[np.ndarray, "batch obs"],
        series: Int[np.ndarray, " batch"] | None = None,
    ) -> Scores:
        """Score forecasts of some data.

        Args:
            forecast: made on these data.
            data: the series.
            scale: of each series and column, for the energy score.
            series: the numbers under which the series are known; default as they stand.
        """
        y, seen = pair(forecast, np.asarray(data.values), np.asarray(data.mask))
        where = lambda table: np.where(seen, np.asarray(table, np.float64), np.nan)  # noqa: E731
        inner, outer = (forecast.interval(level) for level in (0.5, 0.9))
        rows = np.asarray(forecast.series)
        energy = None
        if len(forecast.names) > 1:
            unit = np.asarray(scale)[rows][:, None]
            draws = np.asarray(forecast.samples(jax.random.key(0), DRAWS), np.float64)
            whole = seen.all(-1)
            scored = energy_score(np.where(seen, y, 0.0) / unit, draws / unit)
            energy = np.where(whole, scored, np.nan)
        return cls(
            series=rows if series is None else np.asarray(series)[rows],
            origin=np.asarray(forecast.origins),
            crps=where(np.nan_to_num(forecast.crps(y), nan=np.inf, posinf=np.inf)),
            log_score=where(forecast.log_score(y)),
            error=where(np.asarray(forecast.mean) - y),
            pit=where(forecast.cdf(y)),
            width_50=where(np.asarray(inner[1]) - np.asarray(inner[0])),
            lower_90=where(outer[0]),
            upper_90=where(outer[1]),
            energy=energy,
        )

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """All parts, ordered by series and origin."""
        fields: dict[str, Any] = {}
        for each in dataclasses.fields(cls):
            arrays = [getattr(part, each.name) for part in parts]
            fields[each.name] = None if arrays[0] is None else np.concatenate(arrays)
        order = np.lexsort((fields["origin"], fields["series"]))
        ordered: dict[str, Any] = {k: None if v is None else v[order] for k, v in fields.items()}
        return cls(**ordered)

    def take(self, series: int) -> Scores:
        """Those of one series."""
        rows = self.series == series
        every = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        own: dict[str, Any] = {k: None if v is None else v[rows] for k, v in every.items()}
        return Scores(**own)

    @property
    def finite(self) -> bool:
        """Whether every observed entry has a score."""
        return not (np.isinf(self.crps) | (np.isnan(self.crps) != np.isnan(self.pit))).any()


def naive_scale(
    data: Sequences, learned: Int[np.ndarray, " batch"], season: int | None
) -> Float[np.ndarray, "batch obs"]:
    """Mean absolute error of the (seasonal) naive forecast in what is learned from: the unit of MASE.

    Args:
        data: the series.
        learned: number of first steps of each series that are learned from.
        season: steps of a season, or None for the last value.

    Returns:
        One number for each series and column; where it is zero or unknown the mean of those of the column, or
        1.
    """
    moved = np.abs(lagged_moves(data, learned, season or 1)[0])
    count = np.isfinite(moved).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.nansum(moved, 1) / count
        usable = np.isfinite(scale) & (scale > 0)
        column = np.where(usable, scale, 0.0).sum(0) / usable.sum(0)
    column = np.where(np.isfinite(column), column, 1.0)
    return np.where(usable, scale, column)
