r"""One step of the covariance recursion, in two forms with the same answer.

Nothing here depends on the data: the gains of a linear filter can be worked out before it is run.

Observations enter one scalar at a time (Bierman 1977, ch. V). For row `c` with noise variance `r`

    f = c P c' + r,   g = P c' / f,   P <- P - g (P c')'.

The scalar innovations are a triangular transform of the joint one, `e_i = v_i - c_i sum_{j<i} g_j e_j`, so
that with `E` the unit triangular matrix `e = E v` the gain on the joint innovation is `K = G E` and its
whitener `U = diag(f)^{-1/2} E`: `U v` is white and `log det S = sum log f`. Where the variance `c P c'` is no
more than the rounding of what earlier scalars took from it, it is zero: an observation without noise that
says nothing new changes nothing.

* `CovarianceForm` carries `P`. Fast; the default in float64.
* `RootForm` carries a square root `S`, `P = S S'` (Potter's update; the time update by a QR factor of
  `[A S, Q^{1/2}]'`). No rounding can make `P` indefinite, and it works with the square root of the condition
  number; the default in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekal.models.products import rows_times
from rekal.models.roots import square_root, triangular

UNROLLED = 4  # scalars written out one by one, which runs fastest
LOOPED = 32  # scalars in a loop, which compiles faster; more go through one Cholesky factor


class Updated(NamedTuple):
    """What an update leaves: the new carry, the joint gain, the whitener of the innovation, `log f`."""

    carry: Float[Array, "n n"]
    gain: Float[Array, "n p"]
    whitener: Float[Array, "p p"]
    log_f: Float[Array, ""]


class CovarianceForm:
    """Carries the covariance itself."""

    @staticmethod
    def enter(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """The carry of a covariance."""
        return P

    @staticmethod
    def leave(carry: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """The covariance of a carry."""
        return carry

    @staticmethod
    def predict(
        P: Float[Array, "n n"], A: Float[Array, "n n"], noise: Float[Array, "n n"]
    ) -> Float[Array, "n n"]:
        """`A P A' + Q`."""
        P = rows_times(rows_times(P, A).T, A) + noise
        return 0.5 * (P + P.T)

    @staticmethod
    def update(
        P: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
    ) -> Updated:
        """Condition on the observations, one scalar after the other."""
        floor = _floor(C, jnp.sqrt(jnp.diagonal(P)), 1)
        return _updated(CovarianceForm.scalar, _joint_update, P, C, noise, floor)

    @staticmethod
    def scalar(
        P: Float[Array, "n n"],
        c: Float[Array, " n"],
        noise: Float[Array, ""],
        floor: Float[Array, ""],
    ) -> tuple[Float[Array, "n n"], Float[Array, " n"], Float[Array, ""]]:
        """One scalar observation: the new carry, its gain and the variance of its innovation."""
        Pc = rows_times(c, P)
        spread = (c * Pc).sum()
        there = spread > floor
        Pc, f = jnp.where(there, Pc, 0.0), jnp.where(there, spread, 0.0) + noise
        g = Pc * _inverse(f)
        return P - g[:, None] * Pc[None, :], g, f

    @staticmethod
    def size(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """What the entries of a carry are measured by, whatever the units of the states."""
        spread = jnp.sqrt(jnp.diagonal(P))
        return spread[:, None] * spread[None, :]


class RootForm:
    """Carries a lower triangular square root of the covariance."""

    @staticmethod
    def enter(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """A square root of a covariance that may be singular, by its eigenvectors."""
        return square_root(P)

    @staticmethod
    def leave(carry: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """The covariance of a carry."""
        return rows_times(carry, carry)

    @staticmethod
    def predict(
        S: Float[Array, "n n"], A: Float[Array, "n n"], noise: Float[Array, "n n"]
    ) -> Float[Array, "n n"]:
        """A square root of `A S S' A' + W W'`, `W` being the square root of `Q`."""
        return triangular(jnp.concatenate([A @ S, noise], 1))

    @staticmethod
    def update(
        S: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
    ) -> Updated:
        """Potter's square-root update, one scalar after the other."""
        floor = _floor(C, jnp.linalg.norm(S, axis=1), 2)
        return _updated(RootForm.scalar, _joint_root_update, S, C, noise, floor)

    @staticmethod
    def scalar(
        S: Float[Array, "n n"],
        c: Float[Array, " n"],
        noise: Float[Array, ""],
        floor: Float[Array, ""],
    ) -> tuple[Float[Array, "n n"], Float[Array, " n"], Float[Array, ""]]:
        """One scalar observation: the new carry, its gain and the variance of its innovation."""
        q = c @ S
        q = jnp.where((q * q).sum() > floor, q, 0.0)
        f = (q * q).sum() + noise
        Sq = S @ q
        shrink = jnp.where(f > 0, f + jnp.sqrt(f * noise), 1.0)
        return S - Sq[:, None] * (q / shrink)[None, :], Sq * _inverse(f), f

    @staticmethod
    def size(S: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """What the entries of a carry are measured by, whatever the units of the states."""
        return jnp.broadcast_to(jnp.linalg.norm(S, axis=1)[:, None], S.shape)


Form = type[CovarianceForm] | type[RootForm]


def _floor(C: Float[Array, "p n"], spread: Float[Array, " n"], power: int) -> Float[Array, " p"]:
    """What the variance of `c x` may hold of rounding alone, once earlier scalars determine it.

    Args:
        C: the rows `c`.
        spread: standard deviations of the states before the update.
        power: 1 where covariances were subtracted, 2 where square roots were.
    """
    whole = (jnp.abs(C) * spread).sum(1)
    return (4 * jnp.finfo(C.dtype).eps) ** power * whole * whole


def _inverse(f: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / f`, or zero for an observation without any uncertainty."""
    return jnp.where(f > 0, 1 / jnp.where(f > 0, f, 1.0), 0.0)


def _updated(
    scalar: Callable[[Array, Array, Array, Array], tuple[Array, Array, Array]],
    joint: Callable[[Array, Array, Array], Updated],
    carry: Float[Array, "n n"],
    C: Float[Array, "p n"],
    noise: Float[Array, " p"],
    floor: Float[Array, " p"],
) -> Updated:
    """One scalar after the other; very many of them at once, if each has noise."""
    in_turn = lambda: _one_by_one(scalar, carry, C, noise, floor)  # noqa: E731
    if C.shape[0] <= LOOPED:
        return in_turn()
    return jax.lax.cond((noise > 0).all(), lambda: joint(carry, C, noise), in_turn)


def _one_by_one(
    scalar: Callable[[Array, Array, Array, Array], tuple[Array, Array, Array]],
    carry: Float[Array, "n n"],
    C: Float[Array, "p n"],
    noise: Float[Array, " p"],
    floor: Float[Array, " p"],
) -> Updated:
    """Scalar updates in a row, and what they come to for the joint innovation."""
    p, n = C.shape

    def step(i: int | Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        carry, G, E, fs = state
        carry, g, f = scalar(carry, C[i], noise[i], floor[i])
        # Row `i` of `E`: the scalar innovation as a combination of the joint one.
        row = jnp.zeros(p, C.dtype).at[i].set(1.0) - rows_times(rows_times(C[i], G.T), E.T)
        return carry, G.at[:, i].set(g), E.at[i].set(row), fs.at[i].set(f)

    zeros = jnp.zeros((n, p), C.dtype), jnp.zeros((p, p), C.dtype), jnp.zeros(p, C.dtype)
    state = (carry, *zeros)
    if p <= UNROLLED:
        for i in range(p):
            state = step(i, state)
    else:
        state = jax.lax.fori_loop(0, p, step, state)
    carry, G, E, f = state
    positive = f > 0
    whole = jnp.where(positive, f, 1.0)
    scale = jnp.where(positive, jax.lax.rsqrt(whole), 0.0)
    return Updated(carry, rows_times(G, E.T), E * scale[:, None], jnp.log(whole).sum())


def _joint_update(
    P: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
) -> Updated:
    """All observations at once, for many of them."""
    PC = P @ C.T
    L = jnp.linalg.cholesky(C @ PC + jnp.diag(noise))
    eye = jnp.eye(C.shape[0], dtype=C.dtype)
    whitener = jax.scipy.linalg.solve_triangular(L, eye, lower=True)
    half = PC @ whitener.T
    P = P - half @ half.T
    return Updated(0.5 * (P + P.T), half @ whitener, whitener, 2 * jnp.log(jnp.diagonal(L)).sum())


def _joint_root_update(
    S: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
) -> Updated:
    """All observations at once: `[[W, C S], [0, S]]` made triangular holds factor, gain and root."""
    p, n = C.shape
    top = jnp.concatenate([jnp.diag(jnp.sqrt(noise)), C @ S], 1)
    bottom = jnp.concatenate([jnp.zeros((n, p), S.dtype), S], 1)
    L = triangular(jnp.concatenate([top, bottom]))
    eye = jnp.eye(p, dtype=C.dtype)
    whitener = jax.scipy.linalg.solve_triangular(L[:p, :p], eye, lower=True)
    log_f = 2 * jnp.log(jnp.diagonal(L)[:p]).sum()
    return Updated(L[p:, p:], L[p:, :p] @ whitener, whitener, log_f)
