"""A control of the recurrent networks: a linear autoregression that has seen the same other records.

It has the inputs and targets of the networks (`breathing_recurrent.py`), of 34 steps back to 10 s instead of
a hidden vector, from altered copies of the records like theirs, and is fitted by ridge regression. What it
expects goes beside lags as theirs does. Where they add more than it does, it is not for the other records
alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rekalman.studies.breathing_recurrent import (
    SETTLED,
    leading,
    network_inputs,
    standardised,
    unit,
)
from rekalman.studies.breathing_recurrent_training import altered_copy
from rekalman.studies.breathing_scores import HORIZONS

LAGS = (*range(12), *range(12, 100, 4))
"""Steps back: all of the last 1.2 s, then every fourth."""
COPIES = 120
RIDGE = 0.3
"""In copies of a step for each copy of a record."""


def lagged_inputs(inputs: np.ndarray) -> np.ndarray:
    """Inputs `(time, inputs)` of all steps back, side by side; the first stand for those before them."""
    furthest = max(LAGS)
    padded = np.concatenate([np.repeat(inputs[:1], furthest, axis=0), inputs])
    return np.hstack([padded[furthest - lag :][: len(inputs)] for lag in LAGS]).astype(float)


def pooled_weights(others: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """Ridge regression of the changes on the inputs, over whole records `(time, obs)`."""
    rng = np.random.default_rng(seed)
    furthest = max(HORIZONS)
    size = 4 * len(LAGS)
    second, cross = RIDGE * COPIES * np.eye(size), np.zeros((size, len(HORIZONS)))
    for _ in range(COPIES):
        inputs, targets = altered_copy(others[int(rng.integers(len(others)))], rng)
        rows = lagged_inputs(inputs)[SETTLED:-furthest]
        second += rows.T @ rows
        cross += rows.T @ np.clip(targets[SETTLED:-furthest], -6, 6)
    return np.linalg.solve(second, cross)


def pooled_change(others: Sequence[np.ndarray], record: np.ndarray, seed: int) -> np.ndarray:
    """How far each column will have moved, as seen from each step: `(time, horizons, obs)`, in its units."""
    weights = pooled_weights(others, seed)
    z = standardised(record)
    component = leading(z)
    changes = []
    for column in z.T:
        inputs, deviation = network_inputs(column, component)
        changes.append(lagged_inputs(inputs) @ weights * deviation[:, None])
    return np.stack(changes, axis=2) * unit(record)
