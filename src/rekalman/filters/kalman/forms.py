r"""One step of the covariance recursion, in two forms with the same answer.

Nothing here depends on the data: the gains of a linear filter can be worked out before it is run.

Observations enter one scalar at a time (Bierman 1977, ch. V). For row `c` with noise variance `r`

    f = c P c' + r,   g = P c' / f,   P <- P - g (P c')'.

The scalar innovations are a triangular transform of the joint one, `e_i = v_i - c_i sum_{j<i} g_j e_j`, so
that with `E` the unit triangular matrix `e = E v` the gain on the joint innovation is `K = G E` and its
whitener `U = diag(f)^{-1/2} E`: `U v` is white and `log det S = sum log f`.

What is exactly known. With noise-free observations or singular noise some combinations of the states have no
variance. Rounding leaves a variance of a few units in the last place of what was subtracted, which a later
noise-free observation would take for real. So each difference is compared with the size of its terms: a
variance that is no more than their rounding is zero, and so are its covariances (`rounding.py`). An
observation of something known exactly changes nothing and has no density; it is counted in `void`.

The update is split into what the observation would leave if it had no noise, and what its noise gives back,

    P - P c c'P / f = (P - P c c'P / s) + P c c'P / s * r / f,     s = c P c',

so that a large prior variance beside a small `r` costs no digits: the first term is exactly zero along `c`.

* `CovarianceForm` carries `P`. Fast; the default in float64.
* `RootForm` carries a square root `S`, `P = S S'`. A reflection `H` turns `q = c S` into `(alpha, 0, ...,
  0)`: of the columns of `S H` the first is all that the observation sees, and is multiplied by
  `sqrt(r / f)`. Without noise it is gone, exactly. The time update is a QR factor of `[A S, Q^{1/2}]'`. No
  rounding can make `P` indefinite, and it works with the square root of the condition number; the default
  in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.rounding import (
    amplified,
    deviations,
    inverse,
    row_norms,
    rows_without_rounding,
    safe_sqrt,
    squared_terms,
    without_rounding,
)
from rekalman.models.products import rows_times
from rekalman.models.roots import compressed, square_root, triangular

UNROLLED = 4  # scalars written out one by one, which runs fastest
LOOPED = 32  # scalars in a loop, which compiles faster; more go through one Cholesky factor
PRECISE = 1e-4  # noise variances below this part of the predicted one go by scalars, however many

UNSEEN = 256
"""Units in the last place that a root may hold of earlier updates: what sees no more sees nothing."""


class Updated(NamedTuple):
    """What an update leaves.

    Attributes:
        carry: the new covariance, or its square root.
        gain: of the joint innovation.
        whitener: of the joint innovation; a row of zeros where an entry has no density.
        log_f: log determinant of the innovation's covariance.
        void: number of entries that were known exactly before, and so have no density.
    """

    carry: Float[Array, "n n"]
    gain: Float[Array, "n p"]
    whitener: Float[Array, "p p"]
    log_f: Float[Array, ""]
    void: Float[Array, ""]


class Scalar(NamedTuple):
    """What the update by one scalar leaves.

    Attributes:
        carry: the new covariance, or its square root.
        gain: of the scalar innovation.
        f: its variance.
        loss: how many times its own rounding the carry may hold by now (`rounding.py`).
    """

    carry: Float[Array, "n n"]
    gain: Float[Array, " n"]
    f: Float[Array, ""]
    loss: Float[Array, ""]


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
        size = rows_times(deviations(P)[None], jnp.abs(A))[0]
        P = rows_times(rows_times(P, A).T, A)
        P = without_rounding(0.5 * (P + P.T), size**2, 4 * len(size))
        return P + 0.5 * (noise + noise.T)

    @staticmethod
    def update(
        P: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
    ) -> Updated:
        """Condition on the observations, one scalar after the other."""
        terms = squared_terms(C, deviations(P))
        return _updated(
            CovarianceForm.scalar, _joint_update, P, C, noise, terms, ((C @ P) * C).sum(1)
        )

    @staticmethod
    def scalar(
        P: Float[Array, "n n"],
        c: Float[Array, " n"],
        noise: Float[Array, ""],
        terms: Float[Array, ""],
        loss: Float[Array, ""],
    ) -> Scalar:
        """One scalar observation."""
        Pc = rows_times(c, P)
        spread = (c * Pc).sum()
        there = spread > 4 * jnp.finfo(P.dtype).eps * loss * terms
        Pc, spread = jnp.where(there, Pc, 0.0), jnp.where(there, spread, 0.0)
        f = spread + noise
        explained = (Pc * inverse(spread))[:, None] * Pc[None, :]
        loss = jnp.maximum(loss, amplified(squared_terms(c[None], deviations(P))[0], f))
        rest = without_rounding(P - explained, jnp.diagonal(P), 4 * loss)
        return Scalar(rest + explained * (noise * inverse(f)), Pc * inverse(f), f, loss)

    @staticmethod
    def size(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """What the entries of a carry are measured by, whatever the units of the states."""
        spread = deviations(P)
        return spread[:, None] * spread[None, :]


class RootForm:
    """Carries a square root of the covariance: as many columns as its rank, the others zero."""

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
        """A square root of `A S S' A' + W W'`, `W` being a square root of `Q`."""
        return compressed(jnp.concatenate([RootForm.moved(S, A), noise], 1))

    @staticmethod
    def moved(S: Float[Array, "n n"], A: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """`A S`, zero in the rows that are no more than rounding."""
        size = rows_times(row_norms(S)[None], jnp.abs(A))[0]
        return rows_without_rounding(A @ S, size, 4 * len(size))

    @staticmethod
    def update(
        S: Float[Array, "n n"], C: Float[Array, "p n"], noise: Float[Array, " p"]
    ) -> Updated:
        """One scalar after the other."""
        terms = squared_terms(C, row_norms(S))
        return _updated(
            RootForm.scalar, _joint_root_update, S, C, noise, terms, ((C @ S) ** 2).sum(1)
        )

    @staticmethod
    def scalar(
        S: Float[Array, "n n"],
        c: Float[Array, " n"],
        noise: Float[Array, ""],
        terms: Float[Array, ""],
        loss: Float[Array, ""],
    ) -> Scalar:
        """One scalar observation."""
        q = c @ S
        least = (UNSEEN * jnp.finfo(S.dtype).eps) ** 2 * loss * terms
        q = jnp.where((q * q).sum() > least, q, 0.0)
        spread = (q * q).sum()
        f = spread + noise
        Sq = S @ q
        loss = jnp.maximum(loss, amplified(squared_terms(c[None], row_norms(S))[0], f))
        root, pivot = turned(S, q)
        seen = jnp.arange(len(q)) == pivot
        rest = jnp.where(seen, 0.0, root)
        rest = rows_without_rounding(rest, row_norms(S), 4 * len(q) * jnp.sqrt(loss))
        # Roots apart: the product of the variances may leave the range of the type.
        part = safe_sqrt(noise) * safe_sqrt(inverse(f))
        carry = jnp.where(seen, part * root, rest)
        return Scalar(jnp.where(spread > 0, carry, S), Sq * inverse(f), f, loss)

    @staticmethod
    def size(S: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """What the entries of a carry are measured by, whatever the units of the states."""
        return jnp.broadcast_to(row_norms(S)[:, None], S.shape)


Form = type[CovarianceForm] | type[RootForm]


def turned(
    S: Float[Array, "n m"], q: Float[Array, " m"]
) -> tuple[Float[Array, "n m"], Int[Array, ""]]:
    """`S H`, `H` being the reflection that turns the row `q` into a multiple of one unit row.

    Returns:
        The product, and which unit row it is. Columns where `q` is zero stay as they are.
    """
    pivot = jnp.argmax(jnp.abs(q))
    size = safe_sqrt((q * q).sum())
    alpha = jnp.where(q[pivot] > 0, -size, size)
    w = q.at[pivot].add(-alpha)
    return S - (S @ w)[:, None] * (w * inverse(size * (size + jnp.abs(q[pivot])))), pivot


def _updated(
    scalar: Callable[[Array, Array, Array, Array, Array], Scalar],
    joint: Callable[[Array, Array, Array], Updated],
    carry: Float[Array, "n n"],
    C: Float[Array, "p n"],
    noise: Float[Array, " p"],
    terms: Float[Array, " p"],
    spreads: Float[Array, " p"],
) -> Updated:
    """One scalar after the other; very many of them at once, if each has noise enough.

    The joint covariance of precise observations is nearly singular, and its factor loses what the scalars
    keep.
    """
    in_turn = lambda: _one_by_one(scalar, carry, C, noise, terms)  # noqa: E731
    if C.shape[0] <= LOOPED:
        return in_turn()
    regular = (noise > PRECISE * spreads).all()
    return jax.lax.cond(regular, lambda: joint(carry, C, noise), in_turn)


def _one_by_one(
    scalar: Callable[[Array, Array, Array, Array, Array], Scalar],
    carry: Float[Array, "n n"],
    C: Float[Array, "p n"],
    noise: Float[Array, " p"],
    terms: Float[Array, " p"],
) -> Updated:
    """Scalar updates in a row, and what they come to for the joint innovation."""
    p, n = C.shape

    def step(i: int | Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        carry, G, E, fs, loss = state
        carry, g, f, loss = scalar(carry, C[i], noise[i], terms[i], loss)
        # Row `i` of `E`: the scalar innovation as a combination of the joint one.
        row = jnp.zeros(p, C.dtype).at[i].set(1.0) - rows_times(rows_times(C[i], G.T), E.T)
        return carry, G.at[:, i].set(g), E.at[i].set(row), fs.at[i].set(f), loss

    zeros = jnp.zeros((n, p), C.dtype), jnp.zeros((p, p), C.dtype), jnp.zeros(p, C.dtype)
    state = (carry, *zeros, jnp.ones((), C.dtype))
    if p <= UNROLLED:
        for i in range(p):
            state = step(i, state)
    else:
        state = jax.lax.fori_loop(0, p, step, state)
    carry, G, E, f, _ = state
    positive = f > 0
    return summed_up(carry, G, E, f, positive, ~positive)


def summed_up(
    carry: Float[Array, "n n"],
    G: Float[Array, "n p"],
    E: Float[Array, "p p"],
    f: Float[Array, " p"],
    judged: Bool[Array, " p"],
    void: Bool[Array, " p"],
) -> Updated:
    """What scalar updates come to for the joint innovation.

    Args:
        carry: covariance or root after the last of them.
        G: gains of the scalar innovations.
        E: the scalar innovations as combinations of the joint one.
        f: variances of the scalar innovations, or what stands in the likelihood in their place.
        judged: whether an innovation has a finite variance above zero.
        void: whether it has no density.
    """
    positive = f > 0
    whole = jnp.where(positive, f, 1.0)
    scale = jnp.where(judged, jax.lax.rsqrt(whole), 0.0)
    count = void.sum().astype(f.dtype)
    return Updated(carry, rows_times(G, E.T), E * scale[:, None], jnp.log(whole).sum(), count)


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
    log_f = 2 * jnp.log(jnp.diagonal(L)).sum()
    return Updated(0.5 * (P + P.T), half @ whitener, whitener, log_f, jnp.zeros_like(log_f))


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
    return Updated(L[p:, p:], L[p:, :p] @ whitener, whitener, log_f, jnp.zeros_like(log_f))
