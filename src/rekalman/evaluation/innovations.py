r"""Statistics of innovations and of estimation errors: what is left of them when a filter is right.

If model and noise are right, white innovations are independent standard normal numbers (Bar-Shalom, Li and
Kirubarajan 2001, section 5.4). Their sum of squares at a step, the normalised innovation squared (NIS), is
chi-square with as many degrees of freedom as entries were observed, and so is the sum over all steps.

Autocorrelations are taken over the pairs of which both entries are there. With $r_h$ the mean product at lag
$h$ over the mean square, $N_h$ the number of pairs and $n$ that of entries, the statistic

$$
Q = \frac{n + 2}{n} \sum_h N_h r_h^2
$$

is that of Ljung and Box (1978) where nothing is missing ($N_h = n - h$, and their autocorrelation is
$r_h N_h / n$), and that of Stoffer and Toloi (1992) otherwise. It is chi-square with one degree of freedom a
lag. Parameters estimated on the same data take some off; no correction is made, so that $p$ is then rather
too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import chdtrc, gammaincinv

from rekalman.foundation.errors import RekalError

LEVEL = 0.95


class LjungBox(NamedTuple):
    """A test for whiteness: statistic, number of lags, probability of a larger one in white noise."""

    statistic: float
    lags: int
    p_value: float


def autocorrelation(
    values: Float[np.ndarray, "batch steps"], lags: int
) -> tuple[Float[np.ndarray, " lags"], Float[np.ndarray, " lags"]]:
    """Autocorrelations at lags 1 to `lags` over the pairs that are there, and the numbers of pairs.

    Args:
        values: one or several series, NaN where missing; their common mean is taken off.
        lags: the largest lag, in steps; no pair reaches from one series into another.
    """
    there = np.isfinite(values)
    count = max(int(there.sum()), 1)
    centred = np.where(there, values - np.where(there, values, 0).sum() / count, 0.0)
    power = (centred**2).sum() / count
    result, pairs = np.full(lags, np.nan), np.zeros(lags)
    for lag in range(1, min(lags, values.shape[1] - 1) + 1):
        pairs[lag - 1] = (there[:, lag:] & there[:, :-lag]).sum()
        if pairs[lag - 1] and power > 0:
            result[lag - 1] = (centred[:, lag:] * centred[:, :-lag]).sum() / pairs[lag - 1] / power
    return result, pairs


def ljung_box(values: Float[np.ndarray, "batch steps"], lags: int) -> LjungBox:
    """Whether a column of innovations is white noise (see the module text).

    Args:
        values: one or several series, NaN where missing.
        lags: how many lags are looked at; one without any pair does not count.

    Returns:
        The test; NaN where there are no more entries than lags, or they are all the same.
    """
    entries = int(np.isfinite(values).sum())
    result, pairs = autocorrelation(values, lags)
    used = np.isfinite(result)
    if entries <= lags + 1 or not used.any():
        return LjungBox(np.nan, lags, np.nan)
    statistic = (entries + 2) / entries * float((pairs[used] * result[used] ** 2).sum())
    return LjungBox(statistic, lags, float(chdtrc(used.sum(), statistic)))


def chi_square_band(freedom: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two-sided 95 % interval of a chi-square number; NaN without degrees of freedom."""
    freedom = np.where(np.asarray(freedom) > 0, freedom, np.nan)
    low, high = (
        np.asarray(2 * gammaincinv(freedom / 2, (1 + sign * LEVEL) / 2)) for sign in (-1, 1)
    )
    return low, high


def nis(white: Float[np.ndarray, "batch steps obs"]) -> Float[np.ndarray, "batch steps"]:
    """Normalised innovation squared of each step; NaN where nothing was observed."""
    seen = np.isfinite(white)
    return np.where(seen.any(-1), np.where(seen, white**2, 0.0).sum(-1), np.nan)


@dataclass(frozen=True)
class Nees:
    """Estimation errors of known states against the covariance that the filter claimed.

    Attributes:
        mean: normalised estimation error squared per state (ANEES), near 1 where the filter is consistent.
        low: lower end of the band that holds it with probability 95 % in a consistent filter.
        high: upper end.
        inside: share of the steps inside their own chi-square interval, near 0.95.
        steps: number of steps looked at.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> rng = np.random.default_rng(0)
        >>> level = np.cumsum(rng.normal(size=(100, 1)), axis=0)  # known, as in a simulation
        >>> data = rekalman.Sequences.from_arrays(level + rng.normal(size=(100, 1)))
        >>> model = rekalman.LinearGaussian.create(A=one, C=one, Q=one, R=one, initial="diffuse")
        >>> nees = rekalman.filter(rekalman.Kalman(model), data).nees(level)
        >>> nees.low < nees.mean < nees.high
        True
    """

    mean: float
    low: float
    high: float
    inside: float
    steps: int

    def summary(self) -> str:
        """One line in words."""
        return (
            f"mean NEES {self.mean:.3g} per state, 95 % band {self.low:.3g} to {self.high:.3g}: "
            f"the filter is {verdict(self.mean, self.low, self.high)}"
        )


def nees(
    error: Float[np.ndarray, "batch steps states"],
    cov: Float[np.ndarray, "batch steps states states"],
) -> Nees:
    """Normalised estimation error squared, averaged over steps and series.

    Errors of neighbouring steps are correlated, so that a chi-square band of all of them would be too narrow:
    steps count as that many fewer as the autocorrelation time of their NEES says (Sokal 1997, section 3).

    Args:
        error: state minus its estimate; NaN where the state is not known.
        cov: what the filter takes for the covariance of the error; directions without variance do not count.

    Raises:
        RekalError: the state is known at no step.
    """
    known = np.isfinite(error).all(-1)
    if not known.any():
        raise RekalError("the true state is known at no step, so there is no error to judge")
    e, P = error[known].astype(np.float64), cov[known].astype(np.float64)
    values, vectors = np.linalg.eigh(P)
    there = values > values[:, -1:] * P.shape[-1] * np.finfo(cov.dtype).eps
    along = np.einsum("tij,ti->tj", vectors, e)
    squares = np.where(there, along**2 / np.where(there, values, 1), 0).sum(-1)
    freedom = there.sum(-1)
    low, high = chi_square_band(freedom)
    whole = np.full(known.shape, np.nan)
    whole[known] = squares
    total = freedom.sum() / _correlation_time(whole)
    band = chi_square_band(total)
    return Nees(
        mean=float(squares.sum() / freedom.sum()),
        low=float(band[0] / total),
        high=float(band[1] / total),
        inside=float(((squares >= low) & (squares <= high)).mean()),
        steps=len(squares),
    )


def _correlation_time(values: Float[np.ndarray, "batch steps"]) -> float:
    """`1 + 2 sum of autocorrelations`, up to the first lag that is five times as long; at least 1."""
    result, pairs = autocorrelation(values, max(1, values.shape[1] // 4))
    times = 1 + 2 * np.cumsum(np.where(pairs > 0, np.nan_to_num(result), 0.0))
    beyond = np.flatnonzero(np.arange(1, len(times) + 1) >= 5 * times)
    return max(1.0, float(times[beyond[0] if len(beyond) else -1]))


def verdict(value: float, low: float, high: float) -> str:
    """What a mean square of scaled errors says of a filter."""
    if not np.isfinite(value):
        return "not to be judged, there are too few entries"
    if value > high:
        return "overconfident (its errors are larger than it says)"
    return "too careful (its errors are smaller than it says)" if value < low else "consistent"
