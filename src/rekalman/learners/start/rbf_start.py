r"""Starts for EM of a network of radial basis functions (Ghahramani and Roweis 1999, section 3.3).

States are guessed from the data, without a model:

* "embedding": the principal components of the last few samples; they follow any dynamics, noise and all;
* "subspace": what the past says of the future by linear regression (`projection.py`), which smooths noise
  but is blind to what has no linear trace, such as a chaotic map.

Either is scaled to unit variance, so that round kernels fit. Centres are the means of clusters of the states
(and inputs), the common spread is their distance to near centres (Moody and Darken 1989), and with states
and kernels known all weights are linear regressions. Which of the two is better is left to held-out data.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.projection import (
    Series,
    as_series,
    long_enough,
    predictable,
    regress,
)
from rekalman.models.rbf import Kernels, RBFNetwork

WINDOW = 12  # samples of past and of future of the subspace start
RIDGE = 1e-3
Q_FLOOR, R_FLOOR = 0.01, 0.05  # shares of the variance of the states and of the data
ROUNDS = 20  # of clustering
NEAR = 2  # neighbours that say how wide a kernel is
GROUPED = 20_000  # states that are clustered at most

Guess = tuple[np.ndarray, np.ndarray, np.ndarray]
"""States of a series with their observations and inputs, step by step."""


def rbf_starts(
    values: np.ndarray,
    mask: np.ndarray,
    states: int,
    kernels: int,
    *,
    inputs: np.ndarray | None = None,
    lengths: np.ndarray | None = None,
) -> list[tuple[str, RBFNetwork]]:
    """Networks to start from, with their names; the same for the same data.

    Args:
        values: standardised observations `(time, obs)` or `(batch, time, obs)`.
        mask: True where observed, same shape. Missing entries are interpolated for the start.
        states: number of states.
        kernels: number of kernels of the transition; the observation is linear.
        inputs: known inputs `(time, input)` or `(batch, time, input)`, or None.
        lengths: real steps of each series; default up to its last observed entry.

    Raises:
        RekalError: fewer steps than kernels.
    """
    series = as_series(values, mask, inputs, lengths)
    guesses = [("embedding", embedded(series, states))]
    window = max(1, min(WINDOW, max(len(y) for y, _ in series) // 4))
    if window * series[0][0].shape[1] >= states:
        guesses.insert(0, ("subspace", foretold(series, states, window)))
    return [(name, network_of(guess, kernels)) for name, guess in guesses]


def embedded(series: list[Series], states: int) -> list[Guess]:
    """Principal components of the last samples, just as many as give so many states."""
    width = -(-states // series[0][0].shape[1])
    usable = [(y, u) for y, u in series if len(y) > width]
    if not usable:
        raise RekalError(f"{states} states need series of more than {width} steps")
    past = [np.hstack([y[width - 1 - k : len(y) - k] for k in range(width)]) for y, _ in usable]
    joined = np.vstack(past)
    values, vectors = np.linalg.eigh(np.cov(joined.T).reshape(joined.shape[1], -1))
    ways = vectors[:, ::-1][:, :states] / np.sqrt(
        np.maximum(values[::-1][:states], 1e-6 * values[-1])
    )
    mean = joined.mean(0)
    return [
        ((p - mean) @ ways, y[width - 1 :], u[width - 1 :])
        for p, (y, u) in zip(past, usable, strict=True)
    ]


def foretold(series: list[Series], states: int, window: int) -> list[Guess]:
    """What the past says of the future, scaled to unit variance."""
    usable = long_enough(series, window, states)
    scores, stops = predictable(usable, window, RIDGE)
    if scores.shape[1] < states:
        return embedded(series, states)
    scores = scores[:, :states]
    x = (scores - scores.mean(0)) / scores.std(0)
    return [
        (s, y[window - 1 :][: len(s)], u[window - 1 :][: len(s)])
        for s, (y, u) in zip(np.split(x, stops[:-1]), usable, strict=True)
    ]


def network_of(guess: list[Guess], kernels: int) -> RBFNetwork:
    """The network whose weights are regressions on guessed states.

    Raises:
        RekalError: fewer steps than kernels.
    """
    before = np.vstack([np.hstack([x[:-1], u[1:]]) for x, _, u in guess])
    after = np.vstack([x[1:] for x, _, _ in guess])
    x, y, u = (np.vstack([g[k] for g in guess]) for k in range(3))
    bumps = placed(before, kernels)
    n = x.shape[1]
    heights = np.exp(
        -0.5 * ((before[:, None] - bumps.centers) ** 2).sum(-1) / bumps.spreads[0, 0, 0]
    )
    W, c, change = regress(np.hstack([before[:, :n], heights, before[:, n:]]), after, RIDGE)
    V, d, misfit = regress(np.hstack([x, u]), y, RIDGE)
    Q = (change**2).mean(0) + Q_FLOOR
    R = (misfit**2).mean(0) + R_FLOOR * y.var(0)
    return RBFNetwork.create(
        W[:, :n], V[:, :n], np.diag(Q), np.diag(R), H=W[:, n : n + kernels], kernels=bumps,
        B=W[:, n + kernels :], c=c, D=V[:, n:], d=d,
    )  # fmt: skip


def placed(points: np.ndarray, count: int) -> Kernels:
    """Round kernels in the middle of clusters of points, as wide as they are apart.

    Raises:
        RekalError: fewer points than kernels.
    """
    if count >= len(points):
        raise RekalError(f"{count} kernels need more data than {len(points)} steps")
    points = points[:: -(-len(points) // GROUPED)]
    centers = points[np.random.default_rng(0).choice(len(points), count, replace=False)]
    for _ in range(ROUNDS):  # k-means (Lloyd 1982); a cluster that has lost its points stays
        nearest = np.argmin(((points[:, None] - centers) ** 2).sum(-1), 1)
        for k in np.unique(nearest):
            centers[k] = points[nearest == k].mean(0)
    apart = np.linalg.norm(centers[:, None] - centers, axis=-1)
    near = np.sort(apart, 1)[:, 1 : 1 + NEAR] if count > 1 else np.ones((1, 1))
    radius = max(float(np.sqrt((near**2).mean())), 0.1)
    covariance = radius**2 * np.eye(points.shape[1])
    return Kernels(
        *(
            jnp.asarray(v)
            for v in (centers, np.broadcast_to(covariance, (count, *covariance.shape)))
        )
    )
