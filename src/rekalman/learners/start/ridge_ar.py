r"""A vector autoregression with inputs by ridge regression, in closed form.

    y_t = c + sum_{l=1..L} W_l y_{t-l} + sum_{l=0..L-1} G_l u_{t-l} + e_t,     e_t ~ N(0, S)

One row of the regression is a step whose lags are all there; columns are centred. With penalties `k d_j` on
the squares of the coefficients, `d_j = l^2` for a coefficient of lag `l` (what is long ago says less: the
prior of Litterman 1986), the features `x_j / sqrt(d_j)` have one penalty `k` (Hoerl and Kennard 1970). With
the eigenvectors `V` and eigenvalues `g` of their Gram matrix and `Z = X V`, every `k` costs one product:

    coefficients V (g + k)^{-1} Z'Y,     leverages h_i = 1/n + sum_j z_ij^2 / (g_j + k).

Row `i` is left out without another regression: the error of the others' prediction of it is `e_i / (1 - h_i)`
(Sherman and Morrison 1950; Allen 1974), the intercept included. The penalty is the one with the least log
determinant of the covariance of these errors, which is the Gaussian log score of what was left out, and whose
innovation covariance it is: that of predictions, the error of the coefficients included. Where errors are
uncorrelated, as those of an autoregression with lags enough are, this is a valid score of a time series
(Bergmeir, Hyndman and Koo 2018).

The number of lags is the one whose model of the first rows predicts the last ones best: dynamics that drift
make rows in between easier than those to come. There the errors of each output have a variance of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.foundation.errors import RekalError

PENALTIES = tuple(10.0 ** (half / 2) for half in range(-16, 3))
"""Penalties that are compared, as shares of the number of rows: features have a variance of about 1."""
HELD_OUT = (
    0.2  # share of the rows, at the end of each series, by which numbers of lags are compared
)
RIDGE = 1e-12  # share of a variance that no innovation falls below
Series = tuple[np.ndarray, np.ndarray]


class Rows(NamedTuple):
    """A regression: row by row what is known, and what follows.

    Attributes:
        features: outputs of lags 1, 2, ... and inputs of lags 0, 1, ..., lag by lag.
        targets: outputs.
        late: whether a row lies in the last part of its series.
    """

    features: Float[np.ndarray, "rows features"]
    targets: Float[np.ndarray, "rows obs"]
    late: np.ndarray

    def subset(self, which: np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(self.features[which], self.targets[which], self.late[which])

    def of_lags(self, lags: int, inputs: int) -> Rows:
        """The same rows with fewer lags."""
        return self._replace(features=self.features[:, : lags * (self.targets.shape[1] + inputs)])


class Ridge(NamedTuple):
    """A ridge regression.

    Attributes:
        weights: coefficients, one row for each output.
        intercept: one for each output.
        penalty: on the squares of the coefficients of lag 1, as a share of the number of rows.
        freedom: effective number of coefficients of one output, the intercept included.
        cov: covariance of the errors of rows left out.
        score: log density of rows left out, in nats per value.
    """

    weights: Float[np.ndarray, "obs features"]
    intercept: Float[np.ndarray, " obs"]
    penalty: float
    freedom: float
    cov: Float[np.ndarray, "obs obs"]
    score: float

    def errors(self, rows: Rows) -> Float[np.ndarray, "rows obs"]:
        """Targets less their predictions."""
        return rows.targets - rows.features @ self.weights.T - self.intercept


class RidgeAR(NamedTuple):
    """A vector autoregression and how it was chosen.

    Attributes:
        lags: number of lags.
        ridge: its regression.
        candidates: (number of lags, log density of the held-out rows in nats per value), by lags.
        rows: number of rows of the regression.
    """

    lags: int
    ridge: Ridge
    candidates: tuple[tuple[int, float], ...]
    rows: int


def ridge_ar(
    series: Sequence[Series],
    observed: Sequence[np.ndarray] | None = None,
    *,
    gaps: bool = False,
    lags: int | None = None,
    most: int = 12,
    penalty: float | None = None,
) -> RidgeAR:
    """Fit a vector autoregression.

    Args:
        series: outputs `(steps, obs)` without gaps and inputs `(steps, inputs)` of each series, standardised.
        observed: True where an entry was observed, of each series; rows with another one are left out. None
            takes all.
        gaps: whether rows are left out only where an entry of the target was not observed.
        lags: their number, or None for that under which the last rows are most likely.
        most: the largest number that is tried.
        penalty: of the coefficients of lag 1, as a share of the number of rows, or None for that under which
            rows left out are most likely.

    Raises:
        RekalError: no row has all its lags, or there are too few for a regression.
    """
    inputs = series[0][1].shape[1]
    most = most if lags is None else lags
    whole = lagged(series, observed, most, gaps)
    if len(whole.targets) < 3:
        raise RekalError(
            f"an autoregression of {most} lags needs at least 3 windows of {most + 1} steps, of which the "
            f"data have {len(whole.targets)}: use fewer lags"
        )
    penalties = PENALTIES if penalty is None else (penalty,)
    candidates: tuple[tuple[int, float], ...] = ()
    if lags is None:
        candidates = tuple(
            (each, held_out(whole.of_lags(each, inputs), each, penalties))
            for each in range(1, most + 1)
        )
        lags = max(candidates, key=lambda pair: pair[1])[0]
    rows = lagged(series, observed, lags, gaps)
    return RidgeAR(lags, ridge(rows, lags, penalties), candidates, len(rows.targets))


def held_out(rows: Rows, lags: int, penalties: Sequence[float]) -> float:
    """Log density of the last rows under a model of the others, in nats per value.

    The variance of each output's errors is that of the last rows themselves: where they are calmer or wilder
    than the others, coefficients are compared all the same.
    """
    early = rows.subset(~rows.late)
    if len(early.targets) < 3 or not rows.late.any():
        return ridge(rows, lags, penalties).score
    errors = ridge(early, lags, penalties).errors(rows.subset(rows.late))
    variances = np.maximum((errors * errors).mean(0), np.finfo(float).tiny)
    return -0.5 * float((np.log(2 * np.pi * variances) + 1).mean())


def lagged(
    series: Sequence[Series],
    observed: Sequence[np.ndarray] | None,
    lags: int,
    gaps: bool = False,
) -> Rows:
    """The rows of a regression on so many lags, of all series (arguments as for `ridge_ar`)."""
    parts = []
    for i, (y, u) in enumerate(series):
        count = len(y) - lags
        if count < 1:
            continue
        each = [
            part
            for lag in range(1, lags + 1)
            for part in (y[lags - lag :][:count], u[lags - lag + 1 :][:count])
        ]
        late = np.arange(count) >= count - int(HELD_OUT * count)
        complete = np.ones(count, bool)
        if observed is not None:
            seen = np.all(observed[i], axis=1)
            for lag in range(1 if gaps else lags + 1):
                complete &= seen[lags - lag :][:count]
        parts.append(Rows(np.hstack(each), y[lags:], late).subset(complete))
    if not parts:
        (y, u), *_ = series
        return Rows(np.zeros((0, lags * (y.shape[1] + u.shape[1]))), y[:0], np.zeros(0, bool))
    return Rows(*(np.concatenate(leaf) for leaf in zip(*parts, strict=True)))


def ridge(rows: Rows, lags: int, penalties: Sequence[float]) -> Ridge:
    """The regression with the best of some penalties, by its score on rows left out.

    Args:
        rows: of so many lags.
        lags: their number.
        penalties: as shares of the number of rows.
    """
    count, size = rows.features.shape
    unit = 1.0 / np.repeat(np.arange(1.0, lags + 1), size // lags)
    middle, level = rows.features.mean(0), rows.targets.mean(0)
    X, Y = (rows.features - middle) * unit, rows.targets - level
    eigenvalues, V = np.linalg.eigh(X.T @ X)
    eigenvalues, Z = np.maximum(eigenvalues, 0.0), X @ V
    projected, squares = Z.T @ Y, Z * Z
    best: tuple[float, float, np.ndarray, np.ndarray, np.ndarray] | None = None
    for penalty in penalties:
        shrunk = eigenvalues + penalty * count
        inverse = np.where(shrunk > 0, 1 / np.where(shrunk > 0, shrunk, 1.0), 0.0)
        leverage = 1 / count + squares @ inverse
        coefficients = inverse[:, None] * projected
        errors = (Y - Z @ coefficients) / np.maximum(1 - leverage, 1e-9)[:, None]
        cov = regular(errors.T @ errors / count)
        score = log_score(errors, cov)
        if best is None or score > best[0]:
            best = score, penalty, coefficients, leverage, cov
    assert best is not None
    score, penalty, coefficients, leverage, cov = best
    weights = (V @ coefficients).T * unit
    return Ridge(weights, level - weights @ middle, penalty, leverage.sum(), cov, score)


def log_score(errors: Float[np.ndarray, "rows obs"], cov: Float[np.ndarray, "obs obs"]) -> float:
    """Gaussian log density of errors, in nats per value."""
    white = np.linalg.solve(np.linalg.cholesky(cov), errors.T)
    log_det = float(np.linalg.slogdet(2 * np.pi * cov)[1])
    return -0.5 * (float((white * white).sum(0).mean()) + log_det) / len(cov)


def regular(cov: Float[np.ndarray, "n n"], least: float = RIDGE) -> Float[np.ndarray, "n n"]:
    """A covariance whose correlations have no eigenvalue below `least`."""
    size = np.sqrt(np.maximum(np.diagonal(cov), np.finfo(float).tiny + least))
    values, vectors = np.linalg.eigh(cov / np.outer(size, size))
    return (size[:, None] * vectors * np.maximum(values, least)) @ (size[:, None] * vectors).T
