"""Fewer points for the same picture: of each stretch of a long series its extremes are kept."""

from __future__ import annotations

import itertools

import numpy as np

LIMIT = 2400
"""Points of one curve that are drawn at most; a screen has fewer columns."""


def extremes(values: np.ndarray, limit: int = LIMIT) -> np.ndarray:
    """Steps to draw so that the curve looks as if all were drawn.

    Args:
        values: one series; NaN = missing.
        limit: number of steps from which on anything is left out.

    Returns:
        Increasing steps: all of them, or of each stretch the smallest and the largest value; of a
        stretch without values its middle, so that the gap stays a gap.
    """
    steps = len(values)
    if steps <= limit:
        return np.arange(steps)
    stretches = limit // 2
    edges = np.linspace(0, steps, stretches + 1).astype(int)
    retained = []
    for start, stop in itertools.pairwise(edges):
        part = values[start:stop]
        if np.isnan(part).all():
            retained.append((start + stop) // 2)
        else:
            retained.extend({start + int(np.nanargmin(part)), start + int(np.nanargmax(part))})
    return np.unique(retained)


def envelope(
    low: np.ndarray, high: np.ndarray, limit: int = LIMIT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A band thinned so that it covers all that the whole band covers.

    Returns:
        The steps, the lower and the upper edge.
    """
    steps = len(low)
    if steps <= limit:
        return np.arange(steps), low, high
    edges = np.linspace(0, steps, limit // 2 + 1).astype(int)
    middle = (edges[:-1] + edges[1:]) // 2
    return middle, np.minimum.reduceat(low, edges[:-1]), np.maximum.reduceat(high, edges[:-1])
