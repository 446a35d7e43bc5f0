r"""A vector autoregression as a state-space model in companion form.

The state holds the last outputs, and where there are inputs of several lags the last inputs:

    x_t = [y_t; y_{t-1}; ...; y_{t-L+1}; u_t; ...; u_{t-L+2}],     y_t = [I 0 ... 0] x_t,

without observation noise. The first block row of `A` holds the coefficients, those of `u_t` are in `B`, and
all other rows hand the state on by one lag. A filter that has seen `L` complete steps knows the state
exactly; what is missing it fills with its law given all that was seen.

The first state has the correlations of the stationary law, and each lag of an output the variance of the
data: that holds what inputs do, and is finite where a root lies next to the unit circle.

An autoregression that is not stable is shrunk until it is: with `W_l r^l` in place of `W_l` all eigenvalues
are multiplied by `r`, for `det(z^L - sum W_l r^l z^{L-l})` is zero at `r z` where that of the `W_l` is zero
at `z`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rekalman.learners.start.ridge_ar import regular
from rekalman.models.linear import LinearGaussian

DOUBLINGS = 60  # the sum of the stationary covariance holds at most 2^60 terms


def companion(
    weights: Float[np.ndarray, "obs features"],
    intercept: Float[np.ndarray, " obs"],
    cov: Float[np.ndarray, "obs obs"],
    lags: int,
    mean: Float[np.ndarray, " obs"],
    variance: Float[np.ndarray, " obs"],
    input_mean: Float[np.ndarray, " inputs"],
    largest: float,
    rounding: float,
) -> LinearGaussian:
    """The model of an autoregression.

    Args:
        weights: coefficients of `y_{t-1}, u_t, y_{t-2}, u_{t-1}, ...`, one row for each output.
        intercept: one for each output.
        cov: covariance of the innovations.
        lags: number of lags.
        mean: of the outputs before the first step.
        variance: of the outputs before the first step.
        input_mean: of the inputs before the first step.
        largest: modulus that no eigenvalue exceeds.
        rounding: share of its variance that is left of a state in any direction, as much as the precision
            of the computation can tell from nothing.
    """
    p, k = len(weights), len(input_mean)
    blocks = weights.reshape(p, lags, p + k)
    W, G = blocks[:, :, :p], blocks[:, :, p:]
    n, own = lags * p, lags * p + (lags - 1) * k
    A, B, c = np.zeros((own, own)), np.zeros((own, k)), np.zeros(own)
    A[:p, :n], A[p:n, : n - p], c[:p] = W.reshape(p, n), np.eye(n - p), intercept
    radius = float(np.abs(np.linalg.eigvals(A[:n, :n])).max(initial=0.0))
    if radius > largest:
        shrunk = (largest / radius) ** np.arange(1, lags + 1)
        A[:p, :n] = (W * shrunk[:, None]).reshape(p, n)
        c[:p] = intercept + (W - A[:p, :n].reshape(p, lags, p)).sum(1) @ mean
    B[:p] = G[:, 0]
    if lags > 1 and k:
        A[:p, n:], B[n : n + k] = G[:, 1:].reshape(p, -1), np.eye(k)
        A[n + k :, n : own - k] = np.eye((lags - 2) * k)
    Q, P = np.zeros((own, own)), np.zeros((own, own))
    Q[:p, :p] = regular(cov, rounding)
    stationary = stationary_covariance(A[:n, :n], Q[:n, :n])
    size = np.sqrt(np.tile(variance, lags) / np.diagonal(stationary))
    P[:n, :n] = regular(size[:, None] * stationary * size, rounding)
    m = np.concatenate([np.tile(mean, lags), np.tile(input_mean, lags - 1)])
    C, R = np.eye(p, own), np.zeros((p, p))
    return LinearGaussian.create(A=A, B=B, c=c, C=C, Q=Q, R=R, m=m, P=P)


def stationary_covariance(
    A: Float[np.ndarray, "n n"], Q: Float[np.ndarray, "n n"]
) -> Float[np.ndarray, "n n"]:
    """`sum_k A^k Q A'^k` by doubling (Anderson 1978), for a stable `A`."""
    power, P = A, Q
    for _ in range(DOUBLINGS):
        more = power @ P @ power.T
        P, power = P + 0.5 * (more + more.T), power @ power
        if np.abs(more).max(initial=0.0) <= np.finfo(float).eps * np.abs(P).max(initial=0.0):
            break
    return P
