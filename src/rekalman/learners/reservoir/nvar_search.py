r"""Taps, stride, order and penalty of a nonlinear autoregression, chosen on held-out rows.

All in NumPy: each candidate has arrays of its own shape, which would be compiled anew. Scores are those of
`held_out.py`. Which candidates there are follows from the data's size and the budget, not from the clock.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.learners.reservoir.held_out import LEAST_SQUARE, Part, bound_of
from rekalman.learners.reservoir.ridge import spectrum_of
from rekalman.learners.reservoir.search import SECONDS_PER_OPERATION, TRIED_PENALTIES
from rekalman.networks.predictors.nvar import monomials, number_of_features

TAPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
STRIDES = (1, 2, 4)
ORDERS = (1, 2, 3)
MOST_FEATURES, ROWS_PER_FEATURE = 600, 3
"""So many features are tried at most, and as many as leave three rows for each."""
SHARE_OF_BUFFER = 4
"""The buffer of delayed rows is a quarter of the longest series at most."""


class Shape(NamedTuple):
    """The form of an autoregression.

    Attributes:
        taps: number of delayed rows.
        stride: steps between them.
        order: largest order of a monomial.
    """

    taps: int
    stride: int
    order: int

    @property
    def reach(self) -> int:
        """Number of the rows before a step that its features look at."""
        return (self.taps - 1) * self.stride + 1


class FoundShape(NamedTuple):
    """What a search chose.

    Attributes:
        shape: of the autoregression.
        penalty: of its readout.
        trials: (shape, score in nats per value), the best first.
    """

    shape: Shape
    penalty: float
    trials: tuple[tuple[Shape, float], ...]


def shapes_of(
    rows: int, longest: int, width: int, budget: float, given: dict[str, int]
) -> list[Shape]:
    """The candidates, the smallest first, as many as the budget allows.

    Args:
        rows: number of rows of all series.
        longest: number of steps of the longest.
        width: number of columns and inputs.
        budget: CPU seconds.
        given: taps, stride or order where they are given.
    """
    most = max(width + 1, min(MOST_FEATURES, rows // ROWS_PER_FEATURE))
    every = [
        Shape(taps, stride, order)
        for taps in ((given["taps"],) if "taps" in given else TAPS)
        for stride in ((given["stride"],) if "stride" in given else STRIDES)
        for order in ((given["order"],) if "order" in given else ORDERS)
        if taps > 1 or stride == STRIDES[0] or "stride" in given
    ]
    size = {each: number_of_features(each.taps * width, each.order) for each in every}
    fits = [s for s in every if size[s] <= most and s.reach <= max(1, longest // SHARE_OF_BUFFER)]
    if len(given) == len(Shape._fields) or not fits:
        fits = [min(every, key=lambda s: size[s])]
    fits.sort(key=lambda s: (size[s], s.reach))
    spent, retained = 0.0, []
    for each in fits:
        work = rows * size[each] ** 2 / 2 + 12 * size[each] ** 3 + rows * size[each] * 20.0
        spent += SECONDS_PER_OPERATION * work + 5e-3
        if not retained or spent <= budget:
            retained.append(each)
    return retained


def delayed_rows(
    values: Float[np.ndarray, "steps obs"],
    inputs: Float[np.ndarray, "steps input"] | None,
    shape: Shape,
) -> Float[np.ndarray, "rows delayed"]:
    """What the features are made of, for the steps from `shape.reach` on: `[y_{t-1}; u_t; y_{t-1-s}; ...]`.

    Args:
        values: one series.
        inputs: known inputs.
        shape: taps and stride.
    """
    steps, first, parts = len(values), shape.reach, []
    for tap in range(shape.taps):
        lag = 1 + tap * shape.stride
        parts.append(values[first - lag : steps - lag])
        if inputs is not None:
            parts.append(inputs[first - lag + 1 : steps - lag + 1])
    return np.concatenate(parts, 1)


def features_of(delayed: Float[np.ndarray, "rows delayed"], order: int) -> np.ndarray:
    """All monomials of delayed rows up to an order, the constant last, `(rows, features)`."""
    one = np.ones((len(delayed), 1))
    with_one = np.concatenate([delayed, one], 1)
    which = monomials(delayed.shape[1], order)
    product = with_one[:, which[:, 0]]
    for factor in which.T[1:]:
        product = product * with_one[:, factor]
    return np.concatenate([product, one], 1)


def search_shape(
    part: Part, shapes: list[Shape], *, increment: bool, penalty: float | None = None
) -> FoundShape:
    """Choose a shape and a penalty.

    Args:
        part: series whose ends are held out.
        shapes: candidates.
        increment: whether the readout gives the change from the row before.
        penalty: of the readout, where it is given.
    """
    bound = bound_of(part.values)
    penalties = TRIED_PENALTIES if penalty is None else (penalty,)
    trials: list[tuple[float, float, Shape]] = []
    for shape in shapes:
        scores = _scores(part, shape, increment, penalties, bound)
        best = int(np.argmax(scores))
        trials.append((float(scores[best]), penalties[best], shape))
    trials.sort(key=lambda each: -each[0])
    return FoundShape(trials[0][2], trials[0][1], tuple((s, score) for score, _, s in trials))


def _scores(
    part: Part, shape: Shape, increment: bool, penalties: tuple[float, ...], bound: float
) -> np.ndarray:
    """Mean log density of held-out rows under each penalty."""
    X, Y, count = [], [], []
    for i in range(len(part.values)):
        u = None if part.inputs is None else part.inputs[i]
        delayed = delayed_rows(part.values[i], u, shape)
        X.append(features_of(delayed, shape.order))
        anchor = part.values[i][shape.reach - 1 : -1] if increment else 0.0
        Y.append(part.values[i][shape.reach :] - anchor)
        count.append(part.counted[i][shape.reach :])
    weight = np.concatenate(count)
    if weight.sum() < 3:
        return np.full(len(penalties), -1e6)
    spectrum = spectrum_of(np.concatenate(X), np.concatenate(Y), weight, singular=False)
    origins = part.origins[part.origins[:, 1] >= shape.reach]
    if not len(origins):
        return np.full(len(penalties), -1e6)
    return np.array(
        [
            free_run_score(part, origins, shape, spectrum.weights(each), increment, bound)
            for each in penalties
        ]
    )


def free_run_score(
    part: Part,
    origins: np.ndarray,
    shape: Shape,
    weights: Float[np.ndarray, "features obs"],
    increment: bool,
    bound: float,
) -> float:
    """Mean log density of held-out rows, over the horizons of free runs.

    Args:
        part: series whose ends are held out.
        origins: series and step of the first row of each run.
        shape: of the autoregression.
        weights: of its readout.
        increment: whether the readout gives the change from the row before.
        bound: of the rows in the features.
    """
    series, first = origins.T
    last = part.values.shape[1] - 1
    buffer = np.stack([part.values[series, first - lag] for lag in range(1, shape.reach + 1)], 1)
    if part.inputs is not None:
        inputs = np.stack(
            [part.inputs[series, first - lag + 1] for lag in range(1, shape.reach + 1)], 1
        )
        buffer = np.concatenate([buffer, inputs], 2)
    p, nats = part.values.shape[2], []
    for k in range(part.horizon):
        delayed = buffer[:, :: shape.stride].reshape(len(buffer), -1)
        anchor = buffer[:, 0, :p] if increment else 0.0
        y = anchor + features_of(delayed, shape.order) @ weights
        at = np.minimum(first + k, last)
        counts = part.mask[series, at] & (first + k <= last)[:, None]
        error = np.where(counts, y - part.values[series, at], 0.0)
        square = np.square(error).sum(0) / np.maximum(counts.sum(0), 1)
        nats.append((-0.5 * np.log(2 * math.pi * math.e * (square + LEAST_SQUARE)))[counts.any(0)])
        row = np.clip(y, -bound, bound)
        if part.inputs is not None:
            row = np.concatenate([row, part.inputs[series, np.minimum(at + 1, last)]], 1)
        buffer = np.concatenate([row[:, None], buffer[:, :-1]], 1)
    return float(np.mean(np.concatenate(nats)))
