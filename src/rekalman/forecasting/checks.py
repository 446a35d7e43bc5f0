"""What a forecast is refused for: other steps than in training, no horizon, numbers that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rekalman.data.time.clocks import SECONDS, ratio
from rekalman.forecasting.drive import check_horizons
from rekalman.forecasting.labels import Labels
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences

SAME = 0.25
"""Sampling intervals may differ by this share, as jitter and months of 28 to 31 days make them."""


def steps_of(horizon: Any) -> tuple[int, ...]:
    """The steps of a forecast: a number means every step up to it, several numbers mean those.

    Raises:
        RekalError: as for `check_horizons`.
    """
    if isinstance(horizon, list | tuple | range) or np.ndim(horizon) > 0:
        return check_horizons(horizon)
    (last,) = check_horizons(horizon)
    return tuple(range(1, last + 1))


def check_steps(labels: Labels, data: Sequences, *, any_length: bool) -> None:
    """The steps of some data are those that a model was trained on.

    Args:
        labels: the clock of the training data.
        data: other data; steps of unknown length fit.
        any_length: the model runs in continuous time, so that the length of a step does not matter, only its
            unit.

    Raises:
        RekalError: another sampling interval, business days beside days of the week, or dates beside numbers
            whose unit nobody told.
    """
    if not data.interval:
        return
    unit, own = labels.time_unit, data.time_unit
    steps = (_length(labels.interval, unit), _length(data.interval, own))
    trained, result = (
        f"the model was trained on a sampling interval of {steps[0]}",
        f"the data have {steps[1]}",
    )
    dated = "date" in (labels.time_kind, data.time_kind)
    if (
        dated
        and "number" in (labels.time_kind, data.time_kind)
        and (unit in SECONDS) != (own in SECONDS)
    ):
        raise RekalError(
            f"{trained}, but {result}, of dates beside numbers without a known unit: say it with time_unit "
            "or in the name of the time column"
        )
    mixed = "business day" in (unit, own) and unit != own and {unit, own} <= set(SECONDS)
    if mixed and (own == "business day" or _on_weekends(data)):
        raise RekalError(f"{trained}, but {result}")
    if not any_length and abs(data.interval * ratio(own, unit) / labels.interval - 1) > SAME:
        raise RekalError(f"{trained}, but {result}")


def _on_weekends(data: Sequences) -> bool:
    """Whether anything was observed on a Saturday or Sunday; a week of business days looks like days."""
    if data.time_kind != "date":
        return True
    seen = np.any(np.asarray(data.mask), axis=-1)
    days = (pd.DatetimeIndex(data.index(i)).day_of_week for i in range(data.batch))
    return any(bool(np.any(np.asarray(day)[seen[i, : len(day)]] > 4)) for i, day in enumerate(days))


def _length(interval: float, unit: str | None) -> str:
    """A sampling interval with its unit."""
    return f"{interval:g}" if unit is None else f"{interval:g} {unit}"


def check_finite_forecast(
    means: Float[np.ndarray, "origins horizons particles obs"],
    path: Float[np.ndarray, "origins horizons obs"],
    horizons: tuple[int, ...],
    cov: Float[np.ndarray, "*lead obs obs"],
) -> None:
    """Everything that is forecast is a number.

    Raises:
        RekalError: something is NaN or infinite; the sentence names the first horizon at which.
    """
    finite = np.isfinite(means).all((0, 2, 3)) & np.isfinite(path).all((0, 2))
    known = np.isfinite(cov).all((-2, -1))
    finite &= known if known.ndim == 0 else known.all(0)
    if not finite.all():
        first = horizons[int(np.argmin(finite))]
        raise RekalError(
            f"the forecast {first} steps ahead is beyond the numbers of {means.dtype}: the model "
            "explodes, or the belief that it starts from is not finite"
        )


def check_reach(longest: int | None, horizon: int) -> None:
    """Refuse more steps ahead than a filter forecasts.

    Args:
        longest: number of steps up to which it does; None = any.
        horizon: that is asked for.

    Raises:
        RekalError: it is longer.
    """
    if longest is not None and horizon > longest:
        raise RekalError(
            f"the model was trained to forecast up to {longest} steps ahead, not {horizon}: fit it with "
            f"horizon={horizon}"
        )
