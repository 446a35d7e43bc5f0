"""Time in other units: a step of 60 s is one of 1 min."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rekal.sequences.container import Sequences

DAY = 86400.0
SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "d": DAY,
    "day": DAY,
    "days": DAY,
    "business day": DAY,
    "week": 7 * DAY,
    "month": 365.2425 / 12 * DAY,
    "yr": 365.2425 * DAY,
    "year": 365.2425 * DAY,
    "years": 365.2425 * DAY,
}
"""Lengths of the units of time; of months and years the mean."""


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
