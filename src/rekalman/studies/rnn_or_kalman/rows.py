"""Rows of the study from the figures of its seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekalman.studies.base import Row


def row(system: str, metric: str, figures: Any, **options: Any) -> Row:
    """Median, worst and spread of some repetitions, where lower figures are better.

    Args:
        system: what was measured.
        metric: its name.
        figures: one for each seed.
        options: further entries of `Row`.
    """
    each = np.asarray(figures, float)
    return Row(
        system, metric, float(np.median(each)), float(each.max()), float(np.ptp(each)), **options
    )
