"""The Mackey-Glass equation, a delay differential equation whose solution is chaotic."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.foundation.arguments import whole

RUN_IN = 300
"""Time units before the first sample."""
SUBSTEPS = 10
"""Steps of Euler's method for each sample, as in Jaeger (2001)."""


def mackey_glass_runs(
    series: int, steps: int, random: np.random.Generator, tau: int = 17
) -> Float[np.ndarray, "series steps"]:
    r"""Solutions of the delay equation, sampled once in each unit of time.

    $$
    \dot x(t) = \frac{0.2\, x(t - \tau)}{1 + x(t - \tau)^{10}} - 0.1\, x(t)
    $$

    Args:
        series: number of solutions, each from a random constant past.
        steps: samples of each.
        random: source of the pasts.
        tau: the delay; 17 is mildly chaotic.

    Raises:
        RekalError: a size that is none.

    Examples:
        >>> import numpy as np
        >>> from rekalman.datasets.recurrent.delay_equation import mackey_glass_runs
        >>> mackey_glass_runs(2, 50, np.random.default_rng(0)).shape
        (2, 50)
    """
    for name, value in (("series", series), ("steps", steps), ("tau", tau)):
        whole(name, value)
    past, length = tau * SUBSTEPS, (RUN_IN + steps) * SUBSTEPS
    x = np.empty((past + 1 + length, series))
    x[: past + 1] = 1.2 + 0.1 * random.normal(size=series)
    for t in range(past, past + length):
        delayed = x[t - past]
        slope = 0.2 * delayed / (1 + delayed**10) - 0.1 * x[t]
        x[t + 1] = x[t] + slope / SUBSTEPS
    return x[past + 1 :: SUBSTEPS][-steps:].T
