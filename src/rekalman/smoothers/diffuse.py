r"""What a whole series says of the unknown coordinates of a diffuse start, carried backwards.

Before an observation the state is `x = m + E delta + xi`, `xi ~ N(0, P)` (`filters/kalman/diffuse.py`). With
`v` the innovation, `K` its gain and `J = I - K C`, the update left

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

The first observations may fix a direction poorly: `P` is then vast, and `P N` a product of large numbers that
is nearly the identity. So the curvatures are carried by their roots, `N = L L'`, and with `P = S S'`, `H =
S'L`

    P - P N P = S (I - H H') S',       L L' = [C'U', J'A'L''] [C'U', J'A'L'']',

`L''` being the root at the next step.

This is the limit of Koopman and Durbin (2003), section 5, in the coordinates of the unknown directions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from rekalman.filters.kalman.diffuse import DiffusePhase
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means
from rekalman.filters.kalman.rounding import product_without_rounding
from rekalman.filters.kalman.system import LinearSystem, at
from rekalman.models.roots import square_root, triangular


class Unknown(NamedTuple):
    """The law of the unknown coordinates given a whole series; zero after the diffuse steps.

    Attributes:
        slope: `X`.
        noise_slope: `Y`.
        cov: `V`.
        left: `W`.
        root: `L`.
        known_cov: `P - P N P`.
    """

    slope: Float[Array, "*steps d n"]
    noise_slope: Float[Array, "*steps d p"]
    cov: Float[Array, "*steps d d"]
    left: Float[Array, "*steps d d"]
    root: Float[Array, "*steps n n"]
    known_cov: Float[Array, "*steps n n"]


def unknown_means(
    system: LinearSystem,
    result: Gains,
    run: Means,
    prior: Float[Array, "steps n n"],
    r: Float[Array, "steps n columns"],
    length: Int[Array, ""] | None = None,
) -> Float[Array, "steps d columns"]:
    """`b` of every step.

    Args:
        system: the model and the data.
        result: the gains, with a diffuse phase.
        run: the means.
        prior: covariances before each worked-out step.
        r: gradients of the adjoint.
        length: number of real steps.
    """
    phase = _phase(result)

    def back(t: Array, b: Array) -> Array:
        C, K = at(system.C, t), result.gain[t]
        r_after = _after(system, t, r[_following(t, r)])
        u = result.whitener[t].T @ run.white[t] - K.T @ r_after
        v = system.y[t] - C @ run.prior[t]
        seen = C @ (prior[t] @ r[t]) + at(system.noise, t)[:, None] * u
        return phase.solution[t] @ (v - seen) + phase.rest[t] @ b

    d, columns = phase.rest.shape[1], r.shape[2]
    return _backwards(phase, back, jnp.zeros((d, columns), r.dtype), _end(phase, length))


def unknown_spread(
    system: LinearSystem,
    result: Gains,
    N: Float[Array, "steps n n"],
    length: Int[Array, ""] | None = None,
) -> Unknown:
    """All but the means, of every step.

    Args:
        system: the model and the data.
        result: the gains, with a diffuse phase.
        N: curvatures of the adjoint; those of the steps after the diffuse ones are used.
        length: number of real steps.
    """
    phase = _phase(result)
    end = _end(phase, length)
    n, p = result.gain.shape[1:]
    d, dtype = phase.rest.shape[1], N.dtype
    eye = jnp.eye(p, dtype=dtype)

    def back(t: Array, later: Unknown) -> Unknown:
        C, K, U, S = at(system.C, t), result.gain[t], result.whitener[t], phase.root[t]
        R = jnp.diag(at(system.noise, t))
        Z, T = phase.solution[t], phase.rest[t]
        last = t == N.shape[0] - 1
        A = jnp.where(last, 0.0, at(system.A, jnp.minimum(t + 1, N.shape[0] - 1)))
        L_after, X_after = A.T @ later.root, later.slope @ A
        J = jnp.eye(n, dtype=dtype) - K @ C
        JL, KL = J.T @ L_after, K.T @ L_after
        UC = U @ C
        L = triangular(jnp.concatenate([UC.T, JL], 1))
        H = S.T @ L
        known_cov = S @ (jnp.eye(n, dtype=dtype) - H @ H.T) @ S.T
        Delta = U.T @ U + KL @ KL.T
        Gamma = U.T @ UC - KL @ JL.T
        CP = C @ S @ S.T
        crossed = CP @ Gamma.T @ R
        M = C @ known_cov @ C.T + R - R @ Delta @ R - crossed - crossed.T
        mixed = -Z @ (CP @ J.T - R @ K.T) @ X_after.T @ T.T
        cov = Z @ M @ Z.T + T @ later.cov @ T.T + mixed + mixed.T
        return Unknown(
            slope=-Z @ (C - C @ S @ H @ L.T - R @ Gamma) + T @ X_after @ J,
            noise_slope=-Z @ (eye - CP @ Gamma.T - R @ Delta) - T @ X_after @ K,
            cov=0.5 * (cov + cov.T),
            left=T @ later.left,
            root=L,
            known_cov=known_cov,
        )

    nothing = jnp.zeros((d, n), dtype), jnp.zeros((d, p), dtype), jnp.zeros((d, d), dtype)
    following = N[jnp.minimum(end, N.shape[0] - 1)]
    start = Unknown(
        *nothing,
        left=jnp.diag(phase.unknown.astype(dtype)),
        root=square_root(following),
        known_cov=jnp.zeros((n, n), dtype),
    )
    return _backwards(phase, back, start, end)


def smoothed_covariances(
    system: LinearSystem,
    result: Gains,
    form: Form,
    prior: Float[Array, "steps n n"],
    cov: Float[Array, "steps n n"],
    lag: Float[Array, "steps n n"],
    N: Float[Array, "steps n n"],
) -> tuple[Float[Array, "steps n n"], Float[Array, "steps n n"], Float[Array, "steps n d"]]:
    """Smoothed covariances with what is unknown at the start.

    Args:
        system: the model and the data.
        result: the gains, with a diffuse phase.
        form: what their carries are.
        prior: covariances before each worked-out step.
        cov: smoothed covariances given the unknown coordinates.
        lag: `Cov(x_t, x_{t-1})` given them.
        N: curvatures of the adjoint.

    Returns:
        The covariances, those of neighbouring steps, and a basis of the directions that no observation fixes.
    """
    phase = _phase(result)
    law = unknown_spread(system, result, N)
    early = (jnp.arange(len(N)) < phase.steps)[:, None, None]
    E, P = phase.prior, prior[result.where]
    along = E @ law.slope @ P
    left = jax.vmap(product_without_rounding)(E, law.left)
    posterior = jax.vmap(form.leave)(result.posterior)[result.where]
    before = phase.posterior[:-1]
    A = system.A[1:] if system.A.shape[0] > 1 else system.A
    gained = A @ posterior[:-1]
    L = law.root[1:]
    lag = lag.at[1:].set(jnp.where(early[1:], gained - (P[1:] @ L) @ (L.mT @ gained), lag[1:]))
    more = (
        E[1:] @ law.cov[1:] @ before.mT
        + P[1:] @ law.slope[1:].mT @ before.mT
        + E[1:] @ law.slope[1:] @ gained
    )
    cov = jnp.where(early, law.known_cov, cov) + E @ law.cov @ E.mT + along + along.mT
    return cov, lag.at[1:].add(more), left


def _phase(result: Gains) -> DiffusePhase:
    assert result.diffuse is not None
    return result.diffuse


def _end(phase: DiffusePhase, length: Int[Array, ""] | None) -> Int[Array, ""]:
    """Number of real steps before which a direction was unknown."""
    return phase.steps if length is None else jnp.minimum(phase.steps, length)


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
    end: Int[Array, ""],
) -> PyTree:
    """Run a recursion from the step before `end` to the first and record it."""
    steps = phase.rest.shape[0]
    empty = jax.tree.map(lambda leaf: jnp.zeros((steps, *leaf.shape), leaf.dtype), start)

    def step(state: tuple[Array, PyTree, PyTree]) -> tuple[Array, PyTree, PyTree]:
        t, later, record = state
        now = back(t, later)
        return t - 1, now, jax.tree.map(lambda rows, row: rows.at[t].set(row), record, now)

    return jax.lax.while_loop(lambda state: state[0] >= 0, step, (end - 1, start, empty))[2]
