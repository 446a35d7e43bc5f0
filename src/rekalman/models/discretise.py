r"""The exact law of a linear stochastic differential equation over one step.

    dx = (F x + G u + g) dt + dW,   Cov dW = Q dt,   u held constant over the step

Over a step of length `h` the state moves to `A x + Gamma (G u + g) + w`, `w ~ N(0, Q_h)`, with

    A = exp(F h),   Gamma = int_0^h exp(F s) ds,   Q_h = int_0^h exp(F s) Q exp(F s)' ds

(Van Loan 1978). The matrix exponential of Van Loan's block matrix holds `exp(-F h)`, which overflows where
the dynamics are fast against the step. Instead the three are expanded in powers of a step `h / 2^k`, and the
step is doubled `k` times, with `X = A - I`:

    X <- 2 X + X X,   Gamma <- 2 Gamma + X Gamma,   Q <- 2 Q + X Q + Q X' + X Q X'.

Since `X` and not `A` is carried, no digit is lost however short the first step; `k` can therefore be the same
for all steps, nothing depends on a data-driven count, and the result can be differentiated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

DOUBLINGS = 24
TERMS = 10
REACH = 0.08 * 2**DOUBLINGS  # `|F| h` up to which the expansion is exact to rounding


class Step(NamedTuple):
    """What a step does: `x -> A x + integral (G u + g) + w`, `w ~ N(0, Q)`."""

    A: Float[Array, "n n"]
    integral: Float[Array, "n n"]
    Q: Float[Array, "n n"]


def exact_step(F: Float[Array, "n n"], Q: Float[Array, "n n"], h: Float[Array, ""] | float) -> Step:
    """The transition over a step of length `h >= 0`.

    Args:
        F: drift matrix, per unit of time.
        Q: covariance of the noise that a unit of time adds.
        h: length of the step. One beyond a million times the shortest time scale of `F` gives NaN.
    """
    short = h * jnp.asarray(2.0**-DOUBLINGS, F.dtype)
    eye = jnp.eye(F.shape[0], dtype=F.dtype)
    power, noise = eye, Q
    X, Gamma, S = jnp.zeros_like(F), short * eye, short * Q
    for k in range(1, TERMS):
        power = F @ power
        noise = F @ noise + noise @ F.T
        X = X + (short**k / math.factorial(k)) * power
        scale = short ** (k + 1) / math.factorial(k + 1)
        Gamma, S = Gamma + scale * power, S + scale * noise

    def double(
        carry: tuple[Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array], None]:
        X, Gamma, S = carry
        XS = X @ S
        S = 2 * S + XS + XS.T + XS @ X.T
        return (2 * X + X @ X, 2 * Gamma + X @ Gamma, 0.5 * (S + S.T)), None

    (X, Gamma, S), _ = jax.lax.scan(double, (X, Gamma, S), None, length=DOUBLINGS)
    within = jnp.linalg.norm(F, 1) * h <= REACH
    return Step(*(jnp.where(within, result, jnp.nan) for result in (eye + X, Gamma, S)))
