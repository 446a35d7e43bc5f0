"""The recursion of a Recurrent Kalman Network over time, with a gradient written by hand.

Forward, at every step, an observation enters and the belief after it is propagated (`networks/rkn/cell.py`,
whose names are used here). Backward, the update has `dk = seen (gp e - gu u - gs s)`,
`dh = seen (gq e - gl s)`, and from these

    dw = -dp' = k gp + h gq,                     dr = -(dk u + dh s) d²
    du = (1 - k) gu + (dk r - dh s) d²,          ds = (1 - k) gs - h gl + dh d

Kept of the forward pass: the beliefs before and after each update, and what the first layer of the
coefficient network told. The transitions, the bulk, are mixed again. The gradient of the bases is summed up
inside the loop; that of the first layer is one product over all steps afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from rekalman.networks.rkn.banded import Moments, pull_back
from rekalman.networks.rkn.cell import (
    Dynamics,
    Move,
    Steps,
    gains,
    mixed,
    predict,
    rows_of,
    shares,
    update,
)
from rekalman.networks.rkn.lanes import cut, fill

ROWS = 16  # the table of bases is padded to a multiple of as many rows: left-over rows slow a product down


def scan_rkn(
    dynamics: Dynamics, first: Moments, steps: Steps, want_prior: bool
) -> tuple[Moments, Moments | None]:
    """Beliefs after and before every update, parts `(time, batch, latent)`.

    Args:
        dynamics: the parameters.
        first: the belief before the first update; what is known of the transition into it has no effect.
        steps: what enters.
        want_prior: whether the beliefs before the updates are wanted; else None stands for them.
    """
    latent = first.p.shape[-1]
    result: Any = _scan(*fill(dynamics, first, steps), want_prior)
    posterior, prior = result
    return cut(posterior, latent), None if prior is None else cut(prior, latent)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _scan(
    dynamics: Dynamics, first: Moments, steps: Steps, want_prior: bool
) -> tuple[Moments, Moments | None]:
    return _forward(dynamics, first, steps, want_prior)[0]


def _forward(
    dynamics: Dynamics, first: Moments, steps: Steps, want_prior: bool
) -> tuple[tuple[Moments, Moments | None], Any]:
    def step(prior: Moments, row: tuple[Steps, Move]) -> tuple[Moments, tuple[Any, ...]]:
        entered, onward = row
        posterior = update(prior, entered.mean, entered.var, entered.seen)
        following, hidden = predict(dynamics, posterior, onward)
        return following, (posterior, prior, hidden)

    onward = jax.tree.map(_earlier, steps.move)
    _, (posterior, prior, hidden) = jax.lax.scan(step, first, (steps, onward))
    out = (posterior, prior if want_prior else None)
    return out, (dynamics, steps, posterior, prior, hidden)


def _backward(want_prior: bool, retained: Any, cotangents: Any) -> tuple[Dynamics, Moments, Steps]:
    dynamics, steps, posterior, prior, hidden = retained
    table = rows_of(dynamics.bases, steps.move.length)
    padded = jnp.pad(table, ((0, -len(table) % ROWS), (0, 0)))

    def step(carry: Any, row: Any) -> Any:
        g, d_table, d_head, d_noise = carry
        given, given_prior, x, prior, hidden, entered, (_, control, tau) = row
        d_control = None if control is None else jnp.stack([g.p, g.q], 1)
        d_noise_now = jnp.stack([(d if tau is None else d * tau).sum(0) for d in (g.u, g.l)])
        alpha, of_head = jax.vjp(lambda head, h: head(h), dynamics.head, hidden)
        weights, of_weights = jax.vjp(shares, alpha, tau)
        d_blocks, back = pull_back(mixed(table, weights, dynamics.bases.shape), x, g)
        d_mixed = d_blocks.reshape(len(alpha), -1)
        d_alpha, d_length = of_weights((d_mixed @ padded.T)[:, : len(table)])
        if tau is not None:
            noise = (jnp.stack([g.u, g.l], 1) * dynamics.noise).sum((1, 2))
            d_length = d_length + noise[:, None]
        d_head_now, d_hidden = of_head(d_alpha)
        if dynamics.state is not None:
            p, q = jnp.split(d_hidden @ dynamics.state.T, 2, 1)
            back = back._replace(p=back.p + p, q=back.q + q)
        d_table = d_table + weights.T @ d_mixed
        d_head, d_noise = _add((d_head, d_noise), (d_head_now, d_noise_now))
        g, d_mean, d_var = _through_update(_add(back, given), prior, entered)
        if want_prior:
            g = _add(g, given_prior)
        return (g, d_table, d_head, d_noise), (Move(d_hidden, d_control, d_length), d_mean, d_var)

    first = jax.tree.map(lambda part: part[0], prior)
    zero = jax.tree.map(jnp.zeros_like, (first, table, dynamics.head, dynamics.noise))
    onward = jax.tree.map(_earlier, steps.move)
    rows = (*cotangents, posterior, prior, hidden, steps._replace(move=None), onward)
    carry, (d_onward, d_mean, d_var) = jax.lax.scan(step, zero, rows, reverse=True)
    d_first, d_table, d_head, d_noise = carry
    d_state = None
    if dynamics.state is not None:
        state = jnp.concatenate([posterior.p, posterior.q], -1)
        d_state = jnp.einsum("tbs,tbh->sh", state, d_onward.known)
    d_bases = d_table[: len(dynamics.bases)].reshape(dynamics.bases.shape)
    d_steps = Steps(jax.tree.map(_later, d_onward), d_mean, d_var, jnp.zeros_like(steps.seen))
    return Dynamics(d_bases, d_state, d_head, d_noise), d_first, d_steps


_scan.defvjp(_forward, _backward)


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


def _earlier(x: Array) -> Array:
    """Each row one place earlier; zeros stand in the last, where the recursion takes a step to nowhere."""
    return jnp.concatenate([x[1:], jnp.zeros_like(x[:1])])


def _later(x: Array) -> Array:
    """The transpose of `_earlier`."""
    return jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])


def _add(a: PyTree, b: PyTree) -> Any:
    return jax.tree.map(jnp.add, a, b)
