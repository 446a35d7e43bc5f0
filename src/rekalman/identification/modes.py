r"""Fixed points of the noise-free dynamics, and the modes of the system linearised there.

An eigenvalue `lambda` of the Jacobian of one step belongs to a mode that is multiplied by `lambda` at
each step. In continuous time with the sampling interval `T` it is `exp(s T)`, so

    s = log(lambda) / T,   frequency = |Im s| / 2 pi,   damping ratio = -Re s / |s|,
    time constant = 1 / |Re s|,

the damping ratio being negative where the mode grows.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.models.gaussian import GaussianModel


@dataclass(frozen=True)
class Mode:
    """One eigenvalue of the Jacobian, or a conjugate pair.

    Attributes:
        kind: "oscillation" (a complex pair), "real", or "alternating" (a negative eigenvalue:
            the sign changes at every step).
        modulus: factor of growth or decay a step.
        angle: radians a step, between 0 and pi.
        frequency: cycles per time unit.
        period: time units per cycle, None without an oscillation.
        damping_ratio: zeta; below 0 the mode grows; None for `lambda = 0` or `1`.
        time_constant: time units in which the mode changes by a factor e, None if it does not.
        growing: the modulus is above 1.
    """

    kind: str
    modulus: float
    angle: float
    frequency: float
    period: float | None
    damping_ratio: float | None
    time_constant: float | None
    growing: bool

    @property
    def natural_frequency(self) -> float:
        """Undamped natural frequency `|s| / 2 pi`, cycles per time unit."""
        rate = 0.0 if self.time_constant is None else 1 / max(self.time_constant, 1e-300)
        return math.hypot(self.frequency, rate / (2 * math.pi))

    @classmethod
    def of(cls, eigenvalue: complex, interval: int | float) -> Mode:
        """The mode of an eigenvalue, with the time between two steps."""
        modulus, angle = abs(eigenvalue), abs(np.angle(eigenvalue))
        frequency = float(angle / (2 * math.pi * interval))
        rate = math.log(modulus) if modulus > 0 else -math.inf
        size = math.hypot(rate, angle)
        zeta = None if size == 0 or math.isinf(size) else -rate / size
        kind = "alternating" if eigenvalue.real < 0 else "real"
        if eigenvalue.imag != 0:
            kind = "oscillation"
        return cls(
            kind=kind,
            modulus=float(modulus),
            angle=float(angle),
            frequency=frequency,
            period=1 / frequency if frequency > 0 else None,
            damping_ratio=zeta,
            time_constant=None if rate == 0 else interval / abs(rate),
            growing=bool(modulus > 1 + 1e-9),  # beyond rounding
        )


@dataclass(frozen=True)
class FixedPoint:
    """A state that the noise-free dynamics leave where it is.

    Attributes:
        state: the state.
        output: the observation there.
        modes: modes of the linearised system, the slowest to vanish first.
    """

    state: tuple[float, ...]
    output: tuple[float, ...]
    modes: tuple[Mode, ...]

    @property
    def spectral_radius(self) -> float:
        """The largest modulus; the fixed point is stable below 1."""
        return max(mode.modulus for mode in self.modes)

    @property
    def oscillation(self) -> Mode | None:
        """The oscillating mode that lasts longest."""
        return next((mode for mode in self.modes if mode.kind == "oscillation"), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {
            "state": list(self.state),
            "output": list(self.output),
            "spectral_radius": self.spectral_radius,
            "stable": self.spectral_radius < 1,
            "modes": [asdict(mode) for mode in self.modes],
        }


def modes(jacobian: Any, interval: int | float = 1.0) -> tuple[Mode, ...]:
    """Modes of a linear step, the largest modulus first; of a conjugate pair one."""
    eigenvalues = np.linalg.eigvals(np.asarray(jacobian, np.float64))
    # Eigenvalues that differ from real ones by rounding alone are real.
    rounding = 1e-9 * max(1.0, float(np.abs(eigenvalues).max()))
    distinct = [
        complex(v.real, v.imag if abs(v.imag) > rounding else 0.0)
        for v in eigenvalues
        if v.imag > -rounding
    ]
    distinct.sort(key=lambda v: (-abs(v), abs(np.angle(v))))
    return tuple(Mode.of(v, interval) for v in distinct)


def fixed_points(
    model: GaussianModel,
    starts: Float[Array, "starts states"],
    u: Float[Array, " input"] | None = None,
    interval: int | float = 1.0,
) -> list[FixedPoint]:
    """Fixed points that damped Newton iterations reach, each once, in the order of the starts.

    Solves `g(x) - x = 0` with steps halved until the residual falls; a start that does not converge is
    left out.

    Args:
        model: its `transition_mean` is `g`.
        starts: where to begin.
        u: the input, held constant.
        interval: time between two steps, for the modes.
    """
    eps = float(jnp.finfo(starts.dtype).eps)
    solved = _newton(model, starts, u)
    result: list[FixedPoint] = []
    for x, residual, jacobian, output in zip(*map(np.asarray, solved), strict=True):
        size = 1 + float(np.abs(x).max())
        if not np.isfinite(residual) or residual > 100 * eps * size:
            continue
        if any(np.abs(x - np.array(old.state)).max() < 1e5 * eps * size for old in result):
            continue
        here = modes(jacobian, interval)
        result.append(FixedPoint(tuple(map(float, x)), tuple(map(float, output)), here))
    return result


@eqx.filter_jit
def _newton(
    model: GaussianModel, starts: Float[Array, "starts states"], u: Float[Array, " input"] | None
) -> tuple[Array, Array, Array, Array]:
    """Where each start ends, how far from fixed it is, the Jacobian of one step there, and the output."""

    def step(x: Array) -> Array:
        return model.transition_mean(x[None], u)[0]

    jacobian = jax.jacfwd(step)
    eps = jnp.finfo(starts.dtype).eps

    def improve(_: Array, x: Array) -> Array:
        residual = step(x) - x
        # A tiny ridge keeps the system solvable where the Jacobian has the eigenvalue 1.
        matrix = jacobian(x) - (1 + 10 * eps) * jnp.eye(x.size, dtype=x.dtype)
        direction = jnp.linalg.solve(matrix, -residual)
        tried = x + 0.5 ** jnp.arange(8, dtype=x.dtype)[:, None] * direction
        left = jnp.linalg.norm(jax.vmap(step)(tried) - tried, axis=-1)
        best = jnp.argmin(jnp.where(jnp.isfinite(left), left, jnp.inf))
        return jnp.where(left[best] < jnp.linalg.norm(residual), tried[best], x)

    def one(x: Array) -> tuple[Array, Array, Array, Array]:
        x = jax.lax.fori_loop(0, 50, improve, x)
        output = model.observation_mean(x[None], u)[0]
        return x, jnp.linalg.norm(step(x) - x), jacobian(x), output

    return jax.vmap(one)(starts)
