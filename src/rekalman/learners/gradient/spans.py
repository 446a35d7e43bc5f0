"""Which steps of series are hidden, so that forecasts of several steps are learned and scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool


def every_lead(
    part: Bool[np.ndarray, "batch steps"], ahead: int, shifts: int | None = None
) -> Iterator[Bool[np.ndarray, "batch steps"]]:
    """Patterns that show one row in `ahead` of a part of the series, and hide the others.

    Over all of them each step of the part is forecast once from 1, once from 2, ... and once from `ahead`
    steps before, but for those near the beginning of the part.

    Args:
        part: the steps that may be hidden.
        ahead: the longest lead.
        shifts: how many of the patterns, evenly spaced; default all, which are `ahead`.

    Yields:
        Which steps are hidden.
    """
    steps = np.arange(part.shape[1])
    chosen = ahead if shifts is None else min(shifts, ahead)
    for shift in np.unique(np.linspace(0, ahead - 1, chosen).round().astype(int)):
        yield part & ((steps - shift) % ahead != 0)
