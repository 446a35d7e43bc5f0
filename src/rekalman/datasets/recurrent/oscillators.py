"""Multiple superimposed oscillators: sums of sines with frequencies that have no common period."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.foundation.arguments import whole

FREQUENCIES = (0.2, 0.311, 0.42, 0.51, 0.63, 0.74, 0.85, 0.97)
"""Angular frequencies in the order in which they are added (Jaeger and Haas 2004 and later work)."""


def oscillators(count: int, steps: int, first: int = 0) -> Float[np.ndarray, " steps"]:
    r"""The sum $y_t = \sum_{i \le k} \sin(\omega_i t)$.

    Args:
        count: number `k` of sines.
        steps: number of samples.
        first: `t` of the first of them.

    Raises:
        RekalError: more sines than frequencies, or a size that is none.

    Examples:
        >>> from rekalman.datasets.recurrent.oscillators import oscillators
        >>> oscillators(2, 3).round(3).tolist()
        [0.0, 0.505, 0.972]
    """
    whole("count", count, 1, len(FREQUENCIES))
    t = np.arange(first, first + whole("steps", steps))
    return np.sin(np.outer(t, FREQUENCIES[:count])).sum(1)
