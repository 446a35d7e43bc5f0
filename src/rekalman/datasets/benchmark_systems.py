r"""The true systems behind the KalmanNet and RTSNet experiments.

Linear: `F` is the identity with a first row of ones, `H` the identity (two states) or, for more states,
ones in the first row and on the anti-diagonal. Lorenz: `x' = exp(A(x) dt) x` with the exponential as a
Taylor sum,

    A(x) = [[-10, 10, 0], [28 - x_3, -1, 0], [x_2, 0, -8/3]].

The state before the first step is known, so the first observed one has the law of one step from it.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.models.linear import LinearGaussian
from rekalman.models.nonlinear import NonlinearGaussian

STEP = 0.02


def canonical_system(states: int, q2: float = 0.01, r2: float = 1.0) -> LinearGaussian:
    """The linear system of the papers.

    Args:
        states: number of states, and of observations; at least 2.
        q2: variance of the process noise.
        r2: variance of the observation noise.

    Raises:
        RekalError: fewer than two states.
    """
    if states < 2:
        raise RekalError(f"the linear system has at least 2 states, not {states}")
    eye = np.eye(states)
    F, H = eye.copy(), eye.copy()
    F[0] = 1.0
    if states > 2:
        H = eye[::-1].copy()
        H[0] = 1.0
    return LinearGaussian.create(F, H, q2 * eye, r2 * eye, P=q2 * eye)


def lorenz_step(
    x: Float[Array, " three"], order: int = 5, dt: float = STEP, frozen: bool = False
) -> Float[Array, " three"]:
    """`exp(A(x) dt) x`, the exponential up to the given order.

    With `frozen` the derivative passes over `A(x)`, so that the Jacobian comes out as `exp(A(x) dt)`: what
    the published code of KalmanNet takes for it.
    """
    total = term = x
    at = jax.lax.stop_gradient(x) if frozen else x
    for j in range(1, order + 1):
        a, b, c = term[0], term[1], term[2]
        rate = jnp.stack([10 * (b - a), (28 - at[2]) * a - b, at[1] * a - 8 / 3 * c])
        term = rate * (dt / j)
        total = total + term
    return total


def rotation(degrees: float) -> Float[np.ndarray, "3 3"]:
    """Turn by the same angle about the first, then the second, then the third axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def lorenz_system(
    q2: float = 0.01,
    r2: float = 1.0,
    degrees: float = 0.0,
    order: int = 5,
    frozen: bool = False,
) -> NonlinearGaussian:
    """The Lorenz attractor in steps of 0.02, all three coordinates observed.

    Args:
        q2: variance of the process noise.
        r2: variance of the observation noise.
        degrees: by how much the observations are rotated (see `rotation`).
        order: of the Taylor sum.
        frozen: hold `A(x)` fixed in the Jacobian (see `lorenz_step`).
    """
    H = jnp.asarray(rotation(degrees), jnp.result_type(float))
    eye = np.eye(3)
    first = lorenz_step(jnp.ones(3), order)
    move = LorenzStep(order, frozen)
    return NonlinearGaussian.create(move, Rotated(H), q2 * eye, r2 * eye, first, q2 * eye)


class LorenzStep(eqx.Module):
    """`lorenz_step` as the transition of a model; equal settings share what was compiled for them."""

    order: int = eqx.field(static=True)
    frozen: bool = eqx.field(static=True)

    def __call__(self, x: Array, u: Array | None, dt: Array | None) -> Array:
        """One step from `x`."""
        return lorenz_step(x, self.order, frozen=self.frozen)


class Rotated(eqx.Module):
    """`H x` as the observation of a model."""

    H: Float[Array, "3 3"]

    def __call__(self, x: Array, u: Array | None) -> Array:
        """What is observed at `x`."""
        return (self.H * x).sum(1)
