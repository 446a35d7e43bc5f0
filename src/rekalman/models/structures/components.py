r"""Parts of structural models: each a small linear model with few parameters, to be added up.

A component knows its matrices as functions of `free`, a vector without bounds, and what these parameters
are called and worth in natural units. Nonstationary coordinates start flat, stationary ones with their
stationary law. All variances are logarithms in `free`.

| component | state | law |
|---|---|---|
| level | `l` | `l' = l + w` |
| trend | `l, b` | `l' = l + b + w1`, `b' = b + w2` |
| seasonal | the last `s - 1` effects | `g' = -(g + ... ) + w`: a period's effects add up to noise |
| oscillator | two phases | `damping` times a turn by `2 pi / period`, the same noise on both |
| velocity, acceleration | position, derivatives | white noise drives the highest, in continuous time |
| autoregression | the last `p` values | `x' = phi_1 x + ... + phi_p x_{t-p+1} + w`, stationary |

(Harvey 1989, ch. 2; Durbin and Koopman 2012, ch. 3; Bar-Shalom, Li and Kirubarajan 2001, section 6.2.)
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.numerics.precision import in_own_precision


class Part(NamedTuple):
    """The matrices of one component; `P` is zero for flat coordinates."""

    A: Float[Array, "n n"]
    C: Float[Array, "obs n"]
    Q: Float[Array, "n n"]
    P: Float[Array, "n n"]


class Component(eqx.Module):
    """A part of a structural model.

    Attributes:
        free: its parameters, without bounds.
    """

    free: Float[Array, " parameters"]

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What it is called."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the parameters in natural units, one for each entry of `free`."""

    @property
    def flat(self) -> bool:
        """Whether all its coordinates start with a flat law (or none)."""
        return True

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which parameters are variances, whose logarithm is in `free`."""
        return (True,) * len(self.names)

    @property
    def positive(self) -> tuple[bool, ...]:
        """Which parameters are positive."""
        return self.variances

    @property
    def observations(self) -> int:
        """Number of observed quantities."""
        return 1

    @abc.abstractmethod
    def natural(self) -> Float[Array, " parameters"]:
        """The parameters in natural units."""

    @abc.abstractmethod
    def part(self) -> Part:
        """Its matrices."""

    @in_own_precision
    def flow(self) -> Part | None:
        """The same in continuous time, a step being the unit of time: drift and diffusion in A and Q.

        None where there is no such form.
        """
        return None

    @abc.abstractmethod
    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """Values of `free` from which to search, for data `(time, obs)` without gaps."""


class Level(Component):
    """A random walk."""

    @property
    def label(self) -> str:
        """What it is called."""
        return "level"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("level variance",)

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """The variance."""
        return jnp.exp(self.free)

    @in_own_precision
    def part(self) -> Part:
        """One state."""
        one = jnp.ones((1, 1), self.free.dtype)
        return Part(one, one, jnp.exp(self.free)[:, None], 0 * one)

    @in_own_precision
    def flow(self) -> Part:
        """A Brownian motion."""
        one = jnp.ones((1, 1), self.free.dtype)
        return Part(0 * one, one, jnp.exp(self.free)[:, None], 0 * one)

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """A quarter of the variance of the steps."""
        return np.log([0.25 * step_variance(y)])


class Trend(Component):
    """A level with a slope, both random walks."""

    @property
    def label(self) -> str:
        """What it is called."""
        return "trend"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("level variance", "slope variance")

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """The two variances."""
        return jnp.exp(self.free)

    @in_own_precision
    def part(self) -> Part:
        """Level and slope."""
        A = jnp.array([[1.0, 1.0], [0.0, 1.0]], self.free.dtype)
        return Part(A, first_seen(2, self.free), jnp.diag(jnp.exp(self.free)), jnp.zeros_like(A))

    @in_own_precision
    def flow(self) -> Part:
        """The slope moves the level all along, so that its noise reaches the level within a step."""
        F = jnp.eye(2, k=1, dtype=self.free.dtype)
        return Part(F, first_seen(2, self.free), jnp.diag(jnp.exp(self.free)), jnp.zeros_like(F))

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """Shares of the variance of the steps."""
        return np.log([0.2 * step_variance(y), 0.01 * step_variance(y)])


class Seasonal(Component):
    """Effects of the seasons that add up to noise over a period."""

    period: int = eqx.field(static=True)

    @property
    def label(self) -> str:
        """What it is called."""
        return f"seasonal({self.period})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return (f"{self.label} variance",)

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """The variance."""
        return jnp.exp(self.free)

    @in_own_precision
    def part(self) -> Part:
        """The last `period - 1` effects, the newest first."""
        n = self.period - 1
        A = jnp.eye(n, k=-1, dtype=self.free.dtype).at[0].set(-1.0)
        Q = jnp.zeros_like(A).at[0, 0].set(jnp.exp(self.free[0]))
        return Part(A, first_seen(n, self.free), Q, jnp.zeros_like(A))

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """A small share of the variance of the steps."""
        return np.log([0.02 * step_variance(y)])


class Kinematic(Component):
    """A point that moves with nearly constant velocity (`order` 1) or acceleration (2), in `axes` axes."""

    order: int = eqx.field(static=True)
    axes: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    @property
    def label(self) -> str:
        """What it is called."""
        return ("velocity", "acceleration")[self.order - 1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return (f"{self.label} noise",)

    @property
    def observations(self) -> int:
        """The positions are observed."""
        return self.axes

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """Spectral density of the noise that drives the highest derivative."""
        return jnp.exp(self.free)

    @in_own_precision
    def part(self) -> Part:
        """For each axis the position and its derivatives."""
        n, dt, dtype = self.order + 1, self.dt, self.free.dtype
        factorial = [1.0, 1.0, 2.0]
        A = np.zeros((n, n))
        for i in range(n):
            for j in range(i, n):
                A[i, j] = dt ** (j - i) / factorial[j - i]
        # Q = int_0^dt a(s) a(s)' ds with a(s) = [s^order / order!, ..., s, 1].
        power = np.arange(self.order, -1, -1)
        scale = 1 / np.array([factorial[k] for k in power])
        total = power[:, None] + power[None, :] + 1
        Q = scale[:, None] * scale[None, :] * dt**total / total
        each = jnp.eye(self.axes, dtype=dtype)
        expanded = lambda block: jnp.kron(each, jnp.asarray(block, dtype))  # noqa: E731
        return Part(
            expanded(A),
            expanded(np.eye(1, n)),
            jnp.exp(self.free[0]) * expanded(Q),
            expanded(np.zeros((n, n))),
        )

    @in_own_precision
    def flow(self) -> Part:
        """White noise drives the highest derivative."""
        n, dtype = self.order + 1, self.free.dtype
        each = self.dt * jnp.eye(self.axes, dtype=dtype)
        F = jnp.kron(each, jnp.eye(n, k=1, dtype=dtype))
        Q = jnp.kron(each, jnp.zeros((n, n), dtype).at[-1, -1].set(jnp.exp(self.free[0])))
        C = jnp.kron(jnp.eye(self.axes, dtype=dtype), first_seen(n, self.free))
        return Part(F, C, Q, jnp.zeros_like(F))

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """From the variance of the differences of that order."""
        spread = np.var(np.diff(y, self.order, axis=0)) if len(y) > self.order + 1 else 1.0
        return np.log([0.1 * raised(float(spread), y) / self.dt ** (2 * self.order - 1)])


TINY = 1e-12  # share of the variance of the data below which a search does not begin


def first_seen(n: int, like: Array) -> Float[Array, "one n"]:
    """The first state is seen."""
    return jnp.eye(1, n, dtype=like.dtype)


def raised(variance: float, y: np.ndarray) -> float:
    """A variance, raised to a tiny share of that of the data; 1 where these do not vary."""
    return max(variance, TINY * float(np.var(y))) or 1.0


def step_variance(y: np.ndarray) -> float:
    """Variance of the steps of the data."""
    return raised(float(np.var(np.diff(y, axis=0))), y) if len(y) > 2 else 1.0
