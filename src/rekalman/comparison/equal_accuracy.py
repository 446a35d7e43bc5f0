r"""Whether two methods forecast equally well: the test of Diebold and Mariano, and a block bootstrap.

Losses `a_t` and `b_t` of two methods at the same origins differ by `d_t = a_t - b_t` (Diebold and Mariano
1995, JBES 13). Forecasts several steps ahead overlap and errors of neighbouring origins are alike, so that
the variance of the mean of `n` differences is `Omega / n` with the long-run variance `Omega`, the spectrum at
frequency zero. It is the mean square of the first `B` cosine transforms,

$$\Lambda_j = \sqrt{2 / n} \sum_t d_t \cos(\pi j (t - 1/2) / n), \qquad
\hat\Omega = \frac{1}{B} \sum_{j=1}^{B} \Lambda_j^2, \qquad B = 0.4\, n^{2/3},$$

which are nearly independent with that variance, so that $\bar d / \sqrt{\hat\Omega / n}$ follows Student's t
of `B` degrees of freedom (Lazarus, Lewis, Stock and Watson 2018, JBES 36). Where horizons of `h` steps
overlap, `B` is at most `n / h`. The usual Bartlett weights with a Gaussian law reject a true hypothesis too
often where losses are correlated; how often these do is simulated in `tests/test_equal_accuracy.py`.

Of several series each has transforms of its own, and the variances of their sums are added. From twenty
series on they are taken for a sample: the variance is that between their sums.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from rekalman.foundation.errors import RekalError

MANY_SERIES = 20
"""From so many series on whole series are resampled, not blocks of origins."""


class Difference(NamedTuple):
    """How much larger the mean loss of one method is than that of another.

    Attributes:
        mean: the difference; below zero the first method is better.
        low: lower end of its 90 % interval.
        high: upper end.
        p_value: of equal accuracy, two-sided; NaN where the losses are the same throughout.
    """

    mean: float
    low: float
    high: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether zero lies outside of the 90 % interval."""
        return self.low > 0 or self.high < 0


def diebold_mariano(
    difference: Float[np.ndarray, " origins"],
    horizon: int = 1,
    series: Int[np.ndarray, " origins"] | None = None,
    level: float = 0.9,
) -> Difference:
    """Test whether the mean of loss differences is zero.

    Args:
        difference: of the losses at each origin, in the order of time.
        horizon: the longest one that the losses are of.
        series: which series each origin belongs to; default all to one.
        level: of the interval.

    Raises:
        RekalError: there are less than two differences, or one is not finite.

    Examples:
        >>> import numpy as np
        >>> from rekalman.comparison.equal_accuracy import diebold_mariano
        >>> better = np.random.default_rng(0).normal(-1.0, 1.0, 200)
        >>> diebold_mariano(better).p_value < 0.01
        True
    """
    d = np.asarray(difference, np.float64)
    if d.ndim != 1 or len(d) < 2 or not np.isfinite(d).all():
        raise RekalError("a test of equal accuracy needs two finite differences at least")
    which = np.zeros(len(d), int) if series is None else np.asarray(series)
    mean = float(d.mean())
    variance, freedom = variance_of_mean(d, horizon, which)
    if variance <= (1e-12 * np.abs(d).max()) ** 2:  # the same throughout, but for rounding
        return Difference(mean, mean, mean, float("nan") if abs(mean) < 1e-300 else 0.0)
    error = float(np.sqrt(variance))
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Difference(mean, mean - reach, mean + reach, p_value)


