"""The season of a table: from its calendar, or from what repeats in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:
    from rekalman.data.container import Sequences


LONGEST = 24
"""The longest season, in steps, that is looked for where no calendar says one."""
CLEAR = 0.4
"""Autocorrelation of the steps from which on a season counts."""
CHANCE = 4.0
"""Standard errors that it must be above."""
NEAR = 0.85
"""Share of the largest autocorrelation that is near it."""
CALENDAR = {
    ("month", 1.0): 12,
    ("month", 3.0): 4,
    ("business month", 1.0): 12,
    ("business month", 3.0): 4,
    ("business day", 1.0): 5,
    ("day", 1.0): 7,
    ("h", 1.0): 24,
}


def season_of_year(data: Sequences) -> int | None:
    """Steps per year of monthly or quarterly dates, else None."""
    if data.time_kind != "date" or data.time_unit not in ("month", "business month"):
        return None
    return CALENDAR.get((data.time_unit, data.interval or 0.0))


def season_of(
    data: Sequences, mask: Bool[np.ndarray, "batch steps obs"] | None = None
) -> int | None:
    """Steps after which the series repeat themselves: those of a year, a week or a day, or those found.

    A season is found where the steps of the series, `y_t - y_{t-1}`, are most alike so many steps apart, with
    an autocorrelation above `CLEAR` and chance. A season repeats itself after twice its length, too: the
    shortest counts whose autocorrelation is near the largest.

    Args:
        data: series in equal steps.
        mask: which entries to look at; default those observed.

    Returns:
        The number of steps, or None where there is no season, or less than three of them.
    """
    seen = np.asarray(data.mask if mask is None else mask)[:, : data.steps]
    longest = int(seen.any(-1).sum(1).max())
    if data.time_kind == "date" and data.time_unit is not None:
        period = CALENDAR.get((data.time_unit, data.interval or 0.0))
        if period is not None:
            return period if longest >= 3 * period else None
    values = np.where(seen, np.asarray(data.values), np.nan)
    moved = np.diff(values, axis=1)
    if not np.isfinite(moved).any():
        return None
    largest = np.nanmax(np.abs(moved), axis=(0, 1), initial=0.0)  # whose square may be no number
    moved = moved / np.where(largest > 0, largest, 1.0)
    count = np.isfinite(moved).sum((0, 1))
    moved = moved - np.nansum(moved, axis=(0, 1)) / np.maximum(count, 1)
    lags = range(3, min(LONGEST, longest // 3) + 1)
    alike = [_alike(moved, lag) for lag in lags]
    best = max(alike, default=0.0)
    chance = CHANCE / np.sqrt(max(np.isfinite(moved).sum() * 2 / 3, 1))
    if best <= max(CLEAR, chance):
        return None
    return next(lag for lag, value in zip(lags, alike, strict=True) if value > NEAR * best)


def _alike(moved: np.ndarray, lag: int) -> float:
    """Autocorrelation of steps `(batch, steps, obs)`, NaN = unknown, mean over the columns."""
    product = moved[:, lag:] * moved[:, :-lag]
    known = np.isfinite(product).sum((0, 1))
    scale = np.maximum(
        np.nansum(moved**2, (0, 1)) / np.maximum(np.isfinite(moved).sum((0, 1)), 1), 1e-300
    )
    return float((np.nansum(product, (0, 1)) / np.maximum(known, 1) / scale).mean())
