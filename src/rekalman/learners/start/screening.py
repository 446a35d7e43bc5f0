r"""How well linear models predict the end of some series, in closed form: nothing is compiled or iterated.

Each model is filtered with its settled gain. From the discrete Riccati equation

    P = A (P - K C P) A' + Q,     K = P C' S^{-1},     S = C P C' + R

by fixed-point iteration follow the gain and the covariance of the innovations, `e_t = y_t - d - C x_t^-`; the
means of all series run together as columns. Missing entries are taken as interpolated: this is for choosing
what is worth training, not for a likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.projection import Series
from rekalman.learners.start.n4sid import n4sid
from rekalman.learners.start.ridge_ar import log_score
from rekalman.models.linear import LinearGaussian

ITERATIONS, SETTLED = 1000, 1e-10
"""Of the Riccati equation: at most so many, until no variance changes by more than this share."""


def screened(
    series: Sequence[Series], heads: Sequence[int], orders: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    """Subspace models of some orders, identified from the heads of the series and scored on what follows.

    Args:
        series: outputs and inputs of each series, without gaps.
        heads: number of first steps of each series that are identified from.
        orders: numbers of states.

    Returns:
        Pairs of a number of states and the log density of what follows in nats per value, best first; those
        of which there are too few data are left out.
    """
    scores = []
    y, u, _ = stacked([(y[:head], u[:head]) for (y, u), head in zip(series, heads, strict=True)])
    for states in orders:
        try:
            model = n4sid(y, np.ones(y.shape, bool), states, inputs=u, lengths=np.array(heads))
        except RekalError:
            continue
        scores.append((states, settled_score(model, series, heads)))
    return tuple(sorted(scores, key=lambda pair: -pair[1]))


def settled_score(model: LinearGaussian, series: Sequence[Series], heads: Sequence[int]) -> float:
    """Log density of all steps after the heads by the settled filter, in nats per value."""
    A, B, c, C, D, d, Q, R, m, P = (
        np.asarray(getattr(model, name), np.float64)
        for name in ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")
    )
    K, S = settled_gain(A, C, Q, R, P)
    y, u, real = stacked(series)
    after = real & (np.arange(y.shape[1]) >= np.asarray(heads)[:, None])
    drift, offset = u @ B.T + c, u @ D.T + d
    x, errors = np.tile(m, (len(y), 1)), np.zeros_like(y)
    for t in range(y.shape[1]):
        if t:
            x = x @ A.T + drift[:, t]
        errors[:, t] = y[:, t] - offset[:, t] - x @ C.T
        x = x + errors[:, t] @ K.T
    rows = errors[after]
    return log_score(rows, S) if len(rows) and np.isfinite(rows).all() else -np.inf


def settled_gain(
    A: Float[np.ndarray, "n n"],
    C: Float[np.ndarray, "p n"],
    Q: Float[np.ndarray, "n n"],
    R: Float[np.ndarray, "p p"],
    P: Float[np.ndarray, "n n"],
) -> tuple[Float[np.ndarray, "n p"], Float[np.ndarray, "p p"]]:
    """The gain of a filter that has settled, and the covariance of its innovations."""
    for _ in range(ITERATIONS):
        S = C @ P @ C.T + R
        K = np.linalg.solve(S, C @ P).T
        new = A @ (P - K @ C @ P) @ A.T + Q
        new = 0.5 * (new + new.T)
        change = np.abs(np.diagonal(new - P)) <= SETTLED * np.diagonal(new)
        P = new
        if change.all():
            break
    S = C @ P @ C.T + R
    return np.linalg.solve(S, C @ P).T, 0.5 * (S + S.T)


def stacked(series: Sequence[Series]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs and inputs of all series, zero after their ends, and which steps there are."""
    lengths = np.array([len(y) for y, _ in series])
    steps = int(lengths.max())
    y, u = (
        np.stack([np.pad(each[k], [(0, steps - len(each[k])), (0, 0)]) for each in series])
        for k in (0, 1)
    )
    return y, u, np.arange(steps) < lengths[:, None]
