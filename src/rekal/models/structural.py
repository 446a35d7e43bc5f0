"""Structural models by name, to be added up: `local_linear_trend() + seasonal(12)`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekal.errors import RekalError
from rekal.models.components import Kinematic, Level, Seasonal, Trend
from rekal.models.stationary import Autoregression, Oscillator
from rekal.models.structures import Structure
from rekal.precision import made_in_double


def _unit(*values: float) -> Float[Array, " parameters"]:
    return jnp.asarray(values, jnp.result_type(float))


@made_in_double
def local_level() -> Structure:
    """A random walk behind noise (Durbin and Koopman 2012, ch. 2)."""
    return Structure.of(Level(_unit(0.0)))


@made_in_double
def local_linear_trend() -> Structure:
    """A level with a slope, both random walks, behind noise."""
    return Structure.of(Trend(_unit(0.0, -4.0)))


@made_in_double
def seasonal(period: int | float) -> Structure:
    """Effects of `period` seasons that add up to noise over a period.

    Raises:
        RekalError: the period is no whole number of at least 2 steps.
    """
    if period != int(period) or period < 2:
        raise RekalError(
            f"a seasonal component needs a period of at least 2 whole steps, but got {period}: use "
            "oscillator(period) for any other"
        )
    return Structure.of(Seasonal(_unit(-4.0), int(period)))


@made_in_double
def oscillator(period: int | float | None = None, damping: int | float | None = None) -> Structure:
    """A damped cycle behind noise.

    Args:
        period: where the search for the period begins, in steps; default the data's strongest.
        damping: where the search for the damping factor of one step begins; default 0.9.

    Raises:
        RekalError: a period of 2 steps or less, or a damping outside (0, 1).
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
    """A point whose velocity is a random walk, its position observed with noise.

    Args:
        dt: length of a step, in the unit of time of the answers.
        axes: number of axes, observed one by one with the same noise.

    Raises:
        RekalError: `dt` or `axes` is not positive.
    """
    return _kinematic(1, dt, axes)


@made_in_double
def constant_acceleration(dt: int | float = 1.0, axes: int = 1) -> Structure:
    """A point whose acceleration is a random walk, its position observed with noise.

    Args:
        dt: length of a step, in the unit of time of the answers.
        axes: number of axes, observed one by one with the same noise.

    Raises:
        RekalError: `dt` or `axes` is not positive.
    """
    return _kinematic(2, dt, axes)


@made_in_double
def autoregression(lags: int) -> Structure:
    """A stationary autoregression behind noise.

    Raises:
        RekalError: fewer than one lag.
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
