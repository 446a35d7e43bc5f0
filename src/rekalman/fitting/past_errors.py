"""Errors of past forecasts that were known at some steps of filtered series.

A forecast with horizon h from step t has an error that is known from step t + h on. So each horizon has its
own newest error: at step s, that of the forecast from s - h.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rekalman.core.trajectory import Trajectory
from rekalman.data import Sequences
from rekalman.forecasting import Forecast
from rekalman.forecasting.running import known_errors, no_errors
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices


def known_before(
    roll: Callable[[list[np.ndarray]], Forecast],
    data: Sequences,
    path: Trajectory,
    horizons: Sequence[int],
    series: Any,
    steps: Any,
) -> Float[np.ndarray, "steps horizons memory obs"]:
    """The last standardised errors that were known at some steps, the oldest first.

    Forecasts that could have an error were made before the last of these steps. They reach less far than one
    made at it, so that whatever drives that one is enough for them. Steps of theirs that had not come yet
    have no error, and what drives them plays no part.

    Args:
        roll: forecasts from steps given for each series, of the horizons.
        data: the series.
        path: beliefs about them; with a diffuse start there is no forecast before the state is known.
        horizons: steps ahead.
        series: which series each step belongs to.
        steps: where errors are to be known.
    """
    series, steps = np.asarray(series), np.asarray(steps)
    origins = _origins_before(data, path, series, steps)
    if any(map(len, origins)):
        return errors_of(roll(origins), data, series, steps)
    none = no_errors(len(horizons), data.observations)
    return np.broadcast_to(none, (len(steps), *none.shape))


def errors_of(
    past: Forecast, data: Sequences, series: Any, steps: Any
) -> Float[np.ndarray, "steps horizons memory obs"]:
    """The last standardised errors of some forecasts that were known at some steps, the oldest first."""
    where = np.asarray(series), np.asarray(steps)
    return known_errors(past, np.asarray(data.values), np.asarray(data.mask), *where)


def one_series(data: Sequences, name: str | None) -> Sequences:
    """The series of some data that a stream continues.

    Raises:
        RekalError: there are several of which none is named, or none is called as that which is.
    """
    names = data.series_names
    if name is not None and name not in names:
        raise RekalError(f"the history has no series '{name}': {choices(name, names)}")
    if name is None and data.batch > 1:
        raise RekalError(f"the history of a stream is one series, but there are {data.batch}")
    return data.series(0 if name is None else names.index(name))


def _origins_before(
    data: Sequences,
    path: Trajectory,
    series: Int[np.ndarray, " steps"],
    steps: Int[np.ndarray, " steps"],
) -> list[np.ndarray]:
    """For each series the steps before the last one of its own in `steps`, from where its state is known."""
    last = np.zeros(data.batch, int)
    np.maximum.at(last, series, steps)
    length = np.shape(path.log_evidence)[-1]
    known = np.ones((1, length), bool) if path.determined is None else np.asarray(path.determined)
    known = np.broadcast_to(known.reshape(-1, length), (data.batch, length))
    return [np.flatnonzero(known[i, : last[i]]) for i in range(data.batch)]
