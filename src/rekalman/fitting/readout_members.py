"""Forecasts of readouts that are learned online, on what any model says of a series.

A model (a network, a linear one, or none but lags) is trained now and then, and says at each step what it
sees (features) and what it expects (forecasts of its own). In between, one readout for each horizon is
filtered online on that (`rekalman.learners.online.readout`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rekalman.learners.online.readout import readout_forecasts


class Followed(NamedTuple):
    """What a model says of the first steps of a series, causally.

    Attributes:
        features: `(time, features)`, of about unit size.
        own: its own forecasts issued at each step `(time, horizons, obs)`, in standardised units.
        location: what was taken from each column to standardise it.
        scale: by what it was divided then.
    """

    features: np.ndarray
    own: np.ndarray
    location: np.ndarray
    scale: np.ndarray


Follow = Callable[[int, int], Followed]
"""Trains on so many steps, then follows the series up to a step."""


def readout_members(
    follow: Follow,
    values: np.ndarray,
    mask: np.ndarray,
    times: Sequence[int],
    horizons: Sequence[int],
    forgetting: Sequence[float],
) -> dict[float, np.ndarray]:
    """Forecasts issued at each step `(time, horizons, obs)` for each forgetting factor, in data units.

    Args:
        follow: the model.
        values: `(time, obs)`.
        mask: True where observed.
        times: steps at which the model is trained, rising; forecasts before the first are NaN.
        horizons: steps ahead.
        forgetting: one readout filter for each.
    """
    issued = {
        lam: np.full((len(values), len(horizons), values.shape[1]), np.nan) for lam in forgetting
    }
    for t0, end in zip(times, [*times[1:], len(values)], strict=True):
        features, own, location, scale = follow(t0, end)
        z = np.where(mask, (values - location) / scale, 0.0)[:end].astype(features.dtype)
        # After a refit the readout is replayed over all that is past by then.
        for lam in forgetting:
            forecasts = readout_forecasts(features, own, z, mask[:end], horizons, forgetting=lam)
            issued[lam][t0:end] = (forecasts.astype(np.float64) * scale + location)[t0:]
    return issued


def held_in_range(
    forecasts: np.ndarray, values: np.ndarray, mask: np.ndarray, margin: float
) -> np.ndarray:
    """Forecasts held within the range seen by the time they are issued, and a little more.

    Where a column has not been seen yet there is no range, and its forecasts stay as they are.

    Args:
        forecasts: `(time, horizons, obs)`.
        values: `(time, obs)`.
        mask: True where observed.
        margin: how far beyond the range they may lie, as a share of it.
    """
    low = np.minimum.accumulate(np.where(mask, values, np.inf))[:, None]
    high = np.maximum.accumulate(np.where(mask, values, -np.inf))[:, None]
    reach = margin * np.where(np.isfinite(high - low), high - low, 0.0)
    seen = np.isfinite(low)
    return np.where(seen, np.clip(forecasts, low - reach, high + reach), forecasts)
