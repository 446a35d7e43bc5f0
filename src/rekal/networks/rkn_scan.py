"""The recursion of a Recurrent Kalman Network over time, with a gradient written by hand.

Forward, at every step: mix the transition out of its bases, propagate mean and factorised covariance, add
noise and control, update with the encoded observation (Becker et al. 2019, equations 4 to 9).

    alpha = softmax(rest(W z + g_t)),  blocks = sum_k alpha_k bases_k
    p, q, u, l, s  <-  propagate(blocks, ...) + (control, noise)
    d = 1 / (u + r),   k = seen u d,   h = seen s d,   e = w - p
    p + k e,   q + h e,   (1 - k) u,   l - h s,   (1 - k) s

A step of another length tau has `A = I + tau (sum_k alpha_k bases_k - I)` and noise `tau Q`: the identity
joins the bases with the coefficient `1 - tau`.

Backward, the update has `dk = seen (gp e - gu u - gs s)`, `dh = seen (gq e - gl s)`, and from these

    dw = -dp' = seen (k gp + h gq),     dr = -(dk u + dh s) d²
    du = (1 - k) gu + dk d + dr,        ds = (1 - k) gs - h gl + dh d

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
        var: `r`, positive and finite.
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
    return _mixed(dynamics.bases, alpha, row.length), alpha


def predict(dynamics: Dynamics, x: Moments, row: Steps) -> tuple[Moments, Array]:
    """One step through time; `row` is one step of `Steps`. Also returns alpha."""
    blocks, alpha = transition(dynamics, x, row)
    moved = propagate(blocks, x, alpha.shape[1])
    upper, lower = process_noise(dynamics.noise, row.length, alpha.shape[1])
    p, q = (
        moved[:2] if row.control is None else (moved.p + row.control[0], moved.q + row.control[1])
    )
    return Moments(p, q, moved.u + upper, moved.l + lower, moved.s), alpha


def update(x: Moments, mean: Array, var: Array, seen: Array | float) -> Moments:
    """An observation of `p` with the given mean and variance enters.

    In exact arithmetic `l - h s >= (1 - k) s²/u`; it is held there, so that rounding leaves the two by two
    covariances positive semidefinite.
    """
    d = 1 / (x.u + var)
    k, h = seen * x.u * d, seen * x.s * d
    e = mean - x.p
    s = (1 - k) * x.s
    lower = jnp.maximum(x.l - h * x.s, s * x.s / x.u)
    return Moments(x.p + k * e, x.q + h * e, (1 - k) * x.u, lower, s)


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
    table = dynamics.bases.reshape(len(dynamics.bases), -1)
    before = jax.tree.map(lambda a, z: jnp.concatenate([z[None], a[:-1]]), posterior, start)
    batch = alphas.shape[-1]

    def step(carry: Any, row: Any) -> Any:
        g, d_bases, d_head = carry
        given, given_prior, x, prior, alpha, entered = row
        g, d_mean, d_var = _through_update(_add(g, given), prior, entered)
        if want_prior:
            g = _add(g, given_prior)
        d_blocks, back = pull_back(_mixed(dynamics.bases, alpha, entered.length), x, g, batch)
        d_mixed = d_blocks.reshape(-1, batch)
        if entered.length is not None:
            d_mixed = d_mixed * entered.length
        d_bases = d_bases + alpha @ d_mixed.T
        hidden = _hidden(dynamics.state, x, entered.known)
        through_head = jax.vjp(lambda head, h: head(h), dynamics.head, hidden)[1]
        d_head_now, d_hidden = through_head(table @ d_mixed)
        d_head = jax.tree.map(jnp.add, d_head, d_head_now)
        if dynamics.state is not None:
            p, q = (dynamics.state.T @ d_hidden).reshape(2, -1)
            back = back._replace(p=back.p + p, q=back.q + q)
        tau = 1.0 if entered.length is None else _spread(entered.length, g.u)
        out = (d_mean, d_var, d_hidden, (g.u * tau, g.l * tau), (g.p, g.q))
        return (back, d_bases, d_head), out

    zero = jax.tree.map(jnp.zeros_like, (start, table, dynamics.head))
    rows = (cotangents[0], cotangents[1], before, prior, alphas, steps)
    (d_start, d_bases, d_head), out = jax.lax.scan(step, zero, rows, reverse=True)
    d_mean, d_var, d_hidden, d_noise, d_control = out
    d_state = None
    if dynamics.state is not None:
        state = jnp.stack([before.p, before.q], 1).reshape(len(d_mean), -1, batch)
        d_state = jnp.einsum("thb,tsb->hs", d_hidden, state)
    latent = dynamics.bases.shape[-1]
    d_noise = jnp.stack([each.reshape(-1, latent, batch).sum((0, 2)) for each in d_noise])
    d_steps = Steps(
        d_hidden,
        d_mean,
        d_var,
        jnp.zeros_like(steps.seen),
        None if steps.control is None else jnp.stack(d_control, 1),
        None if steps.length is None else jnp.zeros_like(steps.length),
    )
    d_dynamics = Dynamics(d_bases.reshape(dynamics.bases.shape), d_state, d_head, d_noise)
    return d_dynamics, d_start, d_steps


scan_rkn.defvjp(_forward, _backward)


def _through_update(g: Moments, prior: Moments, row: Steps) -> tuple[Moments, Array, Array]:
    """Cotangents of the belief before an update, of its observation and of the variance of that."""
    d = 1 / (prior.u + row.var)
    k, h = row.seen * prior.u * d, row.seen * prior.s * d
    e = row.mean - prior.p
    d_k = row.seen * (g.p * e - g.u * prior.u - g.s * prior.s)
    d_h = row.seen * (g.q * e - g.l * prior.s)
    d_mean = k * g.p + h * g.q
    d_var = -(d_k * prior.u + d_h * prior.s) * d * d
    u = (1 - k) * g.u + d_k * d + d_var
    s = (1 - k) * g.s - h * g.l + d_h * d
    return Moments(g.p - d_mean, g.q, u, g.l, s), d_mean, d_var


def _hidden(state: Array | None, x: Moments, known: Array) -> Array:
    """First layer of the coefficient network."""
    if state is None:
        return known
    return state @ jnp.concatenate([x.p, x.q]).reshape(-1, known.shape[-1]) + known


def _mixed(bases: Array, alpha: Array, length: Array | None) -> Blocks:
    """The transition of each series, `(4, diagonals, latent * batch)`."""
    table = bases.reshape(len(bases), -1)
    if length is not None:
        width = bases.shape[2]
        identity = jnp.zeros_like(bases[0]).at[jnp.array([0, 3]), width // 2].set(1)
        table = jnp.concatenate([table, identity.reshape(1, -1)])
        alpha = jnp.concatenate([alpha * length, 1 - length[None]])
    return (table.T @ alpha).reshape(4, bases.shape[2], -1)


def process_noise(noise: Array, length: Array | None, batch: int) -> Float[Array, "2 flat"]:
    """Process variances of `p` and `q` for a step of some length."""
    if length is None:
        return jnp.repeat(noise, batch, axis=1)
    return (noise[:, :, None] * length).reshape(2, -1)


def _spread(length: Array, like: Array) -> Array:
    return jnp.tile(length, len(like) // len(length))


def _add(a: Moments, b: Moments) -> Moments:
    return jax.tree.map(jnp.add, a, b)
