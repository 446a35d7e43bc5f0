r"""The covariance recursion of a whole series, worked out before any data are looked at.

Where neither the model nor the pattern of missing entries changes any more, the covariance converges to the
solution of a Riccati equation; the loop ends there (to rounding), and all later steps share its last
result. Series of any length then cost as much as the transient, and one recursion serves any number of
series with the same gaps.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekal.filters.forms import CovarianceForm, Form, Updated
from rekal.filters.system import LinearSystem, at

ROUNDING = 16  # multiples of the machine epsilon by which a settled covariance may still move


class Gains(NamedTuple):
    """Leading axis: the steps that were worked out; step `t` is found at `where[t]`.

    Attributes:
        prior: carry (covariance or square root) before each observation.
        posterior: carry after it.
        gain: of the joint innovation.
        whitener: of the joint innovation.
        log_f: log determinant of the innovation's covariance.
        where: where each step is found.
        worked: number of steps worked out.
    """

    prior: Float[Array, "steps n n"]
    posterior: Float[Array, "steps n n"]
    gain: Float[Array, "steps n p"]
    whitener: Float[Array, "steps p p"]
    log_f: Float[Array, " steps"]
    where: Int[Array, " steps"]
    worked: Int[Array, ""]


def gains(system: LinearSystem, form: Form = CovarianceForm) -> Gains:
    """Run the covariance recursion until it has settled or the series ends."""
    steps, p, _ = system.y.shape
    n, dtype = system.P.shape[0], system.P.dtype
    Q = system.Q if form is CovarianceForm else jax.vmap(form.enter)(system.Q)
    tolerance = ROUNDING * jnp.finfo(dtype).eps

    first = form.enter(system.P)
    buffers = (
        jnp.zeros((steps, n, n), dtype),
        jnp.zeros((steps, n, n), dtype),
        jnp.zeros((steps, n, p), dtype),
        jnp.zeros((steps, p, p), dtype),
        jnp.zeros(steps, dtype),
    )

    def record(
        buffers: tuple[Array, ...], t: Array, prior: Array, new: Updated
    ) -> tuple[Array, ...]:
        return tuple(
            buffer.at[t].set(row) for buffer, row in zip(buffers, (prior, *new), strict=True)
        )

    def going(state: tuple[Array, ...]) -> Array:
        t, _, done = state[:3]
        return (t < steps) & ~done

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        t, carry, _, *buffers = state
        prior = form.predict(carry, at(system.A, t), at(Q, t))
        new = form.update(prior, at(system.C, t), at(system.noise, t))
        # Entry by entry: the largest one says nothing of a slow state in smaller units.
        still = jnp.abs(new.carry - carry) <= tolerance * form.size(prior)
        done = (t >= system.settled) & still.all()
        return (t + 1, new.carry, done, *record(tuple(buffers), t, prior, new))

    zero = jnp.zeros((), jnp.int32)
    new = form.update(first, at(system.C, 0), at(system.noise, 0))
    state = (zero + 1, new.carry, jnp.asarray(False), *record(buffers, zero, first, new))
    worked, _, _, prior, posterior, gain, whitener, log_f = jax.lax.while_loop(going, step, state)
    where = jnp.minimum(jnp.arange(steps), worked - 1)
    return Gains(prior, posterior, gain, whitener, log_f, where, worked)
