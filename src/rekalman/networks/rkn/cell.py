"""One step of a Recurrent Kalman Network: a transition mixed out of bases, then an observation.

The transition is mixed out of its bases, mean and factorised covariance are propagated, noise and control are
added, and an encoded observation enters (Becker et al. 2019, equations 4 to 9).

    alpha = softmax(rest(W z + g_t)),  blocks = sum_k alpha_k bases_k
    p, q, u, l, s  <-  propagate(blocks, ...) + (control, noise)
    d = 1 / (u + r),   k = seen u d,   h = seen s d,   e = w - p
    p + k e,   q + h e,   (1 - k) u,   l - h s,   (1 - k) s,   where 1 - k = r d if seen

A step of another length tau has `A = I + tau (sum_k alpha_k bases_k - I)` and noise `tau Q`: the identity
joins the bases with the coefficient `1 - tau`.

In exact arithmetic every covariance `[[u, s], [s, l]]` stays positive definite. Rounding can spoil that where
`u`, `l` or `u l - s²` are small differences of large numbers. There they are held, and the gradient remains
that of the exact recursion.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from rekalman.networks.rkn.banded import Blocks, Moments, propagate

SURE = 1e-6  # a correlation is held to 1 - SURE: some units in the last place of float32


class Dynamics(NamedTuple):
    """The parameters of the recursion.

    Attributes:
        bases: `(bases, 4, diagonals, latent)`.
        state: first layer of the coefficient network, `(2 latent, hidden)`, or None.
        head: `hidden -> alpha`, a callable pytree.
        noise: process variances of `p` and of `q`.
    """

    bases: Float[Array, "bases 4 diagonals latent"]
    state: Float[Array, "states hidden"] | None
    head: PyTree
    noise: Float[Array, "2 latent"]


class Move(NamedTuple):
    """What is known of a transition.

    Attributes:
        known: `g_t`.
        control: added to the mean, or None.
        length: of the step, or None = 1.
    """

    known: Float[Array, "*time batch hidden"]
    control: Float[Array, "*time batch 2 latent"] | None = None
    length: Float[Array, "*time batch 1"] | None = None


class Steps(NamedTuple):
    """What enters at each step.

    Attributes:
        move: of the transition into the step.
        mean: `w`.
        var: `r`, positive, and within what float32 can square or divide by.
        seen: 1 where there was an observation, else 0.
    """

    move: Move
    mean: Float[Array, "*time batch latent"]
    var: Float[Array, "*time batch latent"]
    seen: Float[Array, "*time batch 1"]


def transition(dynamics: Dynamics, x: Moments, move: Move) -> tuple[Blocks, Array]:
    """The matrix that leads out of a belief, and the first layer `(batch, hidden)` that mixed it."""
    hidden = first_layer(dynamics.state, x, move.known)
    weights = shares(dynamics.head(hidden), move.length)
    return mixed(rows_of(dynamics.bases, move.length), weights, dynamics.bases.shape), hidden


def predict(dynamics: Dynamics, x: Moments, move: Move) -> tuple[Moments, Array]:
    """One step through time. Also returns the first layer of the coefficient network."""
    blocks, hidden = transition(dynamics, x, move)
    p, q, u, l, s = propagate(blocks, x)  # noqa: E741
    if move.control is not None:
        p, q = p + move.control[:, 0], q + move.control[:, 1]
    upper, lower = process_noise(dynamics.noise, move.length)
    u, l = _held(u, 0.0, None) + upper, _held(l, 0.0, None) + lower  # noqa: E741
    most = (1 - SURE) * jnp.sqrt(u * l)
    return Moments(p, q, u, l, _held(s, -most, most)), hidden


def update(x: Moments, mean: Array, var: Array, seen: Array) -> Moments:
    """An observation of `p` with the given mean and variance enters where `seen` is 1.

    `l` is held at `(1 - k) s²/u`, which in exact arithmetic it exceeds.
    """
    k, h, keep, _ = gains(x.u, x.s, var, seen)
    e = mean - x.p
    s = keep * x.s
    lower = _held(x.l - h * x.s, (1 + SURE) * s * (x.s / x.u), None)
    return Moments(x.p + k * e, x.q + h * e, keep * x.u, lower, s)


def gains(u: Array, s: Array, var: Array, seen: Array) -> tuple[Array, Array, Array, Array]:
    """`k`, `h`, `1 - k` (as no difference, which would cancel where `var` is small) and `d`."""
    d = 1 / (u + var)
    return seen * u * d, seen * s * d, (1 - seen) + seen * (var * d), d


@jax.custom_jvp
def _held(x: Array, least: Array | float, most: Array | None) -> Array:
    """`x` within bounds that only rounding can make it leave; its derivative is that of `x`."""
    return jnp.clip(x, least, most)


@_held.defjvp
def _(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return _held(*primals), tangents[0]


def first_layer(state: Array | None, x: Moments, known: Array) -> Array:
    """First layer of the coefficient network."""
    return known if state is None else jnp.concatenate([x.p, x.q], 1) @ state + known


def rows_of(bases: Array, length: Array | None) -> Float[Array, "rows entries"]:
    """The bases as rows; steps of other lengths need the identity too, as the last one."""
    table = bases.reshape(len(bases), -1)
    if length is None:
        return table
    identity = jnp.zeros_like(bases[0]).at[jnp.array([0, 3]), bases.shape[2] // 2].set(1)
    return jnp.concatenate([table, identity.reshape(1, -1)])


def shares(alpha: Array, length: Array | None) -> Float[Array, "batch rows"]:
    """How much of each row of the table enters."""
    return alpha if length is None else jnp.concatenate([alpha * length, 1 - length], 1)


def mixed(table: Array, weights: Array, shape: tuple[int, ...]) -> Blocks:
    """The transition of each series, from bases of the given shape."""
    return (weights @ table).reshape(-1, *shape[1:])


def process_noise(noise: Array, length: Array | None) -> tuple[Array, Array]:
    """Process variances of `p` and `q`, `(latent,)`; for steps of some lengths `(..., batch, latent)`."""
    upper, lower = noise
    return (upper, lower) if length is None else (upper * length, lower * length)
