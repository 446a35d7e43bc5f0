"""The automatic models of statsforecast as candidates: one for each series and column, by itself."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.comparison.candidate import Size, Tick
from rekalman.comparison.quantile_forecasts import as_forecast, gaussian_parts
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.forecasting import Forecast

MODELS = {"AutoETS": 0.5, "AutoTheta": 0.5, "AutoCES": 1.0, "AutoARIMA": 5.0}
"""Names in `statsforecast.models`, and seconds that they take to learn from a thousand samples."""
LEVELS = (50, 90)


@dataclasses.dataclass(frozen=True)
class StatsforecastModel:
    """A model of statsforecast; parameters are learned once for a fold, then it filters on.

    Attributes:
        name: its class in `statsforecast.models`.
        season: steps of a season; 1 for none.
    """

    name: str
    season: int = 1
    by_series: bool = True
    dynamics: str = ""
    hidden: bool | None = None

    @property
    def group(self) -> str:
        """The library."""
        return "statsforecast"

    @property
    def cost(self) -> float:
        """Seconds of a usual training."""
        return MODELS[self.name] * (4.0 if self.season > 1 else 1.0)

    def check(self, data: Sequences) -> None:
        """Refuse missing entries and irregular steps.

        Raises:
            RekalError: there are some.
        """
        if data.dt is not None:
            raise RekalError(f"{self.name} runs in equal steps, but the series are irregular")
        if data.fraction_missing:
            raise RekalError(f"{self.name} of statsforecast takes no missing entries")

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedStatsforecast:
        """Fit each series and column.

        Raises:
            RekalError: the library refuses one, with its own words.
            OutOfTime: from `tick`.
        """
        statsforecast = _library()
        models: dict[str, list[Any]] = {}
        for series in data:
            values = np.asarray(series.values, np.float64)[0]
            own = models[series.series_names[0]] = []
            for column in values.T:
                tick()
                model = getattr(statsforecast, self.name)(season_length=self.season)
                own.append(_called(self.name, lambda: model.fit(column.copy())))  # noqa: B023
        return LearnedStatsforecast(self.name, models)


@dataclasses.dataclass(frozen=True)
class LearnedStatsforecast:
    """Fitted models: of each series, by its name, one for each column."""

    name: str
    models: dict[str, list[Any]]

    def roll(self, data: Sequences, horizons: Sequence[int], origins: list[np.ndarray]) -> Forecast:
        """Forecasts from some steps, with the parameters that were fitted."""
        at = np.array(horizons) - 1
        parts = []
        for series, steps in zip(data, origins, strict=True):
            models = self.models[series.series_names[0]]
            values = np.asarray(series.values, np.float64)[0]
            for t in steps:
                past = values[: t + 1]
                parts.append([self._ahead(model, past[:, k], at) for k, model in enumerate(models)])
        most = max(len(means[0]) for row in parts for means, _ in row)
        repeated = lambda means: np.repeat(means, most // means.shape[-1], -1)  # noqa: E731
        means = np.array([[repeated(means) for means, _ in row] for row in parts])
        var = np.array([[var for _, var in row] for row in parts])
        return as_forecast(
            np.moveaxis(means, 1, 3), np.moveaxis(var, 1, 2), data, horizons, origins
        )

    def _ahead(self, model: Any, past: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Components and their variance of one column, `(horizons, components)` and `(horizons,)`."""
        made = _called(
            self.name,
            lambda: model.forward(y=past.copy(), h=int(at[-1]) + 1, level=list(LEVELS)),
        )
        cut = {key: np.asarray(value, np.float64)[at] for key, value in made.items()}
        intervals = {level / 100: (cut[f"lo-{level}"], cut[f"hi-{level}"]) for level in LEVELS}
        means, var = gaussian_parts(cut["mean"], intervals)
        if not (np.isfinite(means).all() and (var > 0).all()):
            raise RekalError(f"{self.name} of statsforecast forecasts no finite numbers")
        return means, var

    def size(self) -> Size:
        """Not known."""
        return Size()

    def update_seconds(self, data: Sequences) -> float | None:
        """Seconds of one more forecast, which counts all samples again."""
        series = np.asarray(data.values, np.float64)[0]
        began = time.perf_counter()
        for k, model in enumerate(self.models[data.series_names[0]]):
            self._ahead(model, series[:, k], np.zeros(1, int))
        return time.perf_counter() - began


def _library() -> Any:
    """`statsforecast.models`, whose compiled functions are kept on disk."""
    os.environ.setdefault("NIXTLA_NUMBA_CACHE", "1")
    return import_module("statsforecast.models")


def _called(name: str, work: Any) -> Any:
    """What a call of the library gives; its warnings are not ours, its errors become a refusal.

    Raises:
        RekalError: in the words of the library.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return work()
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RekalError(f"{name} of statsforecast fails: {said:.120}") from error
