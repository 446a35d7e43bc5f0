r"""A linear Gaussian model by subspace identification: no start, no iteration, no local optimum.

After Van Overschee and De Moor (1996, ch. 4) with the canonical weighting of Larimore (1990):

1. the states `s_t` are the directions of the past (including `y_t`) that say most of the future
   (`projection.py`); they estimate the filtered state;
2. `s_t = A s_{t-1} + B u_t + c + K e_t` by regression, its fitted part being the predicted state;
3. `y_t = C (A s_{t-1} + B u_t + c) + D u_t + d + e_t` by regression on the predicted state: on the filtered
   one `C` would be biased, for that already holds the noise of `y_t`. Directions which are hardly predicted
   (A nearly singular) are held near the biased estimate by `sqrt(T)` pseudo-steps, which vanish beside `T`;
4. in a model with this state `Cov(e) = C P C' + R` and `K Cov(e) = P C'`, hence `R = Cov(e) - C K Cov(e)`,
   and `Q` starts as `K Cov(e) K'`. Both are kept away from zero, where EM would not leave them.

The innovations of a sample need not belong to any `Q` and `R` that are independent, so the noise is a
start for EM, which settles it in a few iterations; the dynamics are consistent as they are.
"""

from __future__ import annotations

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.projection import (
    Series,
    Weighting,
    as_series,
    long_enough,
    predictable,
    regress,
)
from rekalman.learners.start.subspace import leaky
from rekalman.models.linear import LinearGaussian

RIDGE = 1e-9  # of the regressions, as a share of the features' mean square
R_FLOOR = 0.05  # smallest share of the innovation that R holds in any direction
Q_FLOOR = 0.01  # share of the mean process noise that every state holds
LONGEST = 12  # the most lags that are tried for the windows


