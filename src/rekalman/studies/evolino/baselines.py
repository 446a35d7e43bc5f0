"""What Evolino is compared with on series of one column: an echo state network, and an autoregression.

Both choose their settings by a free run over the end of the training series, as Evolino does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rekalman.foundation.errors import RekalError

Series = Float[np.ndarray, " steps"]
FreeRuns = Callable[[Series, Int[np.ndarray, " runs"], int], Float[np.ndarray, "runs horizon"]]
"""From a series, first steps and a length to the predictions of a trained model."""

RADII, SIZES, PENALTIES = (0.6, 0.9, 1.1), (0.01, 0.1, 1.0), (1e-13, 1e-10, 1e-7)
"""Spectral radii and input weights of the reservoirs, and penalties of the readouts, that are tried."""
LAGS, LAG_PENALTIES = (4, 6, 8, 11, 16, 25, 40), (1e-13, 1e-10, 1e-7, 1e-4)
"""Lags and penalties of the autoregressions that are tried."""


class Split(NamedTuple):
    """How a training series is used.

    Attributes:
        washout: steps that readouts are not fitted on.
        head: number of steps before those by which settings are chosen.
        horizon: length of the free runs that choose.
    """

    washout: int
    head: int
    horizon: int


def ridge(
    X: Float[np.ndarray, "rows features"], y: Series, penalties: tuple[float, ...]
) -> list[Float[np.ndarray, " features"]]:
    """Ridge regressions on features of unit size, one for each penalty."""
    size = np.sqrt(np.maximum((X * X).mean(0), 1e-30))
    gram, moment = X.T @ X / (len(X) * np.outer(size, size)), X.T @ y / (len(X) * size)
    eye = np.eye(len(size))
    return [np.linalg.solve(gram + penalty * eye, moment) / size for penalty in penalties]


def chosen(y: Series, split: Split, candidates: list[tuple[FreeRuns, FreeRuns]]) -> FreeRuns:
    """Of models with a readout of the head and of everything, the second of the one that runs best freely.

    Args:
        y: the training series.
        split: how it is used.
        candidates: each model with the readout of the head, and with that of the whole series.

    Raises:
        RekalError: all of them break down.
    """
    origins = np.arange(split.head, len(y) - split.horizon + 1, max(1, split.horizon // 2))
    wanted = y[origins[:, None] + np.arange(split.horizon)]
    errors = []
    for judged, _ in candidates:
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.mean((judged(y, origins, split.horizon) - wanted) ** 2)
        errors.append(error if np.isfinite(error) else np.inf)
    if not np.isfinite(min(errors)):
        raise RekalError("no candidate runs freely without breaking down")
    return candidates[int(np.argmin(errors))][1]


def autoregression(y: Series, split: Split) -> FreeRuns:
    """A linear autoregression with a constant.

    Args:
        y: the training series.
        split: how it is used.
    """
    candidates = []
    for lags in LAGS:
        windows = np.lib.stride_tricks.sliding_window_view(y, lags + 1)
        X, last = np.column_stack([windows[:, :-1], np.ones(len(windows))]), windows[:, -1]
        fits = [ridge(X[:end], last[:end], LAG_PENALTIES) for end in (split.head - lags, len(X))]
        candidates += [
            tuple(_lagged_runs(weights, lags) for weights in pair)
            for pair in zip(*fits, strict=True)
        ]
    return chosen(y, split, candidates)


def _lagged_runs(weights: Float[np.ndarray, " features"], lags: int) -> FreeRuns:
    def run(y: Series, origins: Int[np.ndarray, " runs"], steps: int) -> np.ndarray:
        window = y[origins[:, None] - lags + np.arange(lags)]
        said = np.empty((len(origins), steps))
        for h in range(steps):
            said[:, h] = window @ weights[:-1] + weights[-1]
            window = np.column_stack([window[:, 1:], said[:, h]])
        return said

    return run


def echo_state(y: Series, split: Split, units: int, seed: int) -> FreeRuns:
    """An echo state network (Jaeger 2001) with a readout by ridge regression.

    Args:
        y: the training series.
        split: how it is used.
        units: size of the reservoir.
        seed: of its weights.
    """
    random = np.random.default_rng(seed)
    W = random.normal(size=(units, units)) * (random.random((units, units)) < 10 / units)
    W /= np.abs(np.linalg.eigvals(W)).max()
    into, bias = random.uniform(-1, 1, units), random.uniform(-1, 1, units)
    candidates = []
    for radius, size in itertools.product(RADII, SIZES):
        network = (radius * W, size * into, 0.2 * bias)
        H = _states(network, y)
        X = np.column_stack([H[:-1], np.ones(len(y))])
        fits = [
            ridge(X[split.washout : end], y[split.washout : end], PENALTIES)
            for end in (split.head, len(y))
        ]
        candidates += [
            tuple(_reservoir_runs(network, weights, y, H) for weights in pair)
            for pair in zip(*fits, strict=True)
        ]
    return chosen(y, split, candidates)


def _states(network: tuple[np.ndarray, ...], y: Series) -> Float[np.ndarray, "after units"]:
    """The state before each step, and that after the last one."""
    W, into, bias = network
    made = np.zeros((len(y) + 1, len(W)))
    for t, value in enumerate(y):
        made[t + 1] = np.tanh(W @ made[t] + into * value + bias)
    return made


def _reservoir_runs(
    network: tuple[np.ndarray, ...], weights: np.ndarray, known: Series, path: np.ndarray
) -> FreeRuns:
    """Free runs of a readout; `path` are the states on the training series `known`."""
    W, into, bias = network

    def run(y: Series, origins: Int[np.ndarray, " runs"], steps: int) -> np.ndarray:
        states = path if y is known else _states(network, y)
        h, said = states[origins], np.empty((len(origins), steps))
        for t in range(steps):
            said[:, t] = h @ weights[:-1] + weights[-1]
            h = np.tanh(h @ W.T + np.outer(said[:, t], into) + bias)
        return said

    return run
