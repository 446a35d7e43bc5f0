r"""Prediction intervals of any forecaster from its own past errors, causally.

For a forecast issued at t of what comes h steps later, all errors made known by t are used:

* a running scale of each column: the exponential average of the squared errors, each column apart,
  which follows changes of size within seconds;
* the shape of the distribution: empirical quantiles of past errors divided by the scale that was
  current when each forecast was issued, pooled over the columns and made symmetric.

The predictive quantiles are `mean + scale * standard quantile`. Nothing is assumed of the model, so the
intervals hold up when the model is wrong, and their coverage can be checked like any other's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from rekalman.foundation.errors import RekalError

LEVELS = np.arange(1, 100) / 100.0
"""1 % to 99 %: the 5th and 95th bound the 90 % interval."""


@dataclasses.dataclass(frozen=True)
class RunningIntervals:
    """Predictive distributions of one series around forecasts issued at each step.

    Attributes:
        mean: the point forecasts `(time, horizons, obs)`.
        scale: running scale at the time of issue, same shape; NaN before there are errors.
        standard: quantiles of the standardised errors `(time, horizons, levels)`.
        levels: their probabilities, rising from 0 to 1.
        horizons: steps ahead.
    """

    mean: np.ndarray
    scale: np.ndarray
    standard: np.ndarray
    levels: np.ndarray
    horizons: tuple[int, ...]

    def quantile(self, q: float) -> np.ndarray:
        """The q-quantile of every forecast `(time, horizons, obs)`, interpolated between levels.

        Raises:
            RekalError: q lies outside the levels.
        """
        if not self.levels[0] <= q <= self.levels[-1]:
            raise RekalError(
                f"a quantile must lie in [{self.levels[0]}, {self.levels[-1]}], not {q}"
            )
        i = int(np.clip(np.searchsorted(self.levels, q), 1, len(self.levels) - 1))
        low, high = self.levels[i - 1], self.levels[i]
        part = (q - low) / (high - low)
        standard = (1 - part) * self.standard[..., i - 1] + part * self.standard[..., i]
        return self.mean + self.scale * standard[..., None]

    def at(self, horizon: int, steps: slice = slice(None)) -> np.ndarray:
        """All quantiles `(time, obs, levels)` of one horizon for forecasts issued in `steps`."""
        j = self.horizons.index(horizon)
        spread = self.scale[steps, j, :, None] * self.standard[steps, j, None, :]
        return self.mean[steps, j, :, None] + spread


def running_intervals(
    mean: np.ndarray,
    values: np.ndarray,
    mask: np.ndarray,
    horizons: Sequence[int],
    *,
    start: int,
    floor: np.ndarray | float,
    memory: float = 0.98,
    window: int = 1500,
    every: int = 10,
    levels: np.ndarray = LEVELS,
) -> RunningIntervals:
    """Put intervals around point forecasts.

    Args:
        mean: forecasts issued at t of step `t + h` `(time, horizons, obs)`; NaN = none issued.
        values: what was observed `(time, obs)`.
        mask: True where it was.
        horizons: steps ahead.
        start: errors that become known before this step are not used.
        floor: least standard deviation of an error, per column or one for all.
        memory: share of the running mean square that is kept from step to step.
        window: how many steps of standardised errors the shape is taken from.
        every: the shape is taken anew every so many steps.
        levels: probabilities of the quantiles, symmetric about one half.

    Returns:
        The distributions; the shape is Student's t with 4 degrees of freedom (at unit variance)
        until 20 steps of errors are known.
    """
    steps, d = values.shape
    least = np.broadcast_to(np.asarray(floor, float) ** 2, (d,))
    scale = np.full(mean.shape, np.nan)
    standard = np.full((steps, len(horizons), len(levels)), np.nan)
    unknown = stdtrit(4, levels) / np.sqrt(2.0)
    for j, h in enumerate(horizons):
        error = np.full((steps, d), np.nan)
        error[h:] = np.where(mask[h:], values[h:] - mean[: steps - h, j], np.nan)
        relative = np.full((steps, d), np.nan)
        square, weight, shape = np.zeros(d), np.zeros(d), unknown
        for t in range(start, steps):
            e = error[t]
            known = ~np.isnan(e)
            if known.any():
                square = np.where(known, memory * square + (1 - memory) * (e * e + least), square)
                weight = np.where(known, memory * weight + (1 - memory), weight)
                if t >= h:
                    relative[t] = e / scale[t - h, j]
            with np.errstate(invalid="ignore", divide="ignore"):
                scale[t, j] = np.where(weight > 0, np.sqrt(square / weight), np.nan)
            if (t - start) % every == 0:
                shape = _shape(relative[max(0, t - window) : t + 1], levels, unknown)
            standard[t, j] = shape
    return RunningIntervals(mean, scale, standard, np.asarray(levels), tuple(horizons))


def _shape(relative: np.ndarray, levels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Symmetric empirical quantiles of standardised errors."""
    errors = relative[~np.isnan(relative)]
    if len(errors) < 20 * relative.shape[1]:
        return unknown
    return np.quantile(np.concatenate([errors, -errors]), levels)
