"""The intervals of one mode."""

from __future__ import annotations

from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class ModeIntervals:
    """95 % intervals of a mode; None where there is no such number, or the data do not determine it.

    Attributes:
        modulus: of the factor of growth or decay a step.
        frequency: of the cycles per time unit.
        natural_frequency: of the undamped cycles per time unit, `|s| / 2 pi`.
        period: of the time units per cycle; the upper end may be infinite.
        damping_ratio: of zeta.
        time_constant: of the time units per factor e; the upper end may be infinite.
    """

    modulus: Interval | None = None
    frequency: Interval | None = None
    natural_frequency: Interval | None = None
    period: Interval | None = None
    damping_ratio: Interval | None = None
    time_constant: Interval | None = None
