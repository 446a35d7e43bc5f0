r"""Stationary components of structural models: a damped oscillator and an autoregression.

Whatever the unbounded parameters are, both are stationary: the damping factor is a logistic function, and an
autoregression is parametrised by its partial autocorrelations, each a hyperbolic tangent.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.models.linear import stationary_moments
from rekalman.models.structures.components import Component, Part, first_seen, raised
from rekalman.numerics.precision import in_own_precision


class Oscillator(Component):
    """A damped cycle: period in steps (above 2), damping factor of a step (below 1).

    Attributes:
        known: whether the period and the damping were given, so that data do not change where the search
            begins.
    """

    known: tuple[bool, bool] = eqx.field(static=True)

    @property
    def label(self) -> str:
        """What it is called."""
        return "oscillator"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("period", "damping", "oscillator variance")

    @property
    def variances(self) -> tuple[bool, ...]:
        """The last."""
        return (False, False, True)

    @property
    def positive(self) -> tuple[bool, ...]:
        """The period and the variance."""
        return (True, False, True)

    @property
    def flat(self) -> bool:
        """It starts with its stationary law."""
        return False

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """Period, damping factor and noise variance."""
        turn, damping, variance = self.free
        period = 2 / jax.nn.sigmoid(turn)
        return jnp.stack([period, jax.nn.sigmoid(damping), jnp.exp(variance)])

    @in_own_precision
    def part(self) -> Part:
        """The two phases."""
        turn, damping, variance = self.free
        angle, shrink = jnp.pi * jax.nn.sigmoid(turn), jax.nn.sigmoid(damping)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        A = shrink * jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])])
        eye = jnp.eye(2, dtype=self.free.dtype)
        # 1 - damping^2 without cancellation: (1 - s)(1 + s).
        spread = jnp.exp(variance) / (jax.nn.sigmoid(-damping) * (1 + shrink))
        return Part(A, first_seen(2, self.free), jnp.exp(variance) * eye, spread * eye)

    @in_own_precision
    def flow(self) -> Part:
        """A damped turn, driven all along; at equal steps it is the same as `part`."""
        turn, damping, _ = self.free
        angle, decay = jnp.pi * jax.nn.sigmoid(turn), jax.nn.log_sigmoid(damping)
        F = jnp.stack([jnp.stack([decay, angle]), jnp.stack([-angle, decay])])
        _, C, _, P = self.part()
        return Part(F, C, -2 * decay * P, P)

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """The highest peak of the periodogram, a damping of 0.9, a tenth of the variance."""
        z = np.diff(y[:, 0])
        power = np.abs(np.fft.rfft(z - z.mean()))[1:-1] if len(z) > 4 else np.ones(1)
        frequency = (1 + int(np.argmax(power))) / max(len(z), 5)
        share = float(np.clip(2 * frequency, 1e-3, 0.999))
        result = np.array(
            [np.log(share / (1 - share)), np.log(9.0), np.log(0.1 * raised(float(np.var(y)), y))]
        )
        return np.where([*self.known, False], np.asarray(self.free, float), result)


class Autoregression(Component):
    """Stationary: `free` holds the inverse hyperbolic tangents of the partial autocorrelations.

    (Barndorff-Nielsen and Schou 1973; Monahan 1984.)
    """

    @property
    def lags(self) -> int:
        """Number of lags."""
        return self.free.shape[0] - 1

    @property
    def label(self) -> str:
        """What it is called."""
        return f"ar({self.lags})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return (*(f"phi{i + 1}" for i in range(self.lags)), "ar variance")

    @property
    def variances(self) -> tuple[bool, ...]:
        """The last."""
        return (*(False for _ in range(self.lags)), True)

    @property
    def flat(self) -> bool:
        """It starts with its stationary law."""
        return False

    @in_own_precision
    def natural(self) -> Float[Array, " parameters"]:
        """The coefficients and the variance of the noise."""
        phi = coefficients(jnp.tanh(self.free[:-1]))
        return jnp.concatenate([phi, jnp.exp(self.free[-1:])])

    @in_own_precision
    def part(self) -> Part:
        """The last values, the newest first."""
        n = self.lags
        A = (
            jnp.eye(n, k=-1, dtype=self.free.dtype)
            .at[0]
            .set(coefficients(jnp.tanh(self.free[:-1])))
        )
        Q = jnp.zeros_like(A).at[0, 0].set(jnp.exp(self.free[-1]))
        _, P = stationary_moments(A, jnp.zeros(n, A.dtype), Q)
        return Part(A, first_seen(n, self.free), Q, P)

    def started(self, y: np.ndarray) -> Float[np.ndarray, " parameters"]:
        """The partial autocorrelations of the data, held away from one, and what they leave."""
        z = y[:, 0] - y[:, 0].mean()
        lags = [float(z[k:] @ z[: len(z) - k]) for k in range(self.lags + 1)]
        lags[0] = len(z) * raised(lags[0] / len(z), y)
        partial, rest = partial_autocorrelations(np.array(lags), 0.95)
        return np.append(np.arctanh(partial), np.log(0.8 * raised(rest / len(z), y)))


def partial_autocorrelations(
    autocovariances: Float[np.ndarray, " lags_and_one"], most: float
) -> tuple[list[float], float]:
    """Partial autocorrelations, held within `most`, and the variance that they leave (Levinson).

    Args:
        autocovariances: from lag 0 on.
        most: their largest size, below 1.
    """
    partial: list[float] = []
    phi, rest = np.zeros(0), float(autocovariances[0])
    for k in range(len(autocovariances) - 1):
        r = (autocovariances[k + 1] - phi @ autocovariances[k:0:-1]) / rest
        r = float(np.clip(r, -most, most))
        phi = np.append(phi - r * phi[::-1], r)
        rest *= 1 - r * r
        partial.append(r)
    return partial, rest


def coefficients(partial: Float[Array, " lags"]) -> Float[Array, " lags"]:
    """Autoregressive coefficients from partial autocorrelations (the Levinson recursion)."""
    phi = partial[:0]
    for k in range(partial.shape[0]):
        phi = jnp.concatenate([phi - partial[k] * phi[::-1], partial[k : k + 1]])
    return phi