def variance_of_mean(
    difference: Float[np.ndarray, " origins"], horizon: int, series: Int[np.ndarray, " origins"]
) -> tuple[float, float]:
    """Variance of the mean of correlated differences, and its degrees of freedom.

    Args:
        difference: in the order of time, those of a series together.
        horizon: the longest one that the losses are of.
        series: which series each belongs to.
    """
    names, counts = np.unique(series, return_counts=True)
    total = len(difference)
    if len(names) >= MANY_SERIES:
        centred = difference - difference.mean()
        sums = np.array([centred[series == name].sum() for name in names])
        share = len(names) / (len(names) - 1)
        return share * float(sums @ sums) / total**2, float(len(names) - 1)
    parts = [
        (count * omega, freedom)
        for name, count in zip(names, counts, strict=True)
        if count > 1
        for omega, freedom in [long_run_variance(difference[series == name], horizon)]
    ]
    whole = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    # Welch and Satterthwaite: as many degrees of freedom as give the sum of the variances its own variance.
    return whole / total**2, max(1.0, whole**2 / spread) if spread > 0 else 1.0


def long_run_variance(
    difference: Float[np.ndarray, " origins"], horizon: int = 1
) -> tuple[float, int]:
    """Long-run variance of one series from its first cosine transforms, and how many they are.

    Args:
        difference: in the order of time.
        horizon: the longest one that the losses are of.
    """
    count = len(difference)
    most = min(int(0.4 * count ** (2 / 3)), count // max(horizon, 1))
    bases = min(max(4, most), count - 1)
    steps, j = np.arange(count) + 0.5, np.arange(1, bases + 1)
    cosines = np.sqrt(2 / count) * np.cos(np.pi * j[:, None] * steps / count)
    return float(np.mean((cosines @ (difference - difference.mean())) ** 2)), bases


def block_length(count: int, horizon: int) -> int:
    """Length of the blocks of a bootstrap: the longest horizon, or the cube root of the number of origins."""
    return int(np.clip(max(horizon, round(count ** (1 / 3))), 1, max(1, count // 4)))


def bootstrap_means(
    losses: Float[np.ndarray, "origins methods"],
    horizon: int = 1,
    series: Int[np.ndarray, " origins"] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, "draws methods"]:
    """Mean losses of resampled origins: circular blocks within each series, or whole series where many are.

    Args:
        losses: at each origin, in the order of time.
        horizon: the longest one that the losses are of.
        series: which series each origin belongs to; default all to one.
        draws: how often.
        seed: start of the randomness.

    Returns:
        Means over as many origins as there are (Politis and Romano 1992, circular block bootstrap).
    """
    rng = np.random.default_rng(seed)
    which = np.zeros(len(losses), int) if series is None else np.asarray(series)
    names, counts = np.unique(which, return_counts=True)
    if len(names) >= MANY_SERIES:
        sums = np.stack([losses[which == name].sum(0) for name in names])
        chosen = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        return chosen @ sums / (chosen @ counts)[:, None]
    total = np.zeros((draws, losses.shape[1]))
    for name, count in zip(names, counts, strict=True):
        rows, length = losses[which == name], block_length(int(count), horizon)
        blocks = -(-int(count) // length)
        around = np.concatenate([rows, rows[: length - 1]]) if length > 1 else rows
        sums = np.cumsum(np.concatenate([np.zeros((1, rows.shape[1])), around]), 0)
        starts = rng.integers(0, count, (draws, blocks))
        whole = (sums[starts[:, :-1] + length] - sums[starts[:, :-1]]).sum(1)
        rest = int(count) - length * (blocks - 1)  # the last block is cut
        total += whole + sums[starts[:, -1] + rest] - sums[starts[:, -1]]
    return total / len(losses)


def bootstrap_interval(
    difference: Float[np.ndarray, " origins"],
    horizon: int = 1,
    series: Int[np.ndarray, " origins"] | None = None,
    level: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of the mean of loss differences by a block bootstrap, from its quantiles.

    Args:
        difference: of the losses at each origin, in the order of time.
        horizon: the longest one that the losses are of.
        series: which series each origin belongs to; default all to one.
        level: of the interval.
        draws: resamples.
        seed: start of the randomness.
    """
    means = bootstrap_means(np.asarray(difference)[:, None], horizon, series, draws, seed)[:, 0]
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
