"""The joint law of all states of a linear model, conditioned in exact rational arithmetic.

Covariances may be singular and coordinates of the first state diffuse: the law is the limit of

    N(mean, finite + k infinite)   for k -> infinity.

Observations enter as scalars, in order of time and, within a step, of their columns. For a scalar `h z` of
the joint vector `z` of all states and the observation noise, with innovation `v`,

    f = h finite h',   g = h infinite h'.

* `g > 0`: its predictive variance is infinite. It fixes one diffuse direction, and its log density without
  the part that depends on `k` is `-1/2 log g` (Durbin and Koopman 2012, 7.2.2; without their `log 2 pi`, as
  in `rekalman.filters.kalman.means`).
* `g = 0, f > 0`: a Gaussian log density.
* `g = f = 0`: earlier observations determine it. It must agree with them and counts for nothing.

Every float is a rational number, so which case holds is never a matter of rounding.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from rekalman.models.linear_model import LinearModel

LOG_2PI = float(np.log(2 * np.pi))


class Moments(NamedTuple):
    """Mean and covariance, of no meaning where `infinite`, the factor of `k` in a variance, is not zero."""

    mean: np.ndarray
    cov: np.ndarray
    infinite: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Which coordinates have a finite variance."""
        return self.infinite == 0


class Exact:
    """A model and a series; `y`, `u` are floats, and nothing is seen where `mask` is False.

    Attributes:
        predicted: moments of the state before each observation.
        filtered: moments after it.
        observed: moments of `y` before it is seen, noise included.
        smoothed: moments of each state given the whole series.
        joint: moments of all states together given the whole series.
        log_evidence: one-step log densities `(steps,)`.
        white: innovations of unit variance, given earlier steps and columns; NaN where there is none.
        margin: how near an observation comes to being determined by earlier ones without being so: the
            smallest ratio of a predictive variance to the largest that it could have.
    """

    def __init__(self, model: LinearModel, y, mask, u=None) -> None:
        steps, p = np.shape(y)
        blocks = [_rational(b) for b in model.blocks()]
        A, B, c, C, D, d, Q, R = (
            np.broadcast_to(b, (steps, *b.shape[1:])) if len(b) == 1 else b[:steps] for b in blocks
        )
        m, P = map(_rational, model.initial_moments())
        n = len(m)
        if u is not None:
            u = _rational(u)
            c = c + np.stack([B[t] @ u[t] for t in range(steps)])
            d = d + np.stack([D[t] @ u[t] for t in range(steps)])
        diffuse = _rational(np.zeros((n, n)))
        for i in model.diffuse:
            diffuse[i, i] = Fraction(1)
        self.n, self.mask = n, np.asarray(mask, bool)
        self.mean = _means(A, c, m)
        self.finite, self.infinite = _covariances(A, Q, P), _covariances(A, 0 * Q, diffuse)
        self.largest = [_diagonal(self.finite), _diagonal(self.infinite)]
        self.margin = 1.0
        self.log_evidence, self.white = np.zeros(steps), np.full((steps, p), np.nan)
        self.predicted, self.filtered, self.observed = [], [], []
        values = _rational(np.where(self.mask, y, 0.0))
        for t in range(steps):
            self.predicted.append(self._state(t))
            self.observed.append(self._observation(t, C[t], d[t], R[t]))
            self._absorb(t, C[t], R[t], values[t] - d[t])
            self.filtered.append(self._state(t))
        self.smoothed = [self._state(t) for t in range(steps)]
        self.joint = self._moments(slice(0, steps * n))

    @property
    def log_likelihood(self) -> float:
        return float(self.log_evidence.sum())

    def _state(self, t: int) -> Moments:
        return self._moments(slice(t * self.n, (t + 1) * self.n))

    def _moments(self, at: slice) -> Moments:
        infinite = _diagonal(self.infinite[at, at])
        return Moments(_floats(self.mean[at]), _floats(self.finite[at, at]), infinite)

    def _observation(self, t: int, C, d, R) -> Moments:
        at = slice(t * self.n, (t + 1) * self.n)
        cov, infinite = C @ self.finite[at, at] @ C.T + R, C @ self.infinite[at, at] @ C.T
        return Moments(_floats(C @ self.mean[at] + d), _floats(cov), _diagonal(infinite))

    def _absorb(self, t: int, C, R, values) -> None:
        """The observed entries of one step enter, their noise being part of the joint vector meanwhile."""
        size, p = len(self.mean), len(R)
        self.mean = np.concatenate([self.mean, _rational(np.zeros(p))])
        self.finite, self.infinite = _bordered(self.finite, R), _bordered(self.infinite, 0 * R)
        self.largest = [np.concatenate([self.largest[0], _diagonal(R)]),
                        np.concatenate([self.largest[1], np.zeros(p)])]  # fmt: skip
        for j in np.flatnonzero(self.mask[t]):
            at = np.append(np.arange(t * self.n, (t + 1) * self.n), size + j)
            self._scalar(t, j, at, np.append(C[j], Fraction(1)), values[j])
        self.mean = self.mean[:size]
        self.finite, self.infinite = self.finite[:size, :size], self.infinite[:size, :size]
        self.largest = [part[:size] for part in self.largest]

    def _scalar(self, t: int, j: int, at: np.ndarray, h: np.ndarray, value: Fraction) -> None:
        F, G = self.finite[:, at] @ h, self.infinite[:, at] @ h
        f, g, v = F[at] @ h, G[at] @ h, value - self.mean[at] @ h
        if g > 0:
            self._near(g, h, at, 1)
            # finite - (F G' + G F') / g + G G' f / g^2, as two squares
            half = F - G * (f / g / 2)
            _subtract(self.finite, half, G / g)
            _subtract(self.infinite, G, G / g / 2)
            self.mean = self.mean + G * (v / g)
            self.log_evidence[t] -= 0.5 * np.log(float(g))
            self.largest[0] = np.maximum(self.largest[0], _diagonal(self.finite))
        elif f > 0:
            self._near(f, h, at, 0)
            _subtract(self.finite, F, F / f / 2)
            self.mean = self.mean + F * (v / f)
            self.log_evidence[t] -= 0.5 * (LOG_2PI + np.log(float(f)) + float(v * v / f))
            self.white[t, j] = float(v) / float(f) ** 0.5
        elif v != 0:
            raise ValueError(f"column {j} of step {t} contradicts earlier observations by {v}")

    def _near(self, variance: Fraction, h: np.ndarray, at: np.ndarray, part: int) -> None:
        most = (np.abs(_floats(h)) * np.sqrt(self.largest[part][at])).sum() ** 2
        self.margin = min(self.margin, float(variance) / most)


