r"""What later data say, carried backwards: the adjoint form of the Rauch-Tung-Striebel smoother.

Let `r_t` and `-N_t` be the gradient and the curvature of the log-likelihood of `y_t ... y_T` with respect to
the predicted mean at `t`. With the white innovations `e_t = U_t (y_t - C_t x_t^-)` and `Phi_t = A_{t+1} J_t`

    r_t = C'U'e_t + Phi_t' r_{t+1},    N_t = C'U'U C + Phi_t' N_{t+1} Phi_t

(Bryson and Frazier 1963; de Jong 1989), and the smoothed moments are `x^- + P^- r` and `P^- - P^- N P^-`. No
covariance is inverted, so singular ones are fine, and the same two quantities give the gradient of the
likelihood with respect to every parameter (`learning/score.py`).

While the gains are settled, so is `N`, from either end of its own transient: the loop jumps over the middle.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekal.filters.forms import CovarianceForm, Form
from rekal.filters.gains import ROUNDING, Gains
from rekal.filters.means import Means, each, small
from rekal.filters.system import LinearSystem, at


class Adjoint(NamedTuple):
    """Gradient (as columns) and curvature of the later log-likelihood at every step."""

    r: Float[Array, "steps n columns"]
    N: Float[Array, "steps n n"]


def adjoint(
    system: LinearSystem, found: Gains, run: Means, length: Int[Array, ""] | int | None = None
) -> Adjoint:
    """Run both recursions from the end of a series to its beginning.

    Args:
        system: the model and the data.
        found: the gains.
        run: the means.
        length: number of real steps; later ones are padding and count for nothing.
    """
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    last = jnp.asarray(steps if length is None else length, jnp.int32) - 1
    J = jnp.eye(n, dtype=dtype) - small(found.gain, system.C)
    UC = small(found.whitener, system.C)
    information = small(UC.mT, UC)
    tolerance = ROUNDING * jnp.finfo(dtype).eps

    def backwards(state: tuple[Array, ...]) -> tuple[Array, ...]:
        t, later, end, buffer = state
        i = found.where[t]
        after = jnp.minimum(t + 1, steps - 1)
        Phi = _product(at(system.A, after), J[i])
        N = information[i] + _product(_product(Phi.T, later), Phi)
        N = 0.5 * (N + N.T)
        still = jnp.max(jnp.abs(N - later), initial=0.0) <= tolerance * jnp.max(N, initial=0.0)
        jump = still & (t >= found.worked) & (end < 0)
        return (
            jnp.where(jump, found.worked - 2, t - 1),
            N,
            jnp.where(jump, t, end),
            buffer.at[t].set(N),
        )

    start = (last, jnp.zeros((n, n), dtype), jnp.asarray(-1), jnp.zeros((steps, n, n), dtype))
    _, _, end, buffer = jax.lax.while_loop(lambda state: state[0] >= 0, backwards, start)
    where = jnp.arange(steps)
    skipped = (where >= found.worked - 1) & (where <= end)
    N = buffer[jnp.where(skipped, end, where)]

    white = jnp.where((where <= last)[:, None, None], run.white, 0.0)
    push = each(UC.mT[found.where], white)
    tail = J[found.where].mT

    def step(r: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        A, J_t, push = row
        r = J_t @ (A.T @ r) + push if r.shape[1] > 1 else _twice(J_t, A, r) + push
        return r, r

    A = jnp.broadcast_to(system.A, (steps, n, n))
    after = jnp.concatenate([A[1:], A[-1:]])
    _, r = jax.lax.scan(step, jnp.zeros_like(push[0]), (after, tail, push), reverse=True)
    return Adjoint(r, N)


class LinearSmoothed(NamedTuple):
    """Smoothed moments, the columns of a diffuse start still apart.

    Attributes:
        mean: columns of the smoothed mean.
        cov: covariance given the diffuse coordinates.
        lag: `Cov(x_t, x_{t-1})` given them; the first step has none (zero).
    """

    mean: Float[Array, "steps n columns"]
    cov: Float[Array, "steps n n"]
    lag: Float[Array, "steps n n"]


def smooth_linear(
    system: LinearSystem,
    found: Gains,
    run: Means,
    form: Form = CovarianceForm,
    length: Int[Array, ""] | int | None = None,
) -> LinearSmoothed:
    """Smoothed moments of one series from the adjoint."""
    back = adjoint(system, found, run, length)
    leave = jax.vmap(form.leave)
    prior, posterior = leave(found.prior)[found.where], leave(found.posterior)[found.where]
    NP = small(back.N, prior)
    cov = prior - small(prior, NP)
    A = system.A[1:] if system.A.shape[0] > 1 else system.A
    gained = small(A, posterior[:-1])
    lag = gained - small(NP[1:].mT, gained)
    lag = jnp.concatenate([jnp.zeros_like(lag[:1]), lag])
    return LinearSmoothed(run.prior + each(prior, back.r), 0.5 * (cov + cov.mT), lag)


def _product(left: Float[Array, "n n"], right: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return small(left[None], right[None])[0]


def _twice(J_t: Array, A: Array, r: Float[Array, "n one"]) -> Float[Array, "n one"]:
    """`J' A' r` of a single column."""
    inner = (A * r).sum(0)
    return (J_t * inner[None, :]).sum(-1)[:, None]
