"""Time in other units: a step of 60 s is one of 1 min."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

DAY = 86400.0
_SIZES = {
    1e-9: "ns nanosecond nanoseconds",
    1e-6: "us \u00b5s \u03bcs microsecond microseconds",
    1e-3: "ms msec millisecond milliseconds",
    1.0: "s sec secs second seconds",
    60.0: "min mins minute minutes",
    3600.0: "h hr hrs hour hours",
    DAY: "d day days",
    7 * DAY: "week weeks",
    365.2425 / 12 * DAY: "month months",
    365.2425 * DAY: "yr year years",
}
SECONDS = {name: size for size, names in _SIZES.items() for name in names.split()}
"""Lengths of the units of time by all their names; of months and years the mean."""
SECONDS["business day"] = DAY
SECONDS["business month"] = SECONDS["month"]


def ratio(unit: str | None, other: str | None) -> float:
    """How many of the unit `other` one `unit` is; 1 where one of the two is not known."""
    if unit == other or unit not in SECONDS or other not in SECONDS:
        return 1.0
    return SECONDS[unit] / SECONDS[other]


def in_unit(data: Sequences, unit: str | None) -> Sequences:
    """The same with the lengths of its steps in another unit; its time stamps stay as they are."""
    factor = ratio(data.time_unit, unit)
    if factor == 1.0:
        return data
    dt = None if data.dt is None else np.asarray(data.dt) * factor
    interval = None if data.interval is None else data.interval * factor
    return dataclasses.replace(data, dt=dt, interval=interval, time_unit=unit)
