r"""The covariance recursion of a whole series, worked out before any data are looked at.

Where neither the model nor the pattern of missing entries changes any more, the covariance converges to the
solution of a Riccati equation; the loop ends there (to rounding), and all later steps share its last
result. Series of any length then cost as much as the transient, and one recursion serves any number of
series with the same gaps.

A diffuse start is worked off first, with square roots (`diffuse.py`): usually a few steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.diffuse import DiffusePhase, diffuse_update, moved_basis
from rekalman.filters.kalman.forms import CovarianceForm, Form, RootForm
from rekalman.filters.kalman.system import LinearSystem, at

ROUNDING = 16  # multiples of the machine epsilon by which a settled covariance may still move


class Gains(NamedTuple):
    """Leading axis: the steps that were worked out; step `t` is found at `where[t]`.

    Attributes:
        prior: carry (covariance or square root) before each observation.
        posterior: carry after it.
        gain: of the joint innovation.
        whitener: of the joint innovation.
        log_f: log determinant of the innovation's covariance.
        void: number of entries without a predictive density.
        where: where each step is found.
        worked: number of steps worked out.
        diffuse: what a diffuse start leaves, or None.
    """

    prior: Float[Array, "steps n n"]
    posterior: Float[Array, "steps n n"]
    gain: Float[Array, "steps n p"]
    whitener: Float[Array, "steps p p"]
    log_f: Float[Array, " steps"]
    void: Float[Array, " steps"]
    where: Int[Array, " steps"]
    worked: Int[Array, ""]
    diffuse: DiffusePhase | None = None

    @property
    def judged(self) -> Bool[Array, "steps p"]:
        """Which entries have a predictive density, given those before them at the same step."""
        return jnp.diagonal(self.whitener, axis1=1, axis2=2) > 0


Buffers = tuple[Array, ...]


def gains(system: LinearSystem, form: Form = CovarianceForm, most: int | None = None) -> Gains:
    """Run the covariance recursion until it has settled or the series ends.

    Args:
        system: the model and the data.
        form: how covariances are carried.
        most: room for so many steps; where it has not settled in fewer, the gains are of no use. None makes
            room for all.
    """
    steps = system.y.shape[0]
    room = steps if most is None else min(steps, most)
    Q = system.Q if form is CovarianceForm else jax.vmap(form.enter)(system.Q)
    tolerance = ROUNDING * jnp.finfo(system.P.dtype).eps

    def going(state: tuple[Array, ...]) -> Array:
        t, _, done = state[:3]
        return (t < room) & ~done

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        t, carry, _, *buffers = state
        prior = form.predict(carry, at(system.A, t), at(Q, t))
        new = form.update(prior, at(system.C, t), at(system.noise, t))
        # Entry by entry: the largest one says nothing of a slow state in smaller units.
        still = jnp.abs(new.carry - carry) <= tolerance * form.size(prior)
        done = (t >= system.settled) & still.all()
        return (t + 1, new.carry, done, *_recorded(tuple(buffers), t, (prior, *new)))

    if system.basis.shape[1]:
        t, carry, buffers, phase = diffuse_gains(system, form)
    else:
        first = form.enter(system.P)
        new = form.update(first, at(system.C, 0), at(system.noise, 0))
        t, carry, phase = jnp.ones((), jnp.int32), new.carry, None
        buffers = _recorded(_empty(system, room), 0, (first, *new))
    state = (t, carry, jnp.asarray(False), *buffers)
    worked, _, _, *buffers = jax.lax.while_loop(going, step, state)
    where = jnp.minimum(jnp.arange(steps), worked - 1)
    return Gains(*buffers, where=where, worked=worked, diffuse=phase)


def diffuse_gains(
    system: LinearSystem, form: Form
) -> tuple[Int[Array, ""], Float[Array, "n n"], Buffers, DiffusePhase]:
    """The recursion as long as a direction of the state is unknown.

    Args:
        system: the model and the data; its start is diffuse.
        form: how the covariances are recorded.

    Returns:
        Number of steps worked out (one at least), the carry after them, the first six fields of `Gains`, and
        what the diffuse start leaves beside them.
    """
    steps, p, _ = system.y.shape
    (n, d), dtype = system.basis.shape, system.P.dtype
    Q = jax.vmap(RootForm.enter)(system.Q)
    recorded = (lambda S: S) if form is RootForm else RootForm.leave

    def updated(
        t: int | Array, S: Array, E: Array, unknown: Array, buffers: Buffers, own: Buffers
    ) -> tuple[Any, ...]:
        new, basis, solution, rest = diffuse_update(S, E, at(system.C, t), at(system.noise, t))
        row = (recorded(S), *new._replace(carry=recorded(new.carry)))
        unknown = unknown & (rest != 0).any(0)
        own = _recorded(own, t, (E, basis, solution, rest, S))
        return new.carry, basis, unknown, _recorded(buffers, t, row), own

    def going(state: tuple[Any, ...]) -> Array:
        t, _, E = state[:3]
        return (t < steps) & (E != 0).any()

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        t, S, E, *others = state
        A = at(system.A, t)
        return (t + 1, *updated(t, RootForm.predict(S, A, at(Q, t)), moved_basis(E, A), *others))

    shapes = ((n, d), (n, d), (d, p), (d, d), (n, n))
    own = tuple(jnp.zeros((steps, *shape), dtype) for shape in shapes)
    everything = jnp.ones(d, bool)
    start = (RootForm.enter(system.P), system.basis, everything, _empty(system, steps), own)
    state = (jnp.ones((), jnp.int32), *updated(0, *start))
    t, S, _, unknown, buffers, own = jax.lax.while_loop(going, step, state)
    return t, recorded(S), buffers, DiffusePhase(*own, steps=t, unknown=unknown)


def _empty(system: LinearSystem, steps: int) -> Buffers:
    p, n = system.y.shape[1], system.P.shape[0]
    shapes = ((n, n), (n, n), (n, p), (p, p), (), ())
    return tuple(jnp.zeros((steps, *shape), system.P.dtype) for shape in shapes)


def _recorded(buffers: Buffers, t: int | Array, rows: tuple[Array, ...]) -> Buffers:
    return tuple(buffer.at[t].set(row) for buffer, row in zip(buffers, rows, strict=True))
