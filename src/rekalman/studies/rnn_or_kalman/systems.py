r"""Known linear systems, many short series of them, and their exact forecasts.

The systems of the parts on accuracy and dynamics are those of `lds_systems.py`: random, stable, in a random
basis, and stationary from the first row. Those of the published table are drawn as its authors draw theirs
(kevin1zc/transformer-as-kalman-filter, data/simple_linear_system.py): `A = U diag(.95 s / max s) V'` from the
singular values of a matrix of standard normal numbers, a standard normal `C` with two rows, noises of
deviation .1, and a standard normal state one step before the first row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov

from rekalman.core.innovations_form import InnovationsForm
from rekalman.models.linear import LinearGaussian
from rekalman.studies.lds_systems import random_system

STEPS = 100
"""Length of the series, as in the published table."""
SKIPPED = 10
"""First steps that are not scored, as there."""


class Drawn(NamedTuple):
    """Series of one system: observations, inputs and states, `(series, steps, ...)`."""

    values: Float[np.ndarray, "series steps obs"]
    inputs: Float[np.ndarray, "series steps inputs"]
    states: Float[np.ndarray, "series steps states"]


class Exact(NamedTuple):
    """What the exact, time-varying Kalman filter says of them.

    Attributes:
        forecast: of each row before it is seen.
        filtered: mean of the state given the rows up to its own.
    """

    forecast: Float[np.ndarray, "series steps obs"]
    filtered: Float[np.ndarray, "series steps states"]


def stationary_system(shape: tuple[int, int, int], seed: int) -> LinearGaussian:
    """A random system with its stationary law as first state.

    Args:
        shape: numbers of states, observations and inputs.
        seed: of the system.
    """
    with jax.enable_x64(True):
        system = random_system(*shape, seed)
        A, Q = np.asarray(system.A, float), np.asarray(system.Q, float)
        blocks: dict[str, Any] = {
            name: np.asarray(getattr(system, name), float) for name in "ABCDQR"
        }
        return LinearGaussian.create(**blocks, P=solve_discrete_lyapunov(A, Q))


def published_system(states: int, seed: int) -> LinearGaussian:
    """A system by the rule of the published table (module text).

    Args:
        states: number of states.
        seed: of its random numbers, which are ours.
    """
    rng = np.random.default_rng([seed, states, 99])
    left, values, right = np.linalg.svd(rng.normal(size=(states, states)))
    A = left @ np.diag(0.95 * values / values.max()) @ right
    eye = np.eye(states)
    with jax.enable_x64(True):
        return LinearGaussian.create(
            A=A,
            C=rng.normal(size=(2, states)),
            Q=0.01 * eye,
            R=0.01 * np.eye(2),
            P=A @ A.T + 0.01 * eye,
        )


def draw(
    system: LinearGaussian, count: int, seed: int, steps: int = STEPS, gain: float = 1.0
) -> Drawn:
    """Series of a system, its inputs white with unit variance.

    Args:
        system: the system.
        count: number of series.
        seed: of the noise.
        steps: length of each.
        gain: factor of everything: states, noises and inputs.
    """
    rng = np.random.default_rng([seed, count, steps, 2])
    A, B, C, D, Q, R, P = (np.asarray(getattr(system, name), float) for name in "ABCDQRP")
    u = rng.normal(size=(count, steps, B.shape[1]))
    root_q, root_r = np.linalg.cholesky(Q).T, np.linalg.cholesky(R).T
    x = np.zeros((count, steps, len(A)))
    x[:, 0] = rng.normal(size=(count, len(A))) @ np.linalg.cholesky(P).T
    for t in range(1, steps):
        noise = rng.normal(size=(count, len(A))) @ root_q
        x[:, t] = x[:, t - 1] @ A.T + u[:, t] @ B.T + noise
    y = x @ C.T + u @ D.T + rng.normal(size=(count, steps, len(C))) @ root_r
    return Drawn(gain * y, gain * u, gain * x)


def exact(system: LinearGaussian, drawn: Drawn) -> Exact:
    """The Kalman filter with the true matrices from its true first state.

    Args:
        system: the system.
        drawn: its series.
    """
    A, B, C, D, Q, R, P = (np.asarray(getattr(system, name), float) for name in "ABCDQRP")
    y, u = drawn.values, drawn.inputs
    mean = np.zeros((len(y), len(A)))
    forecast, filtered = np.zeros_like(y), np.zeros((*y.shape[:2], len(A)))
    for t in range(y.shape[1]):
        if t:
            mean, P = mean @ A.T + u[:, t] @ B.T, A @ P @ A.T + Q
        forecast[:, t] = mean @ C.T + u[:, t] @ D.T
        S = C @ P @ C.T + R
        K = np.linalg.solve(S, C @ P).T
        mean, P = mean + (y[:, t] - forecast[:, t]) @ K.T, P - K @ S @ K.T
        filtered[:, t] = mean
    return Exact(forecast, filtered)


def settled(system: LinearGaussian) -> InnovationsForm:
    """The innovations form of a system: what a perfect predictor ends in.

    Args:
        system: the system.
    """
    A, B, C, Q, R = (np.asarray(getattr(system, name), float) for name in "ABCQR")
    P = solve_discrete_are(A.T, C.T, Q, R)
    S = C @ P @ C.T + R
    K = A @ P @ C.T @ np.linalg.inv(S)
    return InnovationsForm(A, B, C, K, S, np.zeros(len(C)), np.zeros(B.shape[1]))


def excess(
    forecast: Float[np.ndarray, "series steps obs"],
    best: Float[np.ndarray, "series steps obs"],
    wanted: Float[np.ndarray, "series steps obs"],
    skipped: int = SKIPPED,
) -> float:
    r"""The mean squared error of a forecast over that of the exact one, less 1, mean over the columns.

    With the exact conditional mean $m$ the error of any other forecast $f$ is
    $\mathsf{E}(y - f)^2 = \mathsf{E}(y - m)^2 + \mathsf{E}(m - f)^2$: the second term is measured, without
    the chance of the test data that a ratio of two measured errors has.

    Args:
        forecast: what is judged.
        best: the exact conditional mean.
        wanted: what was forecast.
        skipped: first steps that do not count.
    """
    beyond = np.square(best - forecast)[:, skipped:].mean((0, 1))
    return float((beyond / np.square(wanted - best)[:, skipped:].mean((0, 1))).mean())
