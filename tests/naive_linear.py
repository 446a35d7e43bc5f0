"""The joint law of all states and observations of any linear model, conditioned by brute force in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.models.linear import LinearGaussian
from rekalman.models.linear_model import Blocks
from rekalman.models.time_varying import LinearTimeVarying


def spd(rng: np.random.Generator, n: int) -> np.ndarray:
    root = rng.normal(size=(n, n))
    return root @ root.T / n + 0.3 * np.eye(n)


def stable(rng: np.random.Generator, n: int) -> np.ndarray:
    A = rng.normal(size=(n, n))
    return 0.9 * A / np.abs(np.linalg.eigvals(A)).max()


def random_model(n: int, p: int, k: int, seed: int, **more) -> LinearGaussian:
    """A stable model with full covariances, offsets and inputs."""
    rng = np.random.default_rng(seed)
    return LinearGaussian.create(
        stable(rng, n), rng.normal(size=(p, n)), spd(rng, n), spd(rng, p),
        B=rng.normal(size=(n, k)), c=rng.normal(size=n), D=rng.normal(size=(p, k)),
        d=rng.normal(size=p), m=rng.normal(size=n), P=spd(rng, n), **more,
    )  # fmt: skip


def random_varying(n: int, p: int, k: int, steps: int, seed: int, **more) -> LinearTimeVarying:
    """A model all of whose blocks change at every step."""
    models = [random_model(n, p, k, 1000 * seed + t) for t in range(steps)]
    stack = {x: jnp.stack([getattr(m, x) for m in models]) for x in Blocks._fields}
    names = Blocks._fields
    return LinearTimeVarying.create(**stack, varying=names, m=models[0].m, P=models[0].P, **more)


def random_series(model, steps: int, seed: int, missing: float = 0.3, length: int | None = None):
    """Any numbers will do as data: values, a mask (nothing is seen from `length` on) and inputs."""
    rng = np.random.default_rng(seed)
    values = 2 * rng.normal(size=(steps, model.observations))
    mask = rng.uniform(size=values.shape) >= missing
    mask[length if length is not None else steps :] = False
    u = rng.normal(size=(steps, model.n_inputs)) if model.n_inputs else None
    return jnp.asarray(values), jnp.asarray(mask), None if u is None else jnp.asarray(u)


class Joint:
    """All states, then all observations, as one Gaussian vector; diffuse coordinates apart.

    `x = mean + X delta + noise`: `delta` has a flat law and is found by generalised least squares.
    """

    def __init__(self, blocks: Blocks, m, P, y, mask, u=None, flat: tuple[int, ...] = ()) -> None:
        T, p = np.shape(y)
        n = len(m)
        broad = [
            np.broadcast_to(np.asarray(b, float), (T, *b.shape[1:]))
            if b.shape[0] == 1
            else np.asarray(b, float)[:T]
            for b in blocks
        ]
        A, B, c, C, D, d, Q, R = broad
        u = np.zeros((T, B.shape[-1])) if u is None else np.asarray(u, float)
        mean, effect = np.zeros((T, n)), np.zeros((T, n, len(flat)))
        cov = np.zeros((T, n, T, n))
        for t in range(T):
            if t == 0:
                mean[0], effect[0], cov[0, :, 0] = m, np.eye(n)[:, list(flat)], P
                continue
            mean[t] = A[t] @ mean[t - 1] + B[t] @ u[t] + c[t]
            effect[t] = A[t] @ effect[t - 1]
            for s in range(t):
                cov[t, :, s] = A[t] @ cov[t - 1, :, s]
                cov[s, :, t] = cov[t, :, s].T
            cov[t, :, t] = A[t] @ cov[t - 1, :, t - 1] @ A[t].T + Q[t]
        H, noise = np.zeros((T, p, T, n)), np.zeros((T, p, T, p))
        for t in range(T):
            H[t, :, t], noise[t, :, t] = C[t], R[t]
        H = H.reshape(T * p, T * n)
        self.shape, self.mask, self.y = (T, n, p), np.asarray(mask, bool), np.asarray(y, float)
        self.mean, self.effect = mean.reshape(-1), effect.reshape(T * n, -1)
        self.cov = cov.reshape(T * n, T * n)
        offset = (np.einsum("tpk,tk->tp", D, u) + d).reshape(-1)
        self.y_mean, self.y_effect = H @ self.mean + offset, H @ self.effect
        self.y_cov = H @ self.cov @ H.T + noise.reshape(T * p, T * p)
        self.cross = self.cov @ H.T

    def _seen(self, last: int) -> np.ndarray:
        return np.flatnonzero(self.mask & (np.arange(self.shape[0]) < last)[:, None])

    def given(self, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean `(T, n)` and covariance `(T, n, T, n)` of all states given `y_1 .. y_last`."""
        T, n, _ = self.shape
        seen = self._seen(last)
        V = np.linalg.pinv(self.y_cov[np.ix_(seen, seen)], hermitian=True)
        gain = self.cross[:, seen] @ V
        e = self.y.reshape(-1)[seen] - self.y_mean[seen]
        X = self.y_effect[seen]
        mean = self.mean + gain @ e
        cov = self.cov - gain @ self.cross[:, seen].T
        if X.shape[1]:
            law = np.linalg.inv(X.T @ V @ X)
            left = self.effect - gain @ X
            mean = mean + left @ (law @ (X.T @ V @ e))
            cov = cov + left @ law @ left.T
        return mean.reshape(T, n), cov.reshape(T, n, T, n)

    def log_likelihood(self, last: int | None = None) -> float:
        """Log density of what was observed; a flat start counts as in `rekalman.filters.kalman.means`."""
        seen = self._seen(self.shape[0] if last is None else last)
        V = self.y_cov[np.ix_(seen, seen)]
        e, X = self.y.reshape(-1)[seen] - self.y_mean[seen], self.y_effect[seen]
        value = e @ np.linalg.solve(V, e) + np.linalg.slogdet(2 * np.pi * V)[1]
        if X.shape[1]:
            S, s = X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, e)
            value += np.linalg.slogdet(S / (2 * np.pi))[1] - s @ np.linalg.solve(S, s)
        return float(-0.5 * value)


def assert_equals_joint(joint: Joint, path, smoothed, length: int, atol: float = 1e-9) -> None:
    """A filtered and smoothed series equals the brute-force answer up to `length`."""
    # As numpy at once: every eager operation on a new shape would be compiled.
    path, smoothed = jax.tree.map(np.asarray, (path, smoothed))
    steps, flat = range(length), joint.y_effect.shape[1] > 0
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=atol)  # noqa: E731
    mean, cov = joint.given(length)
    close(smoothed.mean[:length], mean[:length])
    close(smoothed.cov[:length], [cov[t, :, t] for t in steps])
    close(smoothed.lag[1:length], [cov[t, :, t - 1] for t in steps[1:]])
    close(path.mean[length - 1], mean[length - 1])
    close(path.cov[length - 1], cov[length - 1, :, length - 1])
    close(path.log_evidence[:length].sum(), joint.log_likelihood(length))
    if flat:
        return
    before, total = joint.given(0), 0.0
    for t in steps:
        after, value = joint.given(t + 1), joint.log_likelihood(t + 1)
        close(path.prior_mean[t], before[0][t])
        close(path.prior_cov[t], before[1][t, :, t])
        close(path.mean[t], after[0][t])
        close(path.cov[t], after[1][t, :, t])
        close(path.log_evidence[t], value - total)
        before, total = after, value
