r"""A deterministic start for EM by subspace identification.

A state is what the past says of the future (Van Overschee and De Moor 1996, ch. 2-3). Stack the last
`w` samples up to `t` as the past `p_t` and the next `w` as the future `q_t`, and fit

    q_t = Theta p_t (+ Gamma [u_{t+1}; ...; u_{t+w}]) + e          (ridge regression, all series pooled)

The first right singular vectors of the fitted `Theta p_t` span what of the future can be predicted; the
scores on them are the states, each scaled to the standard deviation `scale`. With the states known
the network is linear in its parameters: A, B, c and C, D, d are two more regressions, and Q, R the
covariances of their residuals. (With inputs `p_t` holds the past of both, and the part of the future
that the future inputs explain is left out of the scores: the oblique projection of N4SID.)

A small `scale` keeps tanh nearly linear where the data are and bounds it beyond. States for which
the data hold no direction (fewer predictable directions than states) start as leaky units: distinct
decay rates, small distinct output weights, no coupling to the others.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rekal.errors import RekalError
from rekal.models.activations import Activation, activation_function
from rekal.models.stochastic_rnn import StochasticRNN

RANK_TOLERANCE = 1e-6  # singular values below this share of the first carry no direction
NOISE_FLOOR = 1e-4  # share of the variance that Q and R hold at least


def subspace_start(
    values: np.ndarray,
    mask: np.ndarray,
    states: int,
    *,
    inputs: np.ndarray | None = None,
    lengths: np.ndarray | None = None,
    window: int = 12,
    scale: float = 0.05,
    linear_observation: bool = True,
    activation: Activation = "tanh",
    ridge: float = 1e-3,
) -> StochasticRNN:
    """Build a network whose states are what the past says of the future.

    Args:
        values: standardised observations `(time, obs)` or `(batch, time, obs)`.
        mask: True where observed, same shape. Missing entries are interpolated for the start.
        states: number of hidden units.
        inputs: known inputs `(time, input)` or `(batch, time, input)`, or None.
        lengths: real steps of each series; default up to its last observed entry.
        window: samples of past and of future; shortened for series with less than four windows.
        scale: standard deviation of each state.
        linear_observation: whether the outputs read `C x` or `C f(x)`.
        activation: the transfer function of the hidden units.
        ridge: of all regressions, as a share of the features' mean square.

    Returns:
        A network with full Q and diagonal R; the same for the same data, no randomness.

    Raises:
        RekalError: fewer windows than states.
    """
    values, mask = np.asarray(values, np.float64), np.asarray(mask, bool)
    if values.ndim == 2:
        values, mask = values[None], mask[None]
        inputs = None if inputs is None else np.asarray(inputs)[None]
    batch, steps, _ = values.shape
    u = np.zeros((batch, steps, 0)) if inputs is None else np.asarray(inputs, np.float64)
    last_seen = np.max(mask.any(2) * np.arange(1, steps + 1), axis=1, keepdims=True)
    ends = (last_seen[:, 0] if lengths is None else np.asarray(lengths)).astype(int).tolist()
    window = max(1, min(window, max(ends) // 4))
    series = [
        (fill(y[:n], seen[:n]), v[:n])
        for y, seen, v, n in zip(values, mask, u, ends, strict=True)
        if n >= 2 * window
    ]
    pasts = [_windows(np.hstack([y, v]), window, 0) for y, v in series]
    if sum(map(len, pasts)) <= states:
        raise RekalError(
            f"{states} states need more data: the series hold only "
            f"{sum(map(len, pasts))} windows of {2 * window} steps"
        )
    scores = _scores(series, pasts, window, ridge)[:, :states]
    rank = scores.shape[1]
    x = scale * scores / scores.std(0)

    # State `i` of a series belongs to its step `window - 1 + i`, the last of the past.
    stops = np.cumsum([len(p) for p in pasts])
    xs = np.split(x, stops[:-1])
    ys = [y[window - 1 :][: len(s)] for (y, _), s in zip(series, xs, strict=True)]
    us = [v[window - 1 :][: len(s)] for (_, v), s in zip(series, xs, strict=True)]
    f = lambda a: np.asarray(activation_function(activation)(jnp.asarray(a)), np.float64)  # noqa: E731
    before = [np.hstack([f(s[:-1]), v[1:]]) for s, v in zip(xs, us, strict=True)]
    W, c, change = _regress(np.vstack(before), np.vstack([s[1:] for s in xs]), ridge)
    V, d, misfit = _regress(
        np.hstack([x if linear_observation else f(x), np.vstack(us)]), np.vstack(ys), ridge
    )
    spread = np.vstack(ys).var(0)
    R = np.diag((misfit * misfit).mean(0) + NOISE_FLOOR * np.where(spread > 0, spread, 1.0))
    Q = change.T @ change / len(change) + NOISE_FLOOR * scale**2 * np.eye(rank)

    A, C, Q, c = _leaky(W[:, :rank], V[:, :rank], Q, c, states, scale)
    B = np.zeros((states, W.shape[1] - rank))
    B[:rank] = W[:, rank:]
    return StochasticRNN.create(
        *map(jnp.asarray, (A, C, Q, R)),
        B=jnp.asarray(B),
        c=jnp.asarray(c),
        D=jnp.asarray(V[:, rank:]),
        d=jnp.asarray(d),
        P=scale**2 * jnp.eye(states),
        activation=activation,
        linear_observation=linear_observation,
    )


def fill(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Interpolate the missing entries of one series `(time, obs)` linearly, column by column.

    Ends hold the nearest observed value; a column without any is zero.
    """
    filled, steps = np.where(mask, values, 0.0), np.arange(len(values))
    for j in np.flatnonzero(~mask.all(0) & mask.any(0)):
        seen = mask[:, j]
        filled[~seen, j] = np.interp(steps[~seen], steps[seen], values[seen, j])
    return filled


