"""Small fixed data, and models of known numbers, for the golden numbers."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import rekalman
from rekalman import Sequences

ONE = np.eye(1)

A = np.array([[0.9, 0.3, 0.0], [-0.3, 0.8, 0.1], [0.0, 0.0, 0.7]])
BLOCKS = {
    "B": np.array([[0.5], [0.0], [0.2]]),
    "c": np.array([0.1, 0.0, -0.2]),
    "D": np.array([[0.0], [0.3]]),
    "d": np.array([1.0, -1.0]),
}
C = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
Q = np.array([[0.3, 0.1, 0.0], [0.1, 0.2, 0.05], [0.0, 0.05, 0.1]])
R = np.array([[0.4, 0.1], [0.1, 0.3]])
START = {
    "m": np.array([1.0, -0.5, 0.2]),
    "P": np.array([[1, 0.2, 0], [0.2, 0.8, 0.1], [0, 0.1, 0.5]]),
}
MODEL = (A, C, Q, R)


def driven_series(steps: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of two columns, which entries are observed, and one input."""
    rng = np.random.default_rng(seed)
    u, x, y = rng.normal(size=(steps, 1)), np.array([1.0, -0.5, 0.2]), []
    for t in range(steps):
        x = A @ x + BLOCKS["B"] @ u[t] + BLOCKS["c"] + np.linalg.cholesky(Q) @ rng.normal(size=3)
        noise = np.linalg.cholesky(R) @ rng.normal(size=2)
        y.append(C @ x + BLOCKS["D"] @ u[t] + BLOCKS["d"] + noise)
    return np.array(y), rng.random((steps, 2)) > 0.2, u


def ragged() -> Sequences:
    """Three driven series of several lengths with gaps."""
    rows = [driven_series(steps, seed) for seed, steps in enumerate((30, 22, 26))]
    values = [np.where(mask, y, np.nan) for y, mask, _ in rows]
    return Sequences.from_arrays(values, inputs=[u for *_, u in rows])


DRIVE = np.array([[[0.1], [-0.4], [0.8], [0.0]]]) * np.array([1.0, 0.5, -1.0])[:, None, None]
"""Inputs after the end of each of them."""


def irregular(steps: int = 40, seed: int = 1) -> Sequences:
    """Positions of a point at any times, three of them missing."""
    rng = np.random.default_rng(seed)
    dt = rng.uniform(0.2, 2.0, steps)
    velocity = np.cumsum(np.sqrt(0.3 * dt) * rng.normal(size=steps))
    y = np.cumsum(velocity * dt) + 0.5 * rng.normal(size=steps)
    y[[3, 4, 20]] = np.nan
    return Sequences.from_arrays(y, times=np.cumsum(dt), irregular=True)


def levels(steps: int = 80, seed: int = 2) -> Sequences:
    """A level that walks, seen with noise, some of it missing."""
    rng = np.random.default_rng(seed)
    y = 20 + np.cumsum(0.5 * rng.normal(size=steps)) + rng.normal(size=steps)
    y[[5, 6, 40]] = np.nan
    return Sequences.from_arrays(y, names=("level_m",), interval=0.5, time_unit="s")


