r"""A deterministic start for EM by subspace identification.

A state is what the past says of the future (`projection.py`), each scaled to the standard deviation `scale`.
With the states known the network is linear in its parameters: A, B, c and C, D, d are two more regressions,
and Q, R the covariances of their residuals.

A small `scale` keeps tanh nearly linear where the data are and bounds it beyond. States for which
the data hold no direction (fewer predictable directions than states) start as leaky units: distinct
decay rates, small distinct output weights, no coupling to the others.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from rekalman.learners.em.projection import as_series, long_enough, predictable, regress
from rekalman.models.activations import Activation, activation_function
from rekalman.models.stochastic_rnn import StochasticRNN

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
    whole = as_series(values, mask, inputs, lengths)
    window = max(1, min(window, max(len(y) for y, _ in whole) // 4))
    series = long_enough(whole, window, states)
    scores, stops = predictable(series, window, ridge)
    scores = scores[:, :states]
    rank = scores.shape[1]
    x = scale * scores / scores.std(0)

    # State `i` of a series belongs to its step `window - 1 + i`, the last of the past.
    xs = np.split(x, stops[:-1])
    ys = [y[window - 1 :][: len(s)] for (y, _), s in zip(series, xs, strict=True)]
    us = [v[window - 1 :][: len(s)] for (_, v), s in zip(series, xs, strict=True)]
    f = lambda a: np.asarray(activation_function(activation)(jnp.asarray(a)), np.float64)  # noqa: E731
    before = [np.hstack([f(s[:-1]), v[1:]]) for s, v in zip(xs, us, strict=True)]
    W, c, change = regress(np.vstack(before), np.vstack([s[1:] for s in xs]), ridge)
    V, d, misfit = regress(
        np.hstack([x if linear_observation else f(x), np.vstack(us)]), np.vstack(ys), ridge
    )
    spread = np.vstack(ys).var(0)
    R = np.diag((misfit * misfit).mean(0) + NOISE_FLOOR * np.where(spread > 0, spread, 1.0))
    Q = change.T @ change / len(change) + NOISE_FLOOR * scale**2 * np.eye(rank)

    A, C, Q, c = leaky(W[:, :rank], V[:, :rank], Q, c, states, scale)
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


def leaky(
    A: np.ndarray, C: np.ndarray, Q: np.ndarray, c: np.ndarray, states: int, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add leaky units until there are `states`, each with its own decay rate and output weights."""
    rank, extra = A.shape[0], states - A.shape[0]
    if extra == 0:
        return A, C, Q, c
    decay = 0.9 * np.arange(1, extra + 1) / (extra + 1)
    rows, columns = np.arange(C.shape[0])[:, None], np.arange(extra)[None, :]
    small = 0.1 * np.abs(C).max() * np.cos(rows + (rows + 1) * (columns + 1))
    padded = np.zeros((states, states))
    padded[:rank, :rank], padded[rank:, rank:] = A, np.diag(decay)
    noise = np.zeros((states, states))
    noise[:rank, :rank], noise[rank:, rank:] = Q, np.diag(scale**2 * (1 - decay**2))
    return padded, np.hstack([C, small]), noise, np.concatenate([c, np.zeros(extra)])
