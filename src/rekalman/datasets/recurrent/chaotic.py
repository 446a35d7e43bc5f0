r"""Simulated series on which reservoirs are compared: Mackey-Glass, Lorenz, NARMA.

Each draws from the generator that it is given, several series at once.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.foundation.arguments import real, whole

LORENZ_TIME = 1 / 0.9056
"""One Lyapunov time of the Lorenz system, in its units of time (Viswanath 1998)."""


def mackey_glass(
    steps: int, rng: np.random.Generator, *, tau: int = 17, series: int = 1, substeps: int = 10
) -> Float[np.ndarray, "series steps"]:
    r"""The Mackey-Glass equation, as in Jaeger (2001), section 6.3: Euler steps of 1/10, each tenth kept.

    $$
    \dot x(t) = \frac{0.2\, x(t - \tau)}{1 + x(t - \tau)^{10}} - 0.1\, x(t)
    $$

    It starts near 1.2 and runs for 1,000 units of time before it is recorded.

    Args:
        steps: length, in units of time.
        rng: draws the start.
        tau: delay, in units of time; chaotic from 17 on.
        series: how many.
        substeps: Euler steps of a unit of time.

    Raises:
        RekalError: a count is less than 1.

    Examples:
        >>> import numpy as np
        >>> from rekalman.datasets.recurrent.chaotic import mackey_glass
        >>> mackey_glass(100, np.random.default_rng(0), series=2).shape
        (2, 100)
    """
    for name, value in (
        ("steps", steps), ("tau", tau), ("series", series), ("substeps", substeps)
    ):  # fmt: skip
        whole(name, value)
    first, delay = 1000 * substeps, tau * substeps
    x = np.empty((delay + 1 + first + steps * substeps, series))
    x[: delay + 1] = 1.2 + 0.2 * (rng.random((delay + 1, series)) - 0.5)
    for t in range(delay, len(x) - 1):
        past = x[t - delay]
        x[t + 1] = x[t] + (0.2 * past / (1 + past**10) - 0.1 * x[t]) / substeps
    return x[delay + first + substeps :: substeps].T.copy()


def lorenz(
    steps: int,
    rng: np.random.Generator,
    *,
    series: int = 1,
    interval: float = 0.025,
    substeps: int = 10,
) -> Float[np.ndarray, "series steps 3"]:
    """The Lorenz system with its usual parameters (10, 28, 8/3), by Runge-Kutta steps of fourth order.

    Args:
        steps: length.
        rng: draws the start, from which it runs for 50 units of time before it is recorded.
        series: how many.
        interval: time between two samples.
        substeps: Runge-Kutta steps of an interval.

    Raises:
        RekalError: a count is less than 1, or `interval` is not above 0.

    Examples:
        >>> import numpy as np
        >>> from rekalman.datasets.recurrent.chaotic import lorenz
        >>> lorenz(100, np.random.default_rng(0), series=2).shape
        (2, 100, 3)
    """
    for name, value in (("steps", steps), ("series", series), ("substeps", substeps)):
        whole(name, value)
    h = real("interval", interval, above=0) / substeps
    state, out = rng.normal(size=(series, 3)) + np.array([0.0, 0.0, 25.0]), []
    first = round(50 / interval)
    for t in range((first + steps) * substeps):
        a = lorenz_rate(state)
        b = lorenz_rate(state + 0.5 * h * a)
        c = lorenz_rate(state + 0.5 * h * b)
        state = state + h / 6 * (a + 2 * b + 2 * c + lorenz_rate(state + h * c))
        if t >= first * substeps and t % substeps == substeps - 1:
            out.append(state)
    return np.stack(out, 1)


def lorenz_rate(x: Float[np.ndarray, "series 3"]) -> Float[np.ndarray, "series 3"]:
    """The derivative of the Lorenz system."""
    a, b, c = x.T
    return np.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], 1)


def narma10(
    steps: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]:
    r"""A nonlinear moving average of order ten (Atiya and Parlos 2000).

    $$
    y_{t+1} = 0.3 y_t + 0.05 y_t \sum_{i=0}^{9} y_{t-i} + 1.5 u_{t-9} u_t + 0.1, \qquad
    u_t \sim \mathcal{U}(0, 0.5).
    $$

    Args:
        steps: length.
        rng: draws the input.

    Returns:
        Inputs, and the outputs that they and those before have caused. About one draw in thousands escapes to
        infinity; it is drawn again.

    Examples:
        >>> import numpy as np
        >>> from rekalman.datasets.recurrent.chaotic import narma10
        >>> u, y = narma10(50, np.random.default_rng(0))
        >>> u.shape, y.shape
        ((50,), (50,))
    """
    whole("steps", steps)
    while True:
        u, y = rng.uniform(0.0, 0.5, steps + 200), np.zeros(steps + 200)
        for t in range(9, len(y) - 1):
            y[t + 1] = (
                0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
            )
            if y[t + 1] > 1.0:
                break
        else:
            return u[200:], y[200:]