def _windows(rows: np.ndarray, window: int, first: int) -> np.ndarray:
    """Row `i` holds the steps `first + i ... first + i + window - 1`, flattened.

    There are as many rows as there are pairs of a past and a future in the series.
    """
    count = len(rows) - 2 * window + 1
    view = sliding_window_view(rows, window, 0)[first : first + count]
    return view.reshape(count, rows.shape[1] * window)


def _scores(
    series: list[tuple[np.ndarray, np.ndarray]],
    pasts: list[np.ndarray],
    window: int,
    ridge: float,
) -> np.ndarray:
    """Scores `(windows, rank)` of the predictable future, in order of importance."""
    past = np.vstack(pasts)
    future = np.vstack([_windows(y, window, window) for y, _ in series])
    ahead = np.vstack([_windows(v, window, window) for _, v in series])
    weights, _, _ = _regress(np.hstack([past, ahead]), future, ridge)
    fitted = (past - past.mean(0)) @ weights[:, : past.shape[1]].T
    _, s, Vt = np.linalg.svd(fitted, full_matrices=False)
    rank = max(1, int((s > RANK_TOLERANCE * s[0]).sum()))
    scores = fitted @ Vt[:rank].T
    return scores if s[0] > 0 else np.linspace(-1.0, 1.0, len(past))[:, None]


def _regress(
    features: np.ndarray, targets: np.ndarray, ridge: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge regression with a free intercept: weights, intercept, residuals."""
    mean, level = features.mean(0), targets.mean(0)
    a, b = features - mean, targets - level
    gram = a.T @ a
    size = np.trace(gram) / max(1, len(gram))
    gram = gram + (ridge * size or 1.0) * np.eye(len(gram))
    weights = np.linalg.solve(gram, a.T @ b).T
    return weights, level - weights @ mean, b - a @ weights.T


def _leaky(
    A: np.ndarray, C: np.ndarray, Q: np.ndarray, c: np.ndarray, states: int, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add leaky units until there are `states`, each with its own decay rate and output weights."""
    rank, extra = A.shape[0], states - A.shape[0]
    if extra == 0:
        return A, C, Q, c
    decay = 0.9 * np.arange(1, extra + 1) / (extra + 1)
    rows, columns = np.arange(C.shape[0])[:, None], np.arange(extra)[None, :]
    small = 0.1 * np.abs(C).max() * np.cos(rows + (rows + 1) * (columns + 1))
    wide = np.zeros((states, states))
    wide[:rank, :rank], wide[rank:, rank:] = A, np.diag(decay)
    noise = np.zeros((states, states))
    noise[:rank, :rank], noise[rank:, rank:] = Q, np.diag(scale**2 * (1 - decay**2))
    return wide, np.hstack([C, small]), noise, np.concatenate([c, np.zeros(extra)])
