"""Structural models by name, to be added up: `local_linear_trend() + seasonal(12)`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.models.structures.components import Kinematic, Level, Seasonal, Trend
from rekalman.models.structures.stationary import Autoregression, Oscillator
from rekalman.models.structures.structures import Structure
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import made_in_double


def _unit(*values: float) -> Float[Array, " parameters"]:
    return placed(np.array(values), jnp.result_type(float))


@made_in_double
def local_level() -> Structure:
    r"""A random walk behind noise (Durbin and Koopman 2012, ch. 2).

    $$
    y_t = \mu_t + \varepsilon_t, \qquad \mu_t = \mu_{t-1} + \eta_t.
    $$

    Examples:
        >>> import rekalman
        >>> rekalman.local_level().names
        ('level variance', 'noise variance')
        >>> fit = rekalman.fit(rekalman.load_example("nile"), rekalman.local_level())  # doctest: +SKIP
    """
    return Structure.of(Level(_unit(0.0)))


@made_in_double
def local_linear_trend() -> Structure:
    r"""A level with a slope, both random walks, behind noise.

    $$
    y_t = \mu_t + \varepsilon_t, \qquad
    \mu_t = \mu_{t-1} + \beta_{t-1} + \eta_t, \qquad
    \beta_t = \beta_{t-1} + \zeta_t.
    $$

    Examples:
        >>> import rekalman
        >>> model = rekalman.local_linear_trend().build()
        >>> model.A.tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    return Structure.of(Trend(_unit(0.0, -4.0)))


@made_in_double
def seasonal(period: int | float) -> Structure:
    r"""Effects of $s$ seasons, the `period`, that add up to noise over a period.

    $$
    \gamma_t = -\sum_{j=1}^{s-1} \gamma_{t-j} + \omega_t.
    $$

    Raises:
        RekalError: the period is no whole number of at least 2 steps.

    Examples:
        >>> import rekalman
        >>> structure = rekalman.local_linear_trend() + rekalman.seasonal(12)
        >>> structure.names
        ('level variance', 'slope variance', 'seasonal(12) variance', 'noise variance')
    """
    if period != int(period) or period < 2:
        raise RekalError(
            f"a seasonal component needs a period of at least 2 whole steps, but got {period}: use "
            "oscillator(period) for any other"
        )
    return Structure.of(Seasonal(_unit(-4.0), int(period)))


@made_in_double
def oscillator(period: int | float | None = None, damping: int | float | None = None) -> Structure:
    r"""A damped cycle behind noise (Harvey 1989, section 2.3).

    $$
    \begin{pmatrix} \psi_t \\ \psi_t^* \end{pmatrix} = \rho
    \begin{pmatrix} \cos\lambda & \sin\lambda \\ -\sin\lambda & \cos\lambda \end{pmatrix}
    \begin{pmatrix} \psi_{t-1} \\ \psi_{t-1}^* \end{pmatrix} + \kappa_t,
    \qquad \lambda = \frac{2\pi}{\text{period}},
    $$

    with the damping factor $\rho$ and the same noise variance on both phases.

    Args:
        period: where the search for the period begins, in steps; default the data's strongest.
        damping: where the search for the damping factor of one step begins; default 0.9.

    Raises:
        RekalError: a period of 2 steps or less, or a damping outside (0, 1).

    Examples:
        >>> import rekalman
        >>> cycle = rekalman.oscillator(period=10.6, damping=0.95)
        >>> cycle.names
        ('period', 'damping', 'oscillator variance', 'noise variance', 'mean')
    """
    if period is not None and period <= 2:
        raise RekalError(
            f"an oscillator needs a period above 2 steps, but got {period:g}: a faster one looks like a "
            "slower one when it is sampled"
        )
    if damping is not None and not 0 < damping < 1:
        raise RekalError(f"the damping factor must lie between 0 and 1, but is {damping:g}")
    turn = np.log(0.25) if period is None else np.log(2 / (period - 2))
    shrink = np.log(9.0) if damping is None else np.log(damping / (1 - damping))
    known = (period is not None, damping is not None)
    return Structure.of(Oscillator(_unit(turn, shrink, 0.0), known))


@made_in_double
def constant_velocity(dt: int | float = 1.0, axes: int = 1) -> Structure:
    r"""A point whose velocity is a random walk, its position observed with noise.

    For each axis, with the spectral density $q$ of the noise (Bar-Shalom, Li and Kirubarajan 2001, section
    6.2),

    $$
    A = \begin{pmatrix} 1 & \Delta t \\ 0 & 1 \end{pmatrix}, \qquad
    Q = q \begin{pmatrix} \Delta t^3 / 3 & \Delta t^2 / 2 \\ \Delta t^2 / 2 & \Delta t \end{pmatrix}.
    $$

    Args:
        dt: length of a step, in the unit of time of the answers.
        axes: number of axes, observed one by one with the same noise.

    Raises:
        RekalError: `dt` or `axes` is not positive.

    Examples:
        >>> import rekalman
        >>> rekalman.constant_velocity(dt=0.5).build().A.tolist()
        [[1.0, 0.5], [0.0, 1.0]]
    """
    return _kinematic(1, dt, axes)


@made_in_double
def constant_acceleration(dt: int | float = 1.0, axes: int = 1) -> Structure:
    r"""A point whose acceleration is a random walk, its position observed with noise.

    For each axis, with the spectral density $q$ of the noise (Bar-Shalom, Li and Kirubarajan 2001, section
    6.2),

    $$
    A = \begin{pmatrix} 1 & \Delta t & \Delta t^2 / 2 \\ 0 & 1 & \Delta t \\ 0 & 0 & 1 \end{pmatrix}, \qquad
    Q = q \begin{pmatrix}
    \Delta t^5 / 20 & \Delta t^4 / 8 & \Delta t^3 / 6 \\
    \Delta t^4 / 8 & \Delta t^3 / 3 & \Delta t^2 / 2 \\
    \Delta t^3 / 6 & \Delta t^2 / 2 & \Delta t
    \end{pmatrix}.
    $$

    Args:
        dt: length of a step, in the unit of time of the answers.
        axes: number of axes, observed one by one with the same noise.

    Raises:
        RekalError: `dt` or `axes` is not positive.

    Examples:
        >>> import rekalman
        >>> rekalman.constant_acceleration(dt=2.0).build().A.tolist()
        [[1.0, 2.0, 2.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    """
    return _kinematic(2, dt, axes)


@made_in_double
def autoregression(lags: int) -> Structure:
    r"""A stationary autoregression of order $p$, the `lags`, behind noise.

    $$
    x_t = \phi_1 x_{t-1} + \dots + \phi_p x_{t-p} + w_t, \qquad y_t = x_t + \varepsilon_t.
    $$

    Raises:
        RekalError: fewer than one lag.

    Examples:
        >>> import rekalman
        >>> rekalman.autoregression(2).names
        ('phi1', 'phi2', 'ar variance', 'noise variance', 'mean')
    """
    if lags < 1:
        raise RekalError(f"an autoregression needs at least one lag, but got {lags}")
    return Structure.of(Autoregression(_unit(*[0.1] * lags, 0.0)))


def _kinematic(order: int, dt: int | float, axes: int) -> Structure:
    if dt <= 0:
        raise RekalError(f"dt must be positive, but is {dt:g}")
    if axes < 1:
        raise RekalError(f"axes must be at least 1, but is {axes}")
    return Structure.of(Kinematic(_unit(0.0), order, axes, float(dt)))
