r"""A network's linear model along data: what its forecasts, as numbers, owe to each of the rows before them.

The derivatives at rest say what the network does to small signals. Over the whole range of the data its
forecasts are regressed on the last rows,

$$
\hat y_t = \sum_{k = 1}^{L} G_k y_{t - k} + \text{inputs} + \text{remainder}, \qquad G_k \approx C F^{k-1} K,
$$

which has no noise but the curvature of the network. The matrices follow from the factors of the block Hankel
matrix of the $G_k$ (Ho and Kalman 1966; Antoulas 2005, section 4.4).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LAGS = 24


def along_data(
    predictions: Float[np.ndarray, "series steps obs"],
    values: Float[np.ndarray, "series steps obs"],
    inputs: Float[np.ndarray, "series steps inputs"],
    states: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices `F, K, C` of the linear predictor nearest to some forecasts.

    Args:
        predictions: the forecasts of each row.
        values: the rows.
        inputs: their inputs.
        states: number of states.
    """
    p, steps = values.shape[-1], values.shape[1]
    past = [values[:, LAGS - k : steps - k] for k in range(1, LAGS + 1)]
    past += [inputs[:, LAGS - k : steps - k] for k in range(LAGS)]
    X = np.concatenate([*past, np.ones((*past[0].shape[:2], 1))], -1)
    weights = np.linalg.lstsq(
        X.reshape(-1, X.shape[-1]), predictions[:, LAGS:].reshape(-1, p), rcond=None
    )[0]
    G = weights[: LAGS * p].reshape(LAGS, p, p).swapaxes(1, 2)
    half = LAGS // 2
    hankel, later = (
        np.block([[G[i + j + shift] for j in range(half)] for i in range(half)]) for shift in (0, 1)
    )
    left, size, right = np.linalg.svd(hankel)
    root = np.sqrt(size[:states])
    F = (left[:, :states] / root).T @ later @ (right[:states].T / root)
    return F, (root[:, None] * right[:states])[:, :p], (left[:, :states] * root)[:p]
