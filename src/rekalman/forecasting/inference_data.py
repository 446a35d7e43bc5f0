"""Possible futures as ArviZ takes them (Kumar and others 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pandas as pd

from rekalman.forecasting.tables import target_times
from rekalman.foundation.arguments import seed_of, whole
from rekalman.foundation.arviz_groups import arviz_groups

if TYPE_CHECKING:
    from rekalman.forecasting.result import Forecast

HORIZON = "horizon"
"""Dimension of the steps ahead."""

TAKEN = {"chain", "draw", "series", "origin", HORIZON, "time"}
"""Names that are no longer free for columns."""


def inference_data(forecast: Forecast, draws: int, seed: int) -> Any:
    """Joint draws of a forecast, and the steps they are of (see `Forecast.to_inference_data`).

    Raises:
        RekalError: as there.
    """
    draws = whole("draws", draws)
    drawn = np.asarray(forecast.samples(jax.random.key(seed_of(seed)), draws))
    place, where = _places(forecast)
    columns = [f"observed {name}" if name in TAKEN else name for name in forecast.names]
    known = {"time": _stamps(forecast)}
    dims: dict[str, Sequence[str]] = {name: (place, HORIZON) for name in (*columns, "time")}
    if place != "origin":
        known["origin"] = np.asarray(forecast.origins)
        dims["origin"] = (place,)
    return arviz_groups(
        {
            "predictions": {name: drawn[None, ..., k] for k, name in enumerate(columns)},
            "predictions_constant_data": known,
        },
        {place: where, HORIZON: np.array(forecast.horizons)},
        dims,
    )


def _places(forecast: Forecast) -> tuple[str, np.ndarray]:
    """What the forecasts differ by and its values: series, or origins, of several series with their names."""
    series, origins = np.asarray(forecast.series), np.asarray(forecast.origins)
    names = [forecast.labels.series(int(i)) for i in series]
    several = len(np.unique(series))
    if several == len(series):
        return "series", np.array(names)
    if several == 1:
        return "origin", origins
    return "origin", np.array([f"{name}: {t}" for name, t in zip(names, origins, strict=True)])


def _stamps(forecast: Forecast) -> np.ndarray:
    """Time stamps of the steps that are forecast; arrays hold no time zone, so that dates are in UTC then."""
    numbers = target_times(forecast)
    stamps = forecast.labels.stamps(numbers.ravel())
    if isinstance(stamps, pd.DatetimeIndex) and stamps.tz is not None:
        stamps = stamps.tz_convert(None)
    return stamps.to_numpy().reshape(numbers.shape)