def season(steps: int = 72, seed: int = 3) -> Sequences:
    """A slow level, four seasons and noise."""
    rng = np.random.default_rng(seed)
    effects = np.tile([3.0, -1.0, -2.5, 0.5], steps // 4)
    return Sequences.from_arrays(
        10 + np.cumsum(0.3 * rng.normal(size=steps)) + effects + 0.5 * rng.normal(size=steps)
    )


def correlated(steps: int = 240, seed: int = 4) -> Sequences:
    """An autoregression of two lags with well-apart roots, behind noise."""
    rng, x = np.random.default_rng(seed), np.zeros(steps)
    for t in range(2, steps):
        x[t] = 1.3 * x[t - 1] - 0.7 * x[t - 2] + rng.normal()
    return Sequences.from_arrays(5 + x + 0.6 * rng.normal(size=steps))


def wave(steps: int = 120, seed: int = 5) -> Sequences:
    """A noisy oscillation with gaps."""
    rng = np.random.default_rng(seed)
    y = 5 + 2 * np.sin(np.arange(steps) / 4)[:, None] + 0.4 * rng.normal(size=(steps, 1))
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    return Sequences.from_arrays(y, names=("height_mm",), interval=0.1, time_unit="s")


def track(steps: int = 60, seed: int = 6) -> Sequences:
    """A point in the plane whose velocity walks."""
    rng = np.random.default_rng(seed)
    velocity = np.cumsum(0.3 * rng.normal(size=(steps, 2)), 0)
    return Sequences.from_arrays(np.cumsum(velocity, 0) + 0.5 * rng.normal(size=(steps, 2)))


def tank(steps: int = 160, seed: int = 0) -> Sequences:
    """A level that drains by the square root of its height, filled by a stepwise pump."""
    rng = np.random.default_rng(seed)
    u = np.repeat(rng.uniform(0, 1, -(-steps // 10)), 10)[:steps]
    level, rows = 1.0, []
    for each in u:
        level += 0.2 * each - 0.1 * np.sqrt(level)
        rows.append(level)
    y = np.array(rows) + 0.01 * rng.normal(size=steps)
    return Sequences.from_arrays(y, inputs=u, names=("level",), input_names=("pump",))


def tanks(steps: int = 80, seed: int = 0) -> Sequences:
    """Two levels, one after the other, filled by a pump; some entries are missing."""
    rng = np.random.default_rng(seed)
    u, level, rows = rng.uniform(0, 1, (steps, 1)), np.ones(2), []
    for each in u[:, 0]:
        level = 0.8 * level + np.array([each, 0.2 * level[0]])
        rows.append(level + 0.1 * rng.normal(size=2))
    y = 10 * np.array(rows)
    y[rng.random(y.shape) < 0.1] = np.nan
    return Sequences.from_arrays(y, inputs=u, names=("a_mm", "b_mm"), input_names=("pump",))


PUMP = np.array([[0.2], [0.9], [0.5], [0.1], [0.7]])
"""What the pump will do."""


def parabola(steps: int = 120) -> Sequences:
    """A chaotic map seen through noise."""
    rng, x, rows = np.random.default_rng(0), 0.3, []
    for _ in range(steps):
        rows.append(x + 0.02 * rng.normal())
        x = 1.0 - 1.5 * x**2 + 0.02 * rng.normal()
    y = 7 + 3 * np.array(rows)
    y[[40, 41, 90]] = np.nan
    return Sequences.from_arrays(y)


def panel(steps: int = 60, seed: int = 7) -> Sequences:
    """Two levels that walk, the second a hundred times the size and shorter."""
    rng = np.random.default_rng(seed)
    z = np.cumsum(0.3 * rng.normal(size=(steps, 2)), 0) + rng.normal(size=(steps, 2))
    rows = [5 + 0.5 * z[:, 0], 500 + 50 * z[:50, 1]]
    return Sequences.from_arrays(rows, series_names=("small", "large"))


def growing(steps: int = 80, seed: int = 3) -> Sequences:
    """Positive numbers whose noise grows with their level."""
    rng = np.random.default_rng(seed)
    y = np.exp(3 + np.cumsum(0.1 * rng.normal(size=steps)) + 0.1 * rng.normal(size=steps))
    y[[7, 40]] = np.nan
    return Sequences.from_arrays(y, names=("sales",))


def breath(steps: int = 150, seed: int = 0) -> Sequences:
    """Two columns of an oscillation whose period drifts."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(0.35 + 0.05 * np.sin(np.arange(steps) / 50))
    clean = np.stack([np.sin(phase), 2 * np.cos(phase) + 0.3 * np.sin(2 * phase)], 1)
    return Sequences.from_arrays(5.0 + clean + 0.05 * rng.normal(size=clean.shape))


def curved() -> rekalman.NonlinearGaussian:
    """Two states whose transition and observation both bend, with correlated noise."""
    return rekalman.NonlinearGaussian.create(
        lambda x, u, dt: jnp.array([x[0] + 0.3 * x[1], 0.9 * x[1] - 0.5 * jnp.sin(x[0])]),
        lambda x, u: jnp.array([x[0] + 0.1 * x[1] ** 2, jnp.tanh(x[1])]),
        0.05 * np.array([[1.0, 0.3], [0.3, 1.0]]),
        0.1 * np.array([[1.0, -0.4], [-0.4, 2.0]]),
        np.array([0.5, 0.0]),
        np.array([[0.3, 0.1], [0.1, 0.4]]),
    )


def bent(steps: int = 40, seed: int = 8) -> Sequences:
    """A series of `curved`, with gaps."""
    rng, x, rows = np.random.default_rng(seed), np.array([0.5, 0.0]), []
    for _ in range(steps):
        x = np.array([x[0] + 0.3 * x[1], 0.9 * x[1] - 0.5 * np.sin(x[0])])
        x = x + np.sqrt(0.05) * rng.normal(size=2)
        noise = np.sqrt([0.1, 0.2]) * rng.normal(size=2)
        rows.append(np.array([x[0] + 0.1 * x[1] ** 2, np.tanh(x[1])]) + noise)
    y = np.array(rows)
    y[[10, 11], 0] = np.nan
    y[20] = np.nan
    return Sequences.from_arrays(y)


class VanDerPol(eqx.Module):
    """An oscillator of position and velocity whose damping changes its sign."""

    mu: jnp.ndarray
    stiffness: jnp.ndarray

    def __call__(self, x, u, dt):
        push = self.mu * (1 - x[0] ** 2) * x[1] - self.stiffness * x[0]
        return jnp.stack([x[0] + 0.1 * x[1], x[1] + 0.1 * push])


def van_der_pol(mu: float, stiffness: float, q: float, r: float) -> rekalman.NonlinearGaussian:
    """A model whose two numbers can be learned."""
    return rekalman.NonlinearGaussian.create(
        VanDerPol(jnp.asarray(mu), jnp.asarray(stiffness)),
        lambda x, u: x[:1],
        Q=np.diag([0.0, q]),
        R=r * ONE,
        m=np.array([1.0, 0.0]),
        P=0.01 * np.eye(2),
    )


def swings(steps: int = 150, seed: int = 9) -> Sequences:
    """A series of `van_der_pol`."""
    rng, x, rows = np.random.default_rng(seed), np.array([1.0, 0.0]), []
    for _ in range(steps):
        push = (1 - x[0] ** 2) * x[1] - 1.5 * x[0]
        x = np.array([x[0] + 0.1 * x[1], x[1] + 0.1 * push + 0.1 * rng.normal()])
        rows.append(x[0] + 0.22 * rng.normal())
    return Sequences.from_arrays(np.array(rows))
