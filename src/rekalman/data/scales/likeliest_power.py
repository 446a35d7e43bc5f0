r"""The power of Box and Cox under which the noise of a series is most nearly Gaussian and equally large.

Of each power $p$ of a grid, the transformed column is predicted from its last two values, those of a season
ago, and the inputs, by least squares. With a residual sum of squares $\mathrm{RSS}$ over $n$ rows the
likelihood of the raw values, at its maximum over coefficients and variance, is (Box and Cox 1964, J. R.
Stat. Soc. B 26)

$$
\ell(p) = -\frac{n}{2} \log \frac{\mathrm{RSS}}{n} + (p - 1) \sum_i \log y_i + \text{const}.
$$

Several series are divided by their own deviations $s_i$ first, each has a level of its own, and they share
the coefficients, as where one model describes them all: $-\sum_i n_i \log s_i$ comes to $\ell$. The power is
one parameter more than no transform has: another power than 1 must gain more than $\tfrac{1}{2} \log n$, its
price by the Bayesian information criterion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from rekalman.data.scales.powers import transformed
from rekalman.data.time.seasons import season_of
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

GRID = (0.0, 0.25, 0.5, 0.75)
"""Powers that compete with 1."""
ROWS = 5
"""Rows for each coefficient that it takes to choose."""
ROUNDING = 1e-20
"""A variance of residuals below this share of that of the column is rounding."""


def positive_columns(sequences: Sequences) -> np.ndarray:
    """Which columns hold positive values alone."""
    values, mask = np.asarray(sequences.values), np.asarray(sequences.mask)
    return np.asarray(((values > 0) | ~mask).all((0, 1)))


def likeliest_powers(sequences: Sequences, period: int | None = None) -> Float[AnyArray, " obs"]:
    """The power of each column, 1 where no other is clearly likelier or a value is not positive.

    Args:
        sequences: in raw units.
        period: steps of a season; default that of the calendar, or what the data show.
    """
    if period is None and sequences.dt is None:
        period = season_of(sequences)
    lags = [1, 2] if period is None else sorted({1, 2, period, period + 1})
    powers = np.ones(sequences.observations)
    inputs = None if sequences.inputs is None else np.asarray(sequences.inputs, np.float64)
    for k in np.flatnonzero(positive_columns(sequences)):
        y = np.where(sequences.mask[..., k], sequences.values[..., k], np.nan).astype(np.float64)
        powers[k] = _likeliest(y, lags, inputs)
    return powers


def _likeliest(
    y: Float[np.ndarray, "batch time"],
    lags: list[int],
    inputs: Float[np.ndarray, "batch time input"] | None,
) -> float:
    """The power of one column."""
    known = np.isfinite(y) & np.isfinite(_before(y, lags)).all(-1)
    # A series of few rows would be fitted by its own level.
    few = known.sum(1) < ROWS
    known[few] = False
    rows, series = int(known.sum()), int((~few).sum())
    coefficients = len(lags) + (0 if inputs is None else inputs.shape[-1]) + series
    if rows < ROWS * coefficients:
        return 1.0
    gain = np.array([_log_likelihood(y, p, lags, inputs, known) for p in (*GRID, 1.0)])
    gain -= gain[-1]
    best = int(np.argmax(gain))
    return GRID[best] if gain[best] > np.log(rows) / 2 else 1.0


def _log_likelihood(
    y: np.ndarray, power: float, lags: list[int], inputs: np.ndarray | None, known: np.ndarray
) -> float:
    """`l(p)` of the raw values of the rows `known`, but for a constant."""
    z = transformed(y, np.float64(power))
    used = known.any(1)
    scale = np.ones(len(z))
    scale[used] = np.nanstd(z[used], axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    z = z / scale[:, None]
    regressors = _before(z, lags)
    if inputs is not None:
        regressors = np.concatenate([regressors, inputs], -1)
    design, wanted = [], []
    for i in np.flatnonzero(used):  # less the level of each series
        X, target = regressors[i, known[i]], z[i, known[i]]
        design.append(X - X.mean(0))
        wanted.append(target - target.mean())
    X, target = np.concatenate(design), np.concatenate(wanted)
    size = np.maximum(np.abs(X).max(0), 1e-300)
    error = target - X / size @ np.linalg.lstsq(X / size, target, rcond=None)[0]
    rows = known.sum(1)
    variance = max(float(np.mean(error**2)), ROUNDING)
    volume = float(rows @ np.log(scale)) - (power - 1) * float(np.log(y[known]).sum())
    return -0.5 * rows.sum() * float(np.log(variance)) - volume


def _before(z: np.ndarray, lags: list[int]) -> np.ndarray:
    """The values so many steps before, on a last axis, NaN where there is none."""
    out = np.full((*z.shape, len(lags)), np.nan)
    for j, lag in enumerate(lags):
        if lag < z.shape[1]:
            out[:, lag:, j] = z[:, :-lag]
    return out
