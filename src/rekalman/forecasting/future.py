"""Inputs of the steps to come that are given as a frame: columns by name, rows by their time stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rekalman.data.tables.named import Known, with_stamps
from rekalman.forecasting.labels import Labels
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences

NEAR = 0.25
"""A time stamp may miss that of its step by this share of the sampling interval."""


def future_rows(given: Any, data: Sequences, step: float) -> Any:
    """Inputs of the steps after the end of each series; an array stays as it is.

    Args:
        given: an array, a frame with a row for each step (that serves one series or all alike, or has a
            column that tells the series apart), or a list with a frame for each series. Columns are matched
            by name; observed columns and an index of whole numbers are left aside.
        data: what is forecast.
        step: length of the steps to come, in the unit of the data's time stamps.

    Raises:
        RekalError: a column is missing or unknown, a cell holds no number, or a row belongs to another step
            than its place says.
    """
    if given is None or not data.input_names:
        return given
    known = Known(data.names, data.time_name, data.series_names)
    rows, stamps = with_stamps(given, data.input_names, "future_inputs", known)
    for i, result in enumerate(stamps):
        if result is not None and data.times is not None:
            for k in range(i, data.batch if len(stamps) == 1 else i + 1):
                _check_stamps(result, data, k, step)
    return rows


def _check_stamps(result: Any, data: Sequences, series: int, step: float) -> None:
    """Each row stands at the step that it is dated."""
    labels, last = Labels.of(data), int(data.lengths[series]) - 1
    ahead = np.arange(1, len(result) + 1)
    numbers = float(np.asarray(data.times)[series, last]) + step * ahead
    dated = isinstance(result, pd.DatetimeIndex)
    if dated != (labels.time_kind == "date"):
        return  # a column of dates beside data without any, or numbers beside dates, says nothing
    wanted = labels.stamps(numbers)
    if dated:
        either = pd.DatetimeIndex(wanted)
        if (result.tz is None) != (either.tz is None):
            result, either = result.tz_localize(None), either.tz_localize(None)
        off = np.abs(np.asarray((result - either) / pd.Timedelta(seconds=1), float))
        following = pd.DatetimeIndex(labels.stamps(numbers + step))
        following = following if either.tz is not None else following.tz_localize(None)
        width = np.abs(np.asarray((following - either) / pd.Timedelta(seconds=1), float))
    else:
        off, width = np.abs(np.asarray(result, float) - numbers), np.full(len(numbers), step)
    wrong = np.flatnonzero(~(off <= NEAR * width))
    if len(wrong):
        k = int(wrong[0])
        raise RekalError(
            f"row {k + 1} of future_inputs is of {result[k]}, but step {k + 1} after the end of the data is "
            f"{wanted[k]}: give the rows that follow the end, in their order"
        )
