"""The recursion of a Recurrent Kalman Network over time, with a gradient written by hand.

Forward, at every step: mix the transition out of its bases, propagate mean and factorised covariance, add
noise and control, update with the encoded observation (Becker et al. 2019, equations 4 to 9).

    alpha = softmax(rest(W z + g_t)),  blocks = sum_k alpha_k bases_k
    p, q, u, l, s  <-  propagate(blocks, ...) + (control, noise)
    d = 1 / (u + r),   k = seen u d,   h = seen s d,   e = w - p
    p + k e,   q + h e,   (1 - k) u,   l - h s,   (1 - k) s,   where 1 - k = r d if seen

A step of another length tau has `A = I + tau (sum_k alpha_k bases_k - I)` and noise `tau Q`: the identity
joins the bases with the coefficient `1 - tau`.

Backward, the update has `dk = seen (gp e - gu u - gs s)`, `dh = seen (gq e - gl s)`, and from these

    dw = -dp' = k gp + h gq,                     dr = -(dk u + dh s) d²
    du = (1 - k) gu + (dk r - dh s) d²,          ds = (1 - k) gs - h gl + dh d

In exact arithmetic every covariance `[[u, s], [s, l]]` stays positive definite. Rounding can spoil that where
`u`, `l` or `u l - s²` are small differences of large numbers. There they are held, and the gradient remains
that of the exact recursion.

Kept of the forward pass: the beliefs before and after each update, and alpha. The transitions, the bulk, are
mixed again. The gradient of the bases is summed up inside the loop; that of the first layer of the
coefficient network is one product over all steps afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from rekal.networks.banded import Blocks, Moments, propagate, pull_back

SURE = 1e-6  # a correlation is held to 1 - SURE: some units in the last place of float32


class Dynamics(NamedTuple):
    """The parameters of the recursion.

    Attributes:
        bases: `(bases, 4, diagonals, latent)`.
        state: first layer of the coefficient network, `(hidden, 2 latent)`, or None.
        head: `hidden -> alpha`, a callable pytree.
        noise: process variances of `p` and of `q`.
    """

    bases: Float[Array, "bases 4 diagonals latent"]
    state: Float[Array, "hidden states"] | None
    head: PyTree
    noise: Float[Array, "2 latent"]


class Steps(NamedTuple):
    """What enters at each step; the flat axis is `latent * batch`.

    Attributes:
        known: `g_t`, `(time, hidden, batch)`.
        mean: `w`.
        var: `r`, positive, and within what float32 can square or divide by.
        seen: 1 where there was an observation, else 0.
        control: added to the mean, `(time, 2, flat)`, or None.
        length: of each step, `(time, batch)`, or None = 1.
    """

    known: Float[Array, "time hidden batch"]
    mean: Float[Array, "time flat"]
    var: Float[Array, "time flat"]
    seen: Float[Array, "time flat"]
    control: Float[Array, "time 2 flat"] | None = None
    length: Float[Array, "time batch"] | None = None


def transition(dynamics: Dynamics, x: Moments, row: Steps) -> tuple[Blocks, Array]:
    """The matrix that leads from a belief into a step, `(4, diagonals, latent * batch)`, and alpha.

    `row` is one step of `Steps`.
    """
    alpha = dynamics.head(_hidden(dynamics.state, x, row.known))
    return _mixed(_table(dynamics.bases, row.length), _weights(alpha, row.length), x), alpha


def predict(dynamics: Dynamics, x: Moments, row: Steps) -> tuple[Moments, Array]:
    """One step through time; `row` is one step of `Steps`. Also returns alpha."""
    blocks, alpha = transition(dynamics, x, row)
    moved = propagate(blocks, x, alpha.shape[1])
    upper, lower = process_noise(dynamics.noise, row.length, alpha.shape[1])
    p, q = (
        moved[:2] if row.control is None else (moved.p + row.control[0], moved.q + row.control[1])
    )
    u, l = _held(moved.u, 0.0, None) + upper, _held(moved.l, 0.0, None) + lower  # noqa: E741
    most = (1 - SURE) * jnp.sqrt(u * l)
    return Moments(p, q, u, l, _held(moved.s, -most, most)), alpha


def update(x: Moments, mean: Array, var: Array, seen: Array) -> Moments:
    """An observation of `p` with the given mean and variance enters where `seen` is 1.

    `l` is held at `(1 - k) s²/u`, which in exact arithmetic it exceeds.
    """
    k, h, keep, _ = gains(x.u, x.s, var, seen)
    e = mean - x.p
    s = keep * x.s
    lower = _held(x.l - h * x.s, (1 + SURE) * s * (x.s / x.u), None)
    return Moments(x.p + k * e, x.q + h * e, keep * x.u, lower, s)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def scan_rkn(
    dynamics: Dynamics, start: Moments, steps: Steps, want_prior: bool
) -> tuple[Moments, Moments | None]:
    """Beliefs after and before every update, parts `(time, flat)`.

    Args:
        dynamics: the parameters.
        start: the belief before the first of the steps, from which it is predicted.
        steps: what enters.
        want_prior: whether the beliefs before the updates are wanted; else None stands for them.
    """
    return _forward(dynamics, start, steps, want_prior)[0]


def _forward(
    dynamics: Dynamics, start: Moments, steps: Steps, want_prior: bool
) -> tuple[tuple[Moments, Moments | None], Any]:
    def step(x: Moments, row: Steps) -> tuple[Moments, tuple[Moments, Moments, Array]]:
        prior, alpha = predict(dynamics, x, row)
        posterior = update(prior, row.mean, row.var, row.seen)
        return posterior, (posterior, prior, alpha)

    _, (posterior, prior, alpha) = jax.lax.scan(step, start, steps)
    out = (posterior, prior if want_prior else None)
    return out, (dynamics, start, steps, posterior, prior, alpha)


def _backward(want_prior: bool, kept: Any, cotangents: Any) -> tuple[Dynamics, Moments, Steps]:
    dynamics, start, steps, posterior, prior, alphas = kept
    before = jax.tree.map(lambda a, z: jnp.concatenate([z[None], a[:-1]]), posterior, start)
    batch = alphas.shape[-1]
    table = _table(dynamics.bases, steps.length)

    def step(carry: Any, row: Any) -> Any:
        g, d_table, d_head, d_noise = carry
        given, given_prior, x, prior, alpha, entered = row
        g, d_mean, d_var = _through_update(_add(g, given), prior, entered)
        if want_prior:
            g = _add(g, given_prior)
        of_noise = jax.vjp(partial(process_noise, batch=batch), dynamics.noise, entered.length)[1]
        d_noise_now, d_length = of_noise(jnp.stack([g.u, g.l]))
        weights, of_weights = jax.vjp(_weights, alpha, entered.length)
        d_blocks, back = pull_back(_mixed(table, weights, x), x, g, batch)
        d_mixed = d_blocks.reshape(-1, batch)
        d_alpha, d_length_too = of_weights(table @ d_mixed)
        hidden = _hidden(dynamics.state, x, entered.known)
        of_head = jax.vjp(lambda head, h: head(h), dynamics.head, hidden)[1]
        d_head_now, d_hidden = of_head(d_alpha)
        if dynamics.state is not None:
            p, q = (dynamics.state.T @ d_hidden).reshape(2, -1)
            back = back._replace(p=back.p + p, q=back.q + q)
        d_table = d_table + weights @ d_mixed.T
        d_head, d_noise = _add((d_head, d_noise), (d_head_now, d_noise_now))
        d_control = None if entered.control is None else jnp.stack([g.p, g.q])
        d_length = _add(d_length, d_length_too)
        unseen = jnp.zeros_like(entered.seen)
        d_entered = Steps(d_hidden, d_mean, d_var, unseen, d_control, d_length)
        return (back, d_table, d_head, d_noise), d_entered

    zero = jax.tree.map(jnp.zeros_like, (start, table, dynamics.head, dynamics.noise))
    rows = (cotangents[0], cotangents[1], before, prior, alphas, steps)
    (d_start, d_table, d_head, d_noise), d_steps = jax.lax.scan(step, zero, rows, reverse=True)
    d_state = None
    if dynamics.state is not None:
        state = jnp.stack([before.p, before.q], 1).reshape(len(alphas), -1, batch)
        d_state = jnp.einsum("thb,tsb->hs", d_steps.known, state)
    d_bases = d_table[: len(dynamics.bases)].reshape(dynamics.bases.shape)
    return Dynamics(d_bases, d_state, d_head, d_noise), d_start, d_steps


scan_rkn.defvjp(_forward, _backward)


def _through_update(g: Moments, prior: Moments, row: Steps) -> tuple[Moments, Array, Array]:
    """Cotangents of the belief before an update, of its observation and of the variance of that."""
    k, h, keep, d = gains(prior.u, prior.s, row.var, row.seen)
    e = row.mean - prior.p
    d_k = row.seen * (g.p * e - g.u * prior.u - g.s * prior.s)
    d_h = row.seen * (g.q * e - g.l * prior.s)
    d_mean = k * g.p + h * g.q
    d_var = -(d_k * prior.u + d_h * prior.s) * d * d
    u = keep * g.u + (d_k * row.var - d_h * prior.s) * d * d
    s = keep * g.s - h * g.l + d_h * d
    return Moments(g.p - d_mean, g.q, u, g.l, s), d_mean, d_var


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


def _hidden(state: Array | None, x: Moments, known: Array) -> Array:
    """First layer of the coefficient network."""
    if state is None:
        return known
    return state @ jnp.concatenate([x.p, x.q]).reshape(-1, known.shape[-1]) + known


def _table(bases: Array, length: Array | None) -> Float[Array, "rows entries"]:
    """The bases as rows; steps of other lengths need the identity too, as the last one."""
    table = bases.reshape(len(bases), -1)
    if length is None:
        return table
    identity = jnp.zeros_like(bases[0]).at[jnp.array([0, 3]), bases.shape[2] // 2].set(1)
    return jnp.concatenate([table, identity.reshape(1, -1)])


def _weights(alpha: Array, length: Array | None) -> Float[Array, "rows batch"]:
    """How much of each row of the table enters."""
    return alpha if length is None else jnp.concatenate([alpha * length, 1 - length[None]])


def _mixed(table: Array, weights: Array, x: Moments) -> Blocks:
    """The transition of each series, `(4, diagonals, latent * batch)`."""
    return (table.T @ weights).reshape(4, -1, len(x.p))


def process_noise(noise: Array, length: Array | None, batch: int) -> Float[Array, "2 flat"]:
    """Process variances of `p` and `q` for a step of some length."""
    if length is None:
        return jnp.repeat(noise, batch, axis=1)
    return (noise[:, :, None] * length).reshape(2, -1)


def _add(a: PyTree, b: PyTree) -> Any:
    return jax.tree.map(jnp.add, a, b)
