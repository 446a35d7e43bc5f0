r"""One step of the covariance recursion, in two forms with the same answer.

Nothing here depends on the data: the gains of a linear filter can be worked out before it is run.

Observations enter one scalar at a time (Bierman 1977, ch. V). For row `c` with noise variance `r`

    f = c P c' + r,   g = P c' / f,   P <- P - g (P c')'.

The scalar innovations are a triangular transform of the joint one, `e_i = v_i - c_i sum_{j<i} g_j e_j`, so
that with `E` the unit triangular matrix `e = E v` the gain on the joint innovation is `K = G E` and its
whitener `U = diag(f)^{-1/2} E`: `U v` is white and `log det S = sum log f`.

* `CovarianceForm` carries `P`. Fast; the default in float64.
* `RootForm` carries a square root `S`, `P = S S'` (Potter's update; the time update by a QR factor of
  `[A S, Q^{1/2}]'`). No rounding can make `P` indefinite, and it works with the square root of the condition
  number; the default in float32.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekal.models.products import rows_times
from rekal.models.roots import square_root, triangular

UNROLLED = 12  # scalars written out one by one; more go through one Cholesky factor


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
        if C.shape[0] > UNROLLED:
            return _joint_update(P, C, noise)
        gains, whole, fs = [], [], []
        for i in range(C.shape[0]):
            c = C[i]
            Pc = rows_times(c, P)
            f = (c * Pc).sum() + noise[i]
            g = Pc * _inverse(f)
            whole.append(_joint_row(i, c, gains, whole, C))
            gains.append(g)
            fs.append(f)
            P = P - g[:, None] * Pc[None, :]
        return _assembled(P, gains, whole, fs, C)


class RootForm:
    """Carries a lower triangular square root of the covariance."""

    @staticmethod
    def enter(P: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """A square root of a covariance that may be singular, by its eigenvectors."""
        return square_root(P)

    @staticmethod
    def leave(carry: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """The covariance of a carry."""
        return carry @ carry.T

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
        if C.shape[0] > UNROLLED:
            return _joint_root_update(S, C, noise)
        gains, whole, fs = [], [], []
        for i in range(C.shape[0]):
            c = C[i]
            q = c @ S
            f = (q * q).sum() + noise[i]
            Sq = S @ q
            inverse = _inverse(f)
            whole.append(_joint_row(i, c, gains, whole, C))
            gains.append(Sq * inverse)
            fs.append(f)
            shrink = jnp.where(f > 0, f + jnp.sqrt(f * noise[i]), 1.0)
            S = S - Sq[:, None] * (q / shrink)[None, :]
        return _assembled(S, gains, whole, fs, C)


Form = type[CovarianceForm] | type[RootForm]


def _inverse(f: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / f`, or zero for an observation without any uncertainty."""
    return jnp.where(f > 0, 1 / jnp.where(f > 0, f, 1.0), 0.0)


def _joint_row(i: int, c: Array, gains: list[Array], whole: list[Array], C: Array) -> Array:
    """Row `i` of `E`: the scalar innovation as a combination of the joint one."""
    row = jnp.zeros(C.shape[0], C.dtype).at[i].set(1.0)
    for g, earlier in zip(gains, whole, strict=True):
        row = row - (c * g).sum() * earlier
    return row


def _assembled(
    carry: Array, gains: list[Array], whole: list[Array], fs: list[Array], C: Array
) -> Updated:
    n, p = carry.shape[0], C.shape[0]
    if not p:
        zero = jnp.zeros((), carry.dtype)
        return Updated(carry, jnp.zeros((n, 0), carry.dtype), jnp.zeros((0, 0), carry.dtype), zero)
    gain = sum(g[:, None] * row[None, :] for g, row in zip(gains, whole, strict=True))
    f = jnp.stack(fs)
    positive = f > 0
    scale = jnp.where(positive, jax.lax.rsqrt(jnp.where(positive, f, 1.0)), 0.0)
    log_f = jnp.where(positive, jnp.log(jnp.where(positive, f, 1.0)), 0.0).sum()
    return Updated(carry, jnp.asarray(gain), jnp.stack(whole) * scale[:, None], log_f)


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