def _subtract(cov: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """`cov -= a b' + b a'` in place."""
    here = np.flatnonzero((a != 0) | (b != 0))
    for k, i in enumerate(here):
        rest = here[k:]
        row = cov[i, rest] - (a[i] * b[rest] + b[i] * a[rest])
        cov[i, rest] = cov[rest, i] = row


def _means(A, c, m) -> np.ndarray:
    rows = [m]
    for t in range(1, len(A)):
        rows.append(A[t] @ rows[-1] + c[t])
    return np.concatenate(rows)


def _covariances(A, Q, P) -> np.ndarray:
    steps, n = len(A), len(P)
    cov = np.full((steps, n, steps, n), Fraction(0), object)
    cov[0, :, 0] = P
    for t in range(1, steps):
        for s in range(t):
            cov[t, :, s] = A[t] @ cov[t - 1, :, s]
            cov[s, :, t] = cov[t, :, s].T
        cov[t, :, t] = A[t] @ cov[t - 1, :, t - 1] @ A[t].T + Q[t]
    return cov.reshape(steps * n, steps * n)


def _bordered(cov: np.ndarray, corner: np.ndarray) -> np.ndarray:
    size, p = len(cov), len(corner)
    whole = np.full((size + p, size + p), Fraction(0), object)
    whole[:size, :size], whole[size:, size:] = cov, corner
    return whole


def _diagonal(cov: np.ndarray) -> np.ndarray:
    return _floats(cov.diagonal())


def _rational(array) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, float))


def _floats(array: np.ndarray) -> np.ndarray:
    return array.astype(float)
