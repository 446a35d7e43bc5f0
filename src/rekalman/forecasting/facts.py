"""What a forecast says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.facts import Facts, counted, listed

if TYPE_CHECKING:
    from rekalman.forecasting.result import Forecast

MOST_COLUMNS = 3


def forecast_facts(forecast: Forecast) -> Facts:
    """Columns, horizons, origins, and of a single origin the 90 % interval of the last step."""
    low, high = min(forecast.horizons), max(forecast.horizons)
    ahead = counted(high, "step") if low == high else f"{low} to {high} steps"
    origins = int(np.asarray(forecast.origins).shape[0])
    rows = [("horizons", f"{ahead} ahead"), ("origins", str(origins))]
    if origins == 1:
        bounds = [np.asarray(end)[0, -1, :MOST_COLUMNS] for end in forecast.interval(0.9)]
        each = zip(forecast.names, *bounds, strict=False)
        last = ", ".join(f"{name} {lower:.4g} to {upper:.4g}" for name, lower, upper in each)
        more = len(forecast.names) - MOST_COLUMNS
        rows.append(("last, 90 %", last + (f" and {more} more" if more > 0 else "")))
    return Facts(f"Forecast of {listed(forecast.names, forecast.units)}", tuple(rows))
