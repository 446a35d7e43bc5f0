r"""Forecasts of other libraries, which come as means with intervals or as quantiles, as mixtures.

Intervals that lie evenly about the mean are those of a Gaussian. Of others, and of quantiles alone, the
quantile function is read as piecewise linear in $z = \Phi^{-1}(p)$, in the tails as well; `N` of its values,
$q(\Phi^{-1}((i - 1/2) / N))$, are the means of as many Gaussians with a tenth of the deviation, drawn
together so that the variance stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from rekalman.data import Sequences
from rekalman.forecasting import Forecast, Labels

COMPONENTS = 64
NARROW = 0.1
"""Deviation of a component, as a share of that of the whole."""
EVEN = 0.02
"""Intervals that lie as evenly as this share of their width are those of a Gaussian."""


def gaussian_parts(
    mean: Float[np.ndarray, "*rows"], intervals: Mapping[float, tuple[np.ndarray, np.ndarray]]
) -> tuple[Float[np.ndarray, "*rows components"], Float[np.ndarray, "*rows"]]:
    """Means of equally likely components, and their variance, from a mean and central intervals.

    Args:
        mean: of each forecast.
        intervals: lower and upper ends by their level, such as 0.9.
    """
    widest = max(intervals)
    low, high = intervals[widest]
    deviation = (high - low) / (2 * ndtri(0.5 + widest / 2))
    if (np.abs(low + high - 2 * mean) <= EVEN * (high - low)).all():
        return np.asarray(mean)[..., None], np.asarray(deviation) ** 2
    levels, values = [0.5], [mean]
    for level, (lower, upper) in intervals.items():
        levels += [0.5 - level / 2, 0.5 + level / 2]
        values += [lower, upper]
    return quantile_parts(levels, np.stack(values, -1))


def quantile_parts(
    levels: Sequence[float], values: Float[np.ndarray, "*rows levels"]
) -> tuple[Float[np.ndarray, "*rows components"], Float[np.ndarray, "*rows"]]:
    """Means of equally likely components, and their variance, from quantiles.

    Args:
        levels: probabilities, in any order.
        values: the quantiles; those that cross are sorted.
    """
    order = np.argsort(levels)
    z, q = ndtri(np.asarray(levels)[order]), np.sort(np.asarray(values)[..., order], -1)
    at = ndtri((np.arange(COMPONENTS) + 0.5) / COMPONENTS)
    right = np.clip(np.searchsorted(z, at), 1, len(z) - 1)
    share = (at - z[right - 1]) / (z[right] - z[right - 1])
    points = q[..., right - 1] + share * (q[..., right] - q[..., right - 1])
    centre, spread = points.mean(-1, keepdims=True), points.var(-1)
    return centre + np.sqrt(1 - NARROW**2) * (points - centre), NARROW**2 * spread


def as_forecast(
    means: Float[np.ndarray, "origins horizons components obs"],
    var: Float[np.ndarray, "origins horizons obs"],
    data: Sequences,
    horizons: Sequence[int],
    origins: list[np.ndarray],
) -> Forecast:
    """A forecast of independent columns.

    Args:
        means: of equally likely components, origin after origin and series after series.
        var: of the components.
        data: what was forecast.
        horizons: steps ahead.
        origins: steps of each series that were forecast from.
    """
    count = means.shape[2]
    return Forecast(
        means=means,
        log_weights=np.full((len(means), count), -np.log(count)),
        cov=var[..., None] * np.eye(var.shape[-1]),
        path=means.mean(2),
        origins=np.concatenate(origins),
        series=np.repeat(np.arange(len(origins)), [len(each) for each in origins]),
        horizons=tuple(horizons),
        labels=Labels.plain(data.observations),
    ).label(data)
