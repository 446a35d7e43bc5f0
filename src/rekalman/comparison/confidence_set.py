r"""The model confidence set: the methods that cannot be told from the best (Hansen, Lunde, Nason 2011).

From the set of all methods the worst is taken away as long as the hypothesis is refused that all in it are
equally good. With mean losses $\bar L_i$, their mean $\bar L$ over the set and $d_i = \bar L_i - \bar L$ the
statistic is

$$T = \max_i d_i / \sqrt{\operatorname{Var}(d_i)},$$

whose law under the hypothesis is that of $\max_i (d_i^* - d_i) / \sqrt{\operatorname{Var}(d_i)}$ over block
bootstrap resamples (their section 3.1.2, $T_{\max}$). The p-value of a method is the largest so far when it
is taken away; the set holds those whose p-value is at least `alpha`, and holds the best method with
probability `1 - alpha` at least as the number of origins grows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from rekalman.comparison.equal_accuracy import bootstrap_means

ALPHA = 0.1
"""The set holds the best method with probability 0.9."""


def confidence_set(
    losses: Float[np.ndarray, "origins methods"],
    horizon: int = 1,
    series: Int[np.ndarray, " origins"] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, " methods"]:
    """The p-value of each method: below `ALPHA` it is not among the best.

    Args:
        losses: of each method at the same origins, in the order of time; the lower the better.
        horizon: the longest one that the losses are of.
        series: which series each origin belongs to; default all to one.
        draws: bootstrap resamples.
        seed: start of the randomness.

    Returns:
        One p-value for each method; 1 for the best.

    Examples:
        >>> import numpy as np
        >>> from rekalman.comparison.confidence_set import confidence_set
        >>> noise = np.random.default_rng(0).normal(size=(300, 3))
        >>> p = confidence_set(noise + np.array([0.0, 0.0, 1.0]))
        >>> bool(p[2] < 0.1), bool(p.max() == 1.0)
        (True, True)
    """
    losses = np.asarray(losses, np.float64)
    mean, resampled = losses.mean(0), bootstrap_means(losses, horizon, series, draws, seed)
    inside, p_values, largest = list(range(losses.shape[1])), np.ones(losses.shape[1]), 0.0
    while len(inside) > 1:
        d = mean[inside] - mean[inside].mean()
        moved = resampled[:, inside] - resampled[:, inside].mean(1, keepdims=True) - d
        error = np.sqrt((moved**2).mean(0))
        rounding = 1e-12 * np.abs(mean[inside]).max()
        scaled = np.where(error > rounding, error, np.inf)
        statistic = d / scaled
        worst = int(np.argmax(statistic))
        if not np.isfinite(scaled).any():  # the same losses throughout, but for rounding
            break
        p = float(((moved / scaled).max(1) >= statistic[worst]).mean())
        largest = max(largest, p)
        p_values[inside[worst]] = largest
        del inside[worst]
    return p_values
