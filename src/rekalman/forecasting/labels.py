"""How a forecast is written for people: names, units and time stamps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rekalman.data.tables.kind import FrameKind
from rekalman.data.time.timeaxis import stamps_of

if TYPE_CHECKING:
    from rekalman.data import Sequences


@dataclass(frozen=True)
class Labels:
    """Names, units and the clock of the data that a forecast belongs to.

    Attributes:
        names: names of the observed columns.
        units: their units, None where unknown.
        series_names: names of the series.
        time_name: what the time axis is called.
        time_unit: unit of the time stamps.
        time_kind: "step" (no stamps), "number" or "date".
        time_origin: ISO date that is zero of the stamps, for dates.
        time_zone: name of their time zone, or None.
        interval: sampling interval in `time_unit`.
        frame_kind: the kind of table that the data came from.
    """

    names: tuple[str, ...]
    units: tuple[str | None, ...]
    series_names: tuple[str, ...] = ()
    time_name: str | None = None
    time_unit: str | None = None
    time_kind: str = "step"
    time_origin: str | None = None
    interval: int | float = 1.0
    time_zone: str | None = None
    frame_kind: FrameKind = FrameKind()

    @classmethod
    def plain(cls, observations: int) -> Labels:
        """Names y, or y1, y2, ..., and no units."""
        names = ("y",) if observations == 1 else tuple(f"y{k + 1}" for k in range(observations))
        return cls(names, (None,) * observations)

    @classmethod
    def of(cls, data: Sequences) -> Labels:
        """The labels of a data set."""
        return cls(
            names=data.names,
            units=data.units,
            series_names=data.series_names,
            time_name=data.time_name,
            time_unit=data.time_unit,
            time_kind=data.time_kind,
            time_origin=data.time_origin,
            time_zone=data.time_zone,
            interval=data.interval or 1.0,
            frame_kind=data.frame_kind,
        )

    @property
    def axis(self) -> str:
        """Title of the time axis, with its unit where that is not part of the name, or its time zone."""
        name = self.time_name or ("step" if self.time_kind == "step" else "time")
        if self.time_zone is not None and self.time_kind == "date":
            return f"{name} ({self.time_zone})"
        if self.time_kind != "number" or self.time_unit is None or _says(name, self.time_unit):
            return name
        return f"{name} ({self.time_unit})"

    def column(self, k: int) -> str:
        """Name of column `k`, with its unit where that is not part of the name."""
        name, unit = self.names[k], self.units[k]
        return name if unit is None or _says(name, unit) else f"{name} ({unit})"

    def series(self, i: int) -> str:
        """Name of series `i`."""
        return self.series_names[i] if i < len(self.series_names) else str(i + 1)

    def stamps(self, numbers: np.ndarray) -> pd.Index:
        """Time stamps as a person writes them: dates, numbers or step numbers."""
        clock = (self.time_kind, self.time_unit, self.time_origin, self.time_zone)
        return stamps_of(numbers, *clock)


def _says(name: str, unit: str) -> bool:
    """Whether a unit is part of a name, as a word of its own: "x_mm" says mm, "samples" does not say s."""
    return re.search(rf"(?<![A-Za-z]){re.escape(unit)}(?![A-Za-z])", name) is not None
