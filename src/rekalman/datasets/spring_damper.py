"""Two oscillators that do not touch each other, measured with noise: where a Kalman filter is exact.

A mass on a spring moves along each of two axes; positions are measured. With the state `(p_1, p_2, v_1, v_2)`
the cell of a Recurrent Kalman Network without band is the exact Kalman filter: the axes are independent.
The settings are those with which Becker's PyTorch code (rkn_share, 2021) tests its cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.datasets.filmed import Seed, generator
from rekalman.foundation.errors import RekalError


class SpringDamper(NamedTuple):
    """Simulated series and the system behind them, in the letters of `LinearGaussian`.

    Attributes:
        data: the measured positions.
        states: positions and velocities.
        A: transition.
        C: observation.
        Q: process noise, a covariance.
        R: observation noise, a covariance.
        P: covariance of the first state, whose mean is 0.
    """

    data: Sequences
    states: Float[np.ndarray, "batch time 4"]
    A: Float[np.ndarray, "4 4"]
    C: Float[np.ndarray, "2 4"]
    Q: Float[np.ndarray, "4 4"]
    R: Float[np.ndarray, "2 2"]
    P: Float[np.ndarray, "4 4"]


def spring_damper(
    sequences: int = 1,
    steps: int = 100,
    *,
    dt: float = 0.2,
    mass: int | float = 1.0,
    damping: int | float = 0.0,
    process_noise: int | float = 0.1,
    observation_noise: int | float = 1.2,
    seed: Seed = 0,
) -> SpringDamper:
    """Simulate springs of stiffness 1 by steps of Euler's method, which is the true system here.

    Drawn are the first states from N(0, I), the process noise step by step, the observation noise.

    Args:
        sequences: number of series.
        steps: of each.
        dt: seconds a step.
        mass: on each spring, kg.
        damping: N s/m.
        process_noise: standard deviation, of each state.
        observation_noise: standard deviation, of each position.
        seed: a number, or a generator to go on with.

    Raises:
        RekalError: no step, or a setting that is no positive number.
    """
    if min(sequences, steps) < 1 or min(dt, mass, process_noise, observation_noise) <= 0:
        raise RekalError("series, steps, dt, mass and noise of a spring-damper must be above 0")
    random = generator(seed)
    pull, keep = -dt / mass, 1.0 - dt * damping / mass
    A = np.kron([[1.0, dt], [pull, keep]], np.eye(2))
    C = np.eye(2, 4)
    x = np.empty((steps, sequences, 4))
    x[0] = random.normal(size=(sequences, 4))
    for t in range(1, steps):
        x[t] = x[t - 1] @ A.T + process_noise * random.normal(size=(sequences, 4))
    states = x.transpose(1, 0, 2)
    values = states @ C.T + observation_noise * random.normal(size=(sequences, steps, 2))
    data = Sequences.from_arrays(values, interval=dt, names=("p1", "p2"), time_unit="s")
    Q, R = process_noise**2 * np.eye(4), observation_noise**2 * np.eye(2)
    return SpringDamper(data, states, A, C, Q, R, np.eye(4))
