"""The small foundation model of fracast as a candidate: it forecasts without learning."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.comparison.candidate import Size, Tick
from rekalman.comparison.quantile_forecasts import as_forecast, quantile_parts
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.forecasting import Forecast

AT_ONCE = 256
"""Contexts that are forecast together."""
FEWEST = 8
"""Observed values that it needs."""


@dataclasses.dataclass(frozen=True)
class Fracast:
    """The network with the weights that come with the package; each column by itself."""

    name: str = "fracast"
    group: str = "foundation model"
    cost: float = 20.0  # the import of PyTorch, and a pass through the network for each origin
    by_series: bool = True
    dynamics: str = "nonlinear"
    hidden: bool | None = None

    def check(self, data: Sequences) -> None:
        """Refuse irregular steps.

        Raises:
            RekalError: there are some.
        """
        if data.dt is not None:
            raise RekalError("fracast runs in equal steps, but the series are irregular")

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedFracast:
        """Load the weights."""
        fracast: Any = import_module("fracast")
        return LearnedFracast(fracast.FracastModel.from_pretrained(weights="fp32"))


@dataclasses.dataclass(frozen=True)
class LearnedFracast:
    """The network."""

    network: Any

    def roll(self, data: Sequences, horizons: Sequence[int], origins: list[np.ndarray]) -> Forecast:
        """Forecasts from some steps; NaN in the past is masked.

        Raises:
            RekalError: an origin has too few values before it.
        """
        reach, obs = self.network.context_length, data.observations
        contexts = []
        for series, steps in zip(data, origins, strict=True):
            seen = np.asarray(series.mask)[0]
            values = np.where(seen, np.asarray(series.values, np.float64)[0], np.nan)
            for t in steps:
                row = np.full((obs, reach), np.nan)
                past = values[max(0, t + 1 - reach) : t + 1].T
                row[:, reach - past.shape[1] :] = past
                contexts.append(row)
        rows = np.concatenate(contexts)
        if (np.isfinite(rows).sum(1) < FEWEST).any():
            raise RekalError(f"fracast needs {FEWEST} values before an origin")
        at = np.array(horizons) - 1
        made = np.concatenate(
            [
                self.network.forecast_batch(rows[i : i + AT_ONCE], horizon=int(at[-1]) + 1)[:, at]
                for i in range(0, len(rows), AT_ONCE)
            ]
        )
        means, var = quantile_parts(self.network.quantiles, np.asarray(made, np.float64))
        shape = (len(contexts), obs, len(at))
        floor = 1e-12 * np.maximum(np.abs(means).max(-1), 1e-12) ** 2
        return as_forecast(
            np.moveaxis(means.reshape(*shape, -1), 1, 3),
            np.moveaxis(np.maximum(var, floor).reshape(shape), 1, 2),
            data,
            horizons,
            origins,
        )

    def size(self) -> Size:
        """Weights of the network."""
        parts = (self.network.core, self.network.head)
        return Size(sum(p.numel() for part in parts for p in part.parameters()))

    def update_seconds(self, data: Sequences) -> float | None:
        """Seconds of one more forecast."""
        began = time.perf_counter()
        self.roll(data, (1,), [np.array([int(data.lengths[0]) - 1])])
        return time.perf_counter() - began