def n4sid(
    values: np.ndarray,
    mask: np.ndarray,
    states: int,
    *,
    inputs: np.ndarray | None = None,
    lengths: np.ndarray | None = None,
    window: int | None = None,
    weighting: Weighting = "cva",
) -> LinearGaussian:
    """Identify a linear model with `states` states.

    Args:
        values: observations `(time, obs)` or `(batch, time, obs)`, in any units.
        mask: True where observed, same shape. Missing entries are interpolated.
        states: number of states.
        inputs: known inputs `(time, input)` or `(batch, time, input)`, or None.
        lengths: real steps of each series; default up to its last observed entry.
        window: samples of past and of future; default the order of the best autoregression by AIC.
        weighting: "cva" weighs the future by its covariance, "none" by its own units.

    Returns:
        A model with full Q and R and the moments of the states as its start; the same for the same
        data, no randomness. Its state is scaled to unit variance.

    Raises:
        RekalError: fewer than one state, or fewer windows than states.
    """
    if states < 1:
        raise RekalError(f"states must be at least 1, but is {states}")
    if window is not None and window < 1:
        raise RekalError(f"window must be at least 1, but is {window}")
    if weighting not in ("cva", "none"):
        raise RekalError(f"weighting must be 'cva' or 'none', but is {weighting!r}")
    raw = as_series(values, mask, inputs, lengths)
    level, scale = _moments([y for y, _ in raw])
    middle, reach = _moments([u for _, u in raw])
    whole = [((y - level) / scale, (u - middle) / reach) for y, u in raw]
    longest = max(len(y) for y, _ in whole)
    if window is None:
        order = autoregressive_order(whole, min(LONGEST, max(1, longest // 6)))
        window = max(order, -(-states // level.size) + 1)
    window = max(1, min(window, longest // 4))
    series = long_enough(whole, window, states)
    scores, stops = predictable(series, window, RIDGE, weighting)
    scores = scores[:, :states]
    rank = scores.shape[1]

    # State `i` of a series belongs to its step `window - 1 + i`, the last of the past.
    xs = np.split(scores / scores.std(0), stops[:-1])
    rows = [slice(window - 1, window - 1 + len(x)) for x in xs]
    ys = [y[span] for (y, _), span in zip(series, rows, strict=True)]
    us = [u[span] for (_, u), span in zip(series, rows, strict=True)]
    before = np.vstack([np.hstack([x[:-1], u[1:]]) for x, u in zip(xs, us, strict=True)])
    W, c, change = regress(before, np.vstack([x[1:] for x in xs]), RIDGE)
    biased, _, _ = regress(np.hstack([np.vstack(xs), np.vstack(us)]), np.vstack(ys), RIDGE)
    later_u, later_y = np.vstack([u[1:] for u in us]), np.vstack([y[1:] for y in ys])
    predicted = np.vstack([x[1:] for x in xs]) - change
    V, d, e = _held(np.hstack([predicted, later_u]), later_y, biased, rank)

    A, C = W[:, :rank], V[:, :rank]
    Q, R = _noise(C, change, e)
    A = A / max(1.0, np.abs(np.linalg.eigvals(A)).max())
    A, C, Q, c = leaky(A, C, Q, c, states, 1.0)
    B, P, m = np.zeros((states, later_u.shape[1])), np.eye(states), np.zeros(states)
    x = np.vstack(xs)
    B[:rank], m[:rank] = W[:, rank:], x.mean(0)
    P[:rank, :rank] = np.cov(x.T, bias=True).reshape(rank, rank)
    # Back to the units of the data.
    B, D = B / reach, V[:, rank:] / reach
    return LinearGaussian.create(
        A=A, B=B, c=c - B @ middle, C=scale[:, None] * C, D=scale[:, None] * D,
        d=level + scale * (d - D @ middle), Q=Q, R=scale[:, None] * R * scale, m=m, P=P,
    )  # fmt: skip


def autoregressive_order(series: list[Series], most: int) -> int:
    """The number of lags of the vector autoregression with inputs that Akaike's criterion prefers.

    Args:
        series: observations and inputs of each series, of similar size.
        most: the largest number of lags.
    """
    obs, k = series[0][0].shape[1], series[0][1].shape[1]
    features, targets = [], []
    for y, u in series:
        if len(y) > most:
            lags = [np.hstack([y, u])[most - lag : len(y) - lag] for lag in range(1, most + 1)]
            features.append(np.hstack([u[most:], *lags]))
            targets.append(y[most:])
    X, Y = np.vstack(features), np.vstack(targets)
    X, Y = X - X.mean(0), Y - Y.mean(0)
    count, gram, cross, square = len(X), X.T @ X, X.T @ Y, Y.T @ Y
    best, order = np.inf, 1
    for lags in range(1, most + 1):
        size = k + (obs + k) * lags
        if size > count / 3:
            break
        weights = np.linalg.lstsq(gram[:size, :size], cross[:size], rcond=1e-12)[0]
        rest = (square - cross[:size].T @ weights) / count + RIDGE * np.eye(obs)
        criterion = count * np.linalg.slogdet(rest)[1] + 2 * obs * size
        if criterion < best:
            best, order = criterion, lags
    return order


def _moments(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; 1 where that is 0."""
    joined = np.vstack(rows)
    deviation = joined.std(0)
    return joined.mean(0), np.where(deviation > 0, deviation, 1.0)


def _held(
    features: np.ndarray, targets: np.ndarray, prior: np.ndarray, states: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regression whose first `states` weights are held near `prior`: weights, intercept, residuals."""
    mean, level = features.mean(0), targets.mean(0)
    a, b = features - mean, targets - level
    hold = np.full(a.shape[1], RIDGE * len(a))
    hold[:states] = np.sqrt(len(a))
    right = a.T @ b + hold[:, None] * prior.T
    weights = np.linalg.solve(a.T @ a + np.diag(hold), right).T
    return weights, level - weights @ mean, b - a @ weights.T


def _noise(C: np.ndarray, change: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Q` and `R` from the innovations of the state (`K e`) and of the observations (`e`)."""
    count, n, p = len(e), change.shape[1], e.shape[1]
    S = e.T @ e / count + RIDGE * np.eye(p)
    read = C @ (change.T @ e) / count
    L = np.linalg.cholesky(S)
    white = np.linalg.solve(L, np.linalg.solve(L, S - 0.5 * (read + read.T)).T)
    shares, ways = np.linalg.eigh(0.5 * (white + white.T))
    R = L @ (ways * np.clip(shares, R_FLOOR, 1.0)) @ ways.T @ L.T
    Q = change.T @ change / count
    Q = Q + max(Q_FLOOR * np.trace(Q) / n, RIDGE) * np.eye(n)
    return 0.5 * (Q + Q.T), 0.5 * (R + R.T)
