r"""What the past of a series says of its future: the part that all subspace starts share.

Stack the last `w` samples up to `t` as the past `p_t` and the next `w` as the future `q_t`, and fit

    q_t = Theta p_t (+ Gamma [u_{t+1}; ...; u_{t+w}]) + e          (ridge regression, all series pooled)

`Theta p_t` is what of the future can be predicted, without the part that future inputs explain: the oblique
projection of N4SID (Van Overschee and De Moor 1996, ch. 4). Its right singular vectors are the states.

The weighting says what counts as large. "none" measures the future in its own units; "cva" in units of its
covariance given the future inputs, so that the singular values are canonical correlations (Larimore 1990).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rekalman.foundation.errors import RekalError

Weighting = Literal["none", "cva"]
Series = tuple[np.ndarray, np.ndarray]

LARGEST = (
    1e140  # values and the inverses of their ranges up to which squares and quotients are numbers
)
RANK_TOLERANCE = 1e-6  # singular values below this share of the first carry no direction


def as_series(
    values: np.ndarray,
    mask: np.ndarray,
    inputs: np.ndarray | None,
    lengths: np.ndarray | None,
) -> list[Series]:
    """Observations and inputs of each series without padding, missing entries interpolated.

    Args:
        values: `(time, obs)` or `(batch, time, obs)`.
        mask: True where observed, same shape.
        inputs: known inputs `(time, input)` or `(batch, time, input)`, or None.
        lengths: real steps of each series; default up to its last observed entry.

    Raises:
        RekalError: the squares of some column are beyond double precision.
    """
    values, mask = np.asarray(values, np.float64), np.asarray(mask, bool)
    if values.ndim == 2:
        values, mask = values[None], mask[None]
        inputs = None if inputs is None else np.asarray(inputs)[None]
    batch, steps, _ = values.shape
    u = np.zeros((batch, steps, 0)) if inputs is None else np.asarray(inputs, np.float64)
    last_seen = np.max(mask.any(2) * np.arange(1, steps + 1), axis=1)
    ends = (last_seen if lengths is None else np.asarray(lengths)).astype(int).tolist()
    series = [
        (fill(y[:n], seen[:n]), v[:n]) for y, seen, v, n in zip(values, mask, u, ends, strict=True)
    ]
    for k, what in enumerate(("column", "input")):
        _check_size(np.vstack([each[k] for each in series]), what)
    return series


def _check_size(rows: np.ndarray, what: str) -> None:
    """Squares and quotients of squares of all columns are numbers.

    Raises:
        RekalError: those of one are not.
    """
    for j, (large, reach) in enumerate(
        zip(np.abs(rows).max(0, initial=0.0), np.ptp(rows, axis=0), strict=True)
    ):
        if large > LARGEST or 0 < reach < 1 / LARGEST:
            raise RekalError(
                f"{what} {j} holds values up to {large:.3g} that differ by {reach:.3g}, whose squares "
                "are beyond double precision: give it in another unit"
            )


def long_enough(series: list[Series], window: int, states: int) -> list[Series]:
    """The series that hold a past and a future.

    Raises:
        RekalError: they hold no more windows than states.
    """
    usable = [(y, u) for y, u in series if len(y) >= 2 * window]
    count = sum(len(y) - 2 * window + 1 for y, _ in usable)
    if count <= states:
        raise RekalError(
            f"{states} states need more data: the series hold only {count} windows of "
            f"{2 * window} steps"
        )
    return usable


def predictable(
    series: list[Series], window: int, ridge: float, weighting: Weighting = "none"
) -> tuple[np.ndarray, np.ndarray]:
    """Scores `(windows, rank)` of the predictable future, in order of importance.

    Also where the windows of each series end. Window `i` of a series belongs to its step
    `window - 1 + i`, the last of the past.
    """
    pasts = [windows_of(np.hstack([y, u]), window, 0) for y, u in series]
    past = np.vstack(pasts)
    future = np.vstack([windows_of(y, window, window) for y, _ in series])
    ahead = np.vstack([windows_of(u, window, window) for _, u in series])
    weights, _, _ = regress(np.hstack([past, ahead]), future, ridge)
    fitted = (past - past.mean(0)) @ weights[:, : past.shape[1]].T
    if weighting == "cva":
        _, _, rest = regress(ahead, future, ridge)
        values, vectors = np.linalg.eigh(rest.T @ rest / len(rest))
        if values[-1] > 0:  # else nothing changes, and there is nothing to weigh
            raised = np.maximum(values, RANK_TOLERANCE**2 * values[-1])
            fitted = fitted @ (vectors / np.sqrt(raised))
    _, s, Vt = np.linalg.svd(fitted, full_matrices=False)
    rank = max(1, int((s > RANK_TOLERANCE * s[0]).sum()))
    scores = fitted @ Vt[:rank].T
    if not s[0] > 0:
        scores = np.linspace(-1.0, 1.0, len(past))[:, None]
    return scores, np.cumsum([len(p) for p in pasts])


def fill(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Interpolate the missing entries of one series `(time, obs)` linearly, column by column.

    Ends hold the nearest observed value; a column without any is zero.
    """
    filled, steps = np.where(mask, values, 0.0), np.arange(len(values))
    for j in np.flatnonzero(~mask.all(0) & mask.any(0)):
        seen = mask[:, j]
        filled[~seen, j] = np.interp(steps[~seen], steps[seen], values[seen, j])
    return filled


def windows_of(rows: np.ndarray, window: int, first: int) -> np.ndarray:
    """Row `i` holds the steps `first + i ... first + i + window - 1`, flattened.

    There are as many rows as there are pairs of a past and a future in the series.
    """
    count = len(rows) - 2 * window + 1
    view = sliding_window_view(rows, window, 0)[first : first + count]
    return view.reshape(count, rows.shape[1] * window)


def regress(
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
