r"""The exact log-likelihood of a linear model, with its gradient in closed form.

Automatic differentiation of a filter keeps every intermediate of every step and takes four to seven times
the forward pass. The adjoint of the smoother (`smoothers/adjoint.py`) gives the same gradient from one
backward pass (Koopman and Shephard 1992, without the inverse of `Q`): with `r, N` at the predicted mean and

    u_t = U'e_t - K_t'A_{t+1}'r_{t+1},   Delta_t = U'U + K'A'N_{t+1}A K,   Gamma_t = Delta_t C - K'A'N_{t+1}A,

    dL/dA_t = r_t x_{t-1}' + (r r' - N)_t A_t P_{t-1},    dL/dQ_t = (r r' - N)_t / 2,   dL/d drift_t = r_t,
    dL/dC_t = u_t x_{t|T}' - Gamma_t P_t^-,               dL/dR_t = (u u' - Delta)_t / 2,   dL/dy_t = -u_t,
    dL/dm = r_1,                                          dL/dP = (r r' - N)_1 / 2.

A diffuse start adds what the unknown coordinates share with the noise, `X'E_{t-1}'` to the slope in `A_t` and
`Y'E_t'` to that in `C_t` (`smoothers/diffuse.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means, each, product, small
from rekalman.filters.kalman.paths import evidence
from rekalman.filters.kalman.solution import solve
from rekalman.filters.kalman.system import LinearSystem, at
from rekalman.models.gaussian import LOG_2PI
from rekalman.smoothers.adjoint import Step, curvatures, every_curvature, gradients, smoothed_means
from rekalman.smoothers.diffuse import unknown_spread


def log_likelihood(system: LinearSystem, form: Form) -> Float[Array, ""]:
    """Log-likelihood of one series in nats; differentiable in every array of the system."""
    return _log_likelihood(form, system)


def _forward(form: Form, system: LinearSystem) -> tuple[Array, tuple[LinearSystem, Gains, Means]]:
    solution = solve(system, form)
    return _value(system, *solution), (system, *solution)


def _value(system: LinearSystem, result: Gains, run: Means) -> Float[Array, ""]:
    return jnp.where(_real(system)[:, None], evidence(system, result, run), 0.0).sum()


@eqx.filter_jit
def score(
    form: Form, system: LinearSystem, result: Gains, run: Means
) -> tuple[Float[Array, ""], LinearSystem]:
    """The log-likelihood of a series that has been filtered, and its gradient.

    Args:
        form: how covariances are carried.
        system: the model and the data.
        result: the gains.
        run: the means.

    Returns:
        The value, and its slope in every array of the system but `settled`, which has none.
    """
    (slopes,) = _backward(form, (system, result, run), jnp.ones((), system.P.dtype))
    return _value(system, result, run), slopes._replace(settled=None)


def _real(system: LinearSystem) -> Bool[Array, " steps"]:
    """The steps up to the last at which something was observed: those after it say nothing."""
    return jnp.flip(jnp.cumsum(jnp.flip(system.seen))) > 0


def _backward(
    form: Form, saved: tuple[LinearSystem, Gains, Means], slope: Float[Array, ""]
) -> tuple[LinearSystem]:
    system, result, run = saved
    real = _real(system)
    length = real.sum(dtype=jnp.int32)
    run = run._replace(white=jnp.where(real[:, None, None], run.white, 0.0))
    leave = jax.vmap(form.leave)
    prior, posterior = leave(result.prior), leave(result.posterior)
    spread = _spread(system, result, prior, posterior, length)

    r = gradients(system, result, run)
    later = system.A[1:] if system.A.shape[0] > 1 else system.A
    before = jnp.concatenate([each(later.mT, r[1:]), jnp.zeros_like(r[:1])])
    u = each(result.whitener.mT[result.where], run.white) - each(
        result.gain.mT[result.where], before
    )
    smoothed = smoothed_means(system, result, run, prior, r, length)
    gradient = LinearSystem(
        A=_over_time(r[1:], smoothed[:-1].mT, system.A, first=False) - spread.A,
        Q=0.5 * (_over_time(r[1:], r[1:].mT, system.Q, first=False) - spread.Q),
        C=_over_time(u, smoothed.mT, system.C) - spread.C,
        noise=0.5 * (_summed((u * u).sum(-1), system.noise) - spread.noise),
        y=-u,
        drift=_summed(r[1:], system.drift, first=False),
        start=r[0],
        P=0.5 * (r[0] @ r[0].T - spread.P),
        basis=jnp.zeros_like(system.basis),
        seen=jnp.where(real, -0.5 * LOG_2PI, 0.0).astype(system.seen.dtype),
        settled=jnp.zeros(()),
    )
    if result.diffuse is not None:
        phase = result.diffuse
        N = every_curvature(system, result, run, length)
        law = unknown_spread(system, result, N, length)
        gradient = gradient._replace(
            A=gradient.A
            + _over_time(law.slope[1:].mT, phase.posterior[:-1].mT, system.A, first=False),
            C=gradient.C + _over_time(law.noise_slope.mT, phase.prior.mT, system.C),
        )
    gradient = jax.tree.map(lambda leaf: slope * leaf, gradient)
    return (gradient._replace(settled=np.zeros((), jax.dtypes.float0)),)


class Spread(NamedTuple):
    """What the curvature takes from the gradient of each block."""

    A: Float[Array, "times_A n n"]
    Q: Float[Array, "times_Q n n"]
    C: Float[Array, "times_C p n"]
    noise: Float[Array, "times_C p"]
    P: Float[Array, "n n"]


def _spread(
    system: LinearSystem,
    result: Gains,
    prior: Float[Array, "steps n n"],
    posterior: Float[Array, "steps n n"],
    length: Int[Array, ""],
) -> Spread:
    """`N_t A_t P_{t-1}`, `N_t`, `Gamma_t P_t^-` and the diagonal of `Delta_t`, summed where constant."""

    def sink(sums: Spread, t: Array, step: Step) -> Spread:
        i = result.where[t]
        C, K, U = at(system.C, i), result.gain[i], result.whitener[i]
        KN = product(K.T, step.moved)
        Delta = product(U.T, U) + product(KN, K)
        Gamma = product(Delta, C) - KN
        inner = step.times * (t > 0)
        A_P = product(at(system.A, t), posterior[result.where[jnp.maximum(t - 1, 0)]])
        return Spread(
            _sunk(sums.A, t, product(step.N, A_P), inner),
            _sunk(sums.Q, t, step.N, inner),
            _sunk(sums.C, t, product(Gamma, prior[i]), step.times),
            _sunk(sums.noise, t, jnp.diagonal(Delta), step.times),
            step.N,
        )

    like = (system.A, system.Q, system.C, system.noise, system.P)
    spread, where = curvatures(system, result, sink, Spread(*map(jnp.zeros_like, like)), length)
    # Where a block is given step by step, skipped steps have the share of the one they were skipped at.
    every = lambda sums: sums if sums.shape[0] == 1 else sums[where]  # noqa: E731
    return spread._replace(C=every(spread.C), noise=every(spread.noise))


def _sunk(
    sums: Float[Array, "times ..."], t: Array, row: Array, times: Array
) -> Float[Array, "times ..."]:
    """A step's share: added up where the block is constant, kept where it changes."""
    if sums.shape[0] == 1:
        return sums + times * row
    return sums.at[t].set(jnp.where(times > 0, row, 0.0))


def _summed(rows: Float[Array, "t ..."], like: Float[Array, "u ..."], first: bool = True) -> Array:
    """The gradient of a block: a sum over time where the block is constant.

    The rows of a block that acts on the step into `t` (`first` is False) begin at the second step.
    """
    if like.shape[0] == 1:
        return rows.sum(0, keepdims=True)
    return rows if first else jnp.concatenate([jnp.zeros_like(rows[:1]), rows])


def _over_time(
    left: Float[Array, "t a b"],
    right: Float[Array, "t b c"],
    like: Float[Array, "u a c"],
    first: bool = True,
) -> Array:
    """Products along time, or their sum, which is one matrix product, where the block is constant."""
    if like.shape[0] == 1:
        return jnp.einsum("tab,tbc->ac", left, right)[None]
    return _summed(small(left, right), like, first)


_log_likelihood = jax.custom_vjp(
    lambda form, system: _forward(form, system)[0], nondiff_argnums=(0,)
)
_log_likelihood.defvjp(_forward, _backward)
