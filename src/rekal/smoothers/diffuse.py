r"""What a whole series says of the unknown coordinates of a diffuse start, carried backwards.

Before an observation the state is `x = m + E delta + xi`, `xi ~ N(0, P)` (`filters/diffuse.py`). With `v` the
innovation, `K` its gain and `J = I - K C`, the update left

    delta = Z (v - C xi - eps) + T delta',      xi' = J xi - K eps.

Let `r, N` be gradient and curvature of the log-likelihood at the prior mean (`adjoint.py`), `r', N'` those at
the posterior mean, and

    u = U'U v - K'r',   Delta = U'U + K'N'K,   Gamma = U'U C - K'N'J,

so that given all data `xi` and `eps` have the means `P r` and `R u`, the covariances `P - P N P` and
`R - R Delta R`, and `Cov(xi, eps) = -P Gamma'R`. The mean `b` of `delta`, how it moves with the prior mean
(`X`) and with the mean of the noise (`Y`), and its covariance `V` follow from those of `delta'`:

    b = Z (v - C P r - R u) + T b',
    X = -Z (C - C P N - R Gamma) + T X'J,
    Y = -Z (I - C P Gamma' - R Delta) - T X'K,
    V = Z M Z' + T V'T' + F + F',        F = -Z (C P J' - R K') X''T',
    M = C (P - P N P) C' + R - R Delta R - C P Gamma'R - R Gamma P C'.

`Cov(xi, delta) = P X'` and `Cov(eps, delta) = R Y'` given the data. The smoothed state has the mean
`m + P r + E b` and the covariance `P - P N P + E V E' + E X P + P X'E'`. What no observation fixes stays
unknown: `delta` moves with it by `W = T W'`.

This is the limit of Koopman and Durbin (2003), section 5, in the coordinates of the unknown directions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from rekal.filters.diffuse import DiffusePhase
from rekal.filters.forms import Form
from rekal.filters.gains import Gains
from rekal.filters.means import Means
from rekal.filters.system import LinearSystem, at


class Unknown(NamedTuple):
    """The law of the unknown coordinates given a whole series; zero after the diffuse steps.

    Attributes:
        slope: `X`.
        noise_slope: `Y`.
        cov: `V`.
        left: `W`.
    """

    slope: Float[Array, "steps d n"]
    noise_slope: Float[Array, "steps d p"]
    cov: Float[Array, "steps d d"]
    left: Float[Array, "steps d d"]


def unknown_means(
    system: LinearSystem,
    found: Gains,
    run: Means,
    prior: Float[Array, "steps n n"],
    r: Float[Array, "steps n columns"],
) -> Float[Array, "steps d columns"]:
    """`b` of every step.

    Args:
        system: the model and the data.
        found: the gains, with a diffuse phase.
        run: the means.
        prior: covariances before each worked-out step.
        r: gradients of the adjoint.
    """
    phase = _phase(found)

    def back(t: Array, b: Array) -> Array:
        C, K = at(system.C, t), found.gain[t]
        r_after = _after(system, t, r[_following(t, r)])
        u = found.whitener[t].T @ run.white[t] - K.T @ r_after
        v = system.y[t] - C @ run.prior[t]
        seen = C @ (prior[t] @ r[t]) + at(system.noise, t)[:, None] * u
        return phase.solution[t] @ (v - seen) + phase.rest[t] @ b

    d, columns = phase.rest.shape[1], r.shape[2]
    return _backwards(phase, back, jnp.zeros((d, columns), r.dtype))


def unknown_spread(
    system: LinearSystem,
    found: Gains,
    prior: Float[Array, "steps n n"],
    N: Float[Array, "steps n n"],
) -> Unknown:
    """`X`, `Y`, `V` and `W` of every step.

    Args:
        system: the model and the data.
        found: the gains, with a diffuse phase.
        prior: covariances before each worked-out step.
        N: curvatures of the adjoint.
    """
    phase = _phase(found)
    n, p = found.gain.shape[1:]
    d, dtype = phase.rest.shape[1], N.dtype
    eye = jnp.eye(p, dtype=dtype)

    def back(t: Array, later: Unknown) -> Unknown:
        C, K, U, P = at(system.C, t), found.gain[t], found.whitener[t], prior[t]
        R = jnp.diag(at(system.noise, t))
        Z, T = phase.solution[t], phase.rest[t]
        after = N[_following(t, N)]
        A = at(system.A, _following(t, N))
        last = t == N.shape[0] - 1
        N_after = jnp.where(last, 0.0, A.T @ after @ A)
        X_after = jnp.where(last, 0.0, later.slope @ A)
        J = jnp.eye(n, dtype=dtype) - K @ C
        information = U.T @ U
        Delta = information + K.T @ N_after @ K
        Gamma = information @ C - K.T @ N_after @ J
        CP = C @ P
        crossed = CP @ Gamma.T @ R
        M = CP @ C.T - CP @ N[t] @ CP.T + R - R @ Delta @ R - crossed - crossed.T
        mixed = -Z @ (CP @ J.T - R @ K.T) @ X_after.T @ T.T
        cov = Z @ M @ Z.T + T @ later.cov @ T.T + mixed + mixed.T
        return Unknown(
            slope=-Z @ (C - CP @ N[t] - R @ Gamma) + T @ X_after @ J,
            noise_slope=-Z @ (eye - CP @ Gamma.T - R @ Delta) - T @ X_after @ K,
            cov=0.5 * (cov + cov.T),
            left=T @ later.left,
        )

    nothing = jnp.zeros((d, n), dtype), jnp.zeros((d, p), dtype), jnp.zeros((d, d), dtype)
    start = Unknown(*nothing, jnp.diag(phase.unknown.astype(dtype)))
    return _backwards(phase, back, start)


def smoothed_covariances(
    system: LinearSystem,
    found: Gains,
    form: Form,
    prior: Float[Array, "steps n n"],
    cov: Float[Array, "steps n n"],
    lag: Float[Array, "steps n n"],
    N: Float[Array, "steps n n"],
) -> tuple[Float[Array, "steps n n"], Float[Array, "steps n n"], Float[Array, "steps n d"]]:
    """Smoothed covariances with what is unknown at the start.

    Args:
        system: the model and the data.
        found: the gains, with a diffuse phase.
        form: what their carries are.
        prior: covariances before each worked-out step.
        cov: smoothed covariances given the unknown coordinates.
        lag: `Cov(x_t, x_{t-1})` given them.
        N: curvatures of the adjoint.

    Returns:
        The covariances, those of neighbouring steps, and a basis of the directions that no observation fixes.
    """
    phase = _phase(found)
    law = unknown_spread(system, found, prior, N)
    E, P = phase.prior, prior[found.where]
    along = E @ law.slope @ P
    left = E @ law.left
    left = jnp.where(
        jnp.abs(left) > 64 * jnp.finfo(left.dtype).eps * jnp.abs(E).max(-1, keepdims=True),
        left,
        0.0,
    )
    posterior = jax.vmap(form.leave)(found.posterior)[found.where]
    before = phase.posterior[:-1]
    A = system.A[1:] if system.A.shape[0] > 1 else system.A
    more = (
        E[1:] @ law.cov[1:] @ before.mT
        + P[1:] @ law.slope[1:].mT @ before.mT
        + E[1:] @ law.slope[1:] @ A @ posterior[:-1]
    )
    return cov + E @ law.cov @ E.mT + along + along.mT, lag.at[1:].add(more), left


def _phase(found: Gains) -> DiffusePhase:
    assert found.diffuse is not None
    return found.diffuse


def _following(t: Array, rows: Array) -> Array:
    return jnp.minimum(t + 1, rows.shape[0] - 1)


def _after(system: LinearSystem, t: Array, r: Array) -> Array:
    """The gradient at the posterior mean of step `t`, from that at the prior mean of the next."""
    steps = system.y.shape[0]
    A = at(system.A, jnp.minimum(t + 1, steps - 1))
    return jnp.where(t == steps - 1, 0.0, A.T @ r)


def _backwards(
    phase: DiffusePhase,
    back: Callable[[Array, Any], Any],
    start: PyTree,
) -> PyTree:
    """Run a recursion from the last diffuse step to the first and record it."""
    steps = phase.rest.shape[0]
    empty = jax.tree.map(lambda leaf: jnp.zeros((steps, *leaf.shape), leaf.dtype), start)

    def step(state: tuple[Array, PyTree, PyTree]) -> tuple[Array, PyTree, PyTree]:
        t, later, record = state
        now = back(t, later)
        return t - 1, now, jax.tree.map(lambda rows, row: rows.at[t].set(row), record, now)

    return jax.lax.while_loop(lambda state: state[0] >= 0, step, (phase.steps - 1, start, empty))[2]
