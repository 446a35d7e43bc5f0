r"""Intervals from errors that are known already, whatever the model says of its noise.

A forecast with mean $m$ and deviation $s$ of the value at step $t$, made $h$ steps before, has the
standardised error $z = (y_t - m) / s$, known at $t$. The forecast made at $t$ is given the law of the last
`K` such errors of its horizon and column,

$$y_{t+h} = m + s z, \qquad
z \sim \frac{1}{K} \sum_i \mathcal{N}\big(\sqrt{1 - b^2}\, z_i,\ b^2 \overline{z^2}\big),$$

with half of their mean taken out (a bias of a few errors is chance, one of all is not), a kernel density that
keeps their mean square: a split conformal predictive distribution (Vovk et al. 2020,
Machine Learning 109) whose calibration set moves with time, so that intervals follow noise whose size drifts
(Gibbs and Candes 2021, NeurIPS). Before there are `K` errors the rest are quantiles of the standard normal
law, that is what the model itself says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri
from scipy.stats import qmc

from rekalman.forecasting.scores import pair
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

if TYPE_CHECKING:
    from rekalman.forecasting.result import Forecast

MEMORY = 100
"""Errors of each horizon and column that count."""
KERNEL = 0.3
"""Deviation of the kernel, in units of the root mean square of the errors."""
BIAS = 0.5
"""Share of the mean of the errors that moves the forecast."""
INTERVALS = ("model", "running")
"""Where the intervals of a forecast come from: the noise of the model, or errors known already."""


def check_intervals(intervals: str, binary: bool) -> bool:
    """Whether intervals from known errors are asked for.

    Raises:
        RekalError: it is neither of `INTERVALS`, or the columns are pixels that are on or off.
    """
    if intervals not in INTERVALS:
        raise RekalError(f"unknown intervals {intervals!r}: {choices(str(intervals), INTERVALS)}")
    if intervals == "running" and binary:
        raise RekalError("pixels that are on or off have no intervals: leave intervals out")
    return intervals == "running"


def known_errors(
    past: Forecast,
    values: Any,
    mask: Any,
    series: Int[np.ndarray, " origins"],
    origins: Int[np.ndarray, " origins"],
) -> Float[np.ndarray, "origins horizons memory obs"]:
    """The last standardised errors that are known at some origins, the oldest first.

    Args:
        past: forecasts from every step of the series, of the horizons that are wanted.
        values: what was observed `(batch, steps, obs)`, in raw units.
        mask: True = observed.
        series: which series each origin belongs to.
        origins: steps at which errors are to be known.
    """
    y, seen = pair(past, values, mask)
    mean, deviation = moments(past)
    if past.transform is not None:
        y = np.asarray(past.transform.apply(np.where(seen, y, 1.0)))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(seen, (y - mean) / deviation, np.nan)
    prior = _normal_scores()
    result = np.empty((len(origins), len(past.horizons), MEMORY, z.shape[2]))
    made_in, made_at = np.asarray(past.series), np.asarray(past.origins)
    for one in np.unique(series):
        rows, wanted = made_in == one, np.flatnonzero(series == one)
        for j, horizon in enumerate(past.horizons):
            known_at = made_at[rows] + horizon
            for k in range(z.shape[2]):
                errors = z[rows, j, k]
                there = np.isfinite(errors)
                every = np.concatenate([prior, errors[there]])
                count = np.searchsorted(known_at[there], origins[wanted], side="right")
                result[wanted, j, :, k] = every[count[:, None] + np.arange(MEMORY)]
    return result


def no_errors(horizons: int, obs: int) -> Float[np.ndarray, "horizons memory obs"]:
    """What stands for the errors before any is known: quantiles of the standard normal law."""
    return np.tile(_normal_scores()[:, None], (horizons, 1, obs))


def with_newest(
    errors: Float[np.ndarray, "horizons memory obs"], newest: Float[np.ndarray, "horizons obs"]
) -> Float[np.ndarray, "horizons memory obs"]:
    """The last errors after one more step, the oldest first.

    Args:
        errors: before it.
        newest: standardised error of each horizon and column at this step; NaN = none is known, so that those
            of the column stay.
    """
    moved = np.concatenate([errors[:, 1:], newest[:, None]], axis=1)
    return np.where(np.isfinite(newest)[:, None], moved, errors)


def moments(forecast: Forecast) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each forecast, in the units in which it is a mixture."""
    means = np.asarray(forecast.means, np.float64)
    weights = np.exp(np.asarray(forecast.log_weights, np.float64))[:, None, :, None]
    mean = (weights * means).sum(2)
    between = (weights * (means - mean[:, :, None]) ** 2).sum(2)
    return mean, np.sqrt(between + np.asarray(forecast.var, np.float64))


def with_errors(
    forecast: Forecast, errors: Float[np.ndarray, "origins horizons memory obs"]
) -> Forecast:
    """The forecast with the law of known errors.

    Args:
        forecast: its means and deviations.
        errors: standardised ones for each origin, horizon and column (`known_errors`).
    """
    mean, deviation = moments(forecast)
    errors = errors - (1 - BIAS) * errors.mean(2, keepdims=True)
    square = (errors**2).mean(2)
    means = mean[:, :, None] + deviation[:, :, None] * np.sqrt(1 - KERNEL**2) * errors
    within = (KERNEL * deviation) ** 2 * square
    return dataclasses.replace(
        forecast,
        means=means,
        cov=within[..., None] * np.eye(within.shape[-1]),
        log_weights=np.full((len(means), MEMORY), -np.log(MEMORY)),
    )


def _normal_scores() -> np.ndarray:
    """Quantiles of the standard normal law, in an order in which any number of them is spread evenly."""
    at = qmc.Halton(1, scramble=False).random(MEMORY)[:, 0]
    ranks = np.argsort(np.argsort(at))
    scores = ndtri((ranks + 0.5) / MEMORY)
    return scores / np.sqrt((scores**2).mean())
