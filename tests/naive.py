"""Short, slow references in float64 numpy, written from the definitions alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.models.base import StateSpaceModel
from rekalman.models.stochastic_rnn import StochasticRNN


def random_linear(states: int, obs: int, inputs: int, seed: int, **kwargs) -> StochasticRNN:
    """A stable network with identity units, full covariances, offsets and inputs."""
    rng = np.random.default_rng(seed)

    def spd(n: int, scale: float) -> np.ndarray:
        root = rng.normal(size=(n, n))
        return scale * (root @ root.T / n + 0.5 * np.eye(n))

    A = rng.normal(size=(states, states))
    A *= 0.9 / max(abs(np.linalg.eigvals(A)))
    blocks = {
        "A": A,
        "C": rng.normal(size=(obs, states)),
        "Q": spd(states, 0.5),
        "R": spd(obs, 0.4),
        "B": rng.normal(size=(states, inputs)),
        "D": rng.normal(size=(obs, inputs)),
        "c": rng.normal(size=states),
        "d": rng.normal(size=obs),
        "m": rng.normal(size=states),
        "P": spd(states, 1.0),
    }
    blocks = {name: jnp.asarray(block) for name, block in blocks.items()}
    return StochasticRNN.create(**blocks, **{"activation": "identity", **kwargs})


def simulate_linear(model: StochasticRNN, steps: int, seed: int):
    """Observations, a mask with 30 % missing entries (never the whole series) and inputs or None."""
    rng = np.random.default_rng(seed)
    n, p, k = model.states, model.observations, model.n_inputs
    A, B, C, D, Q, R, P = (np.asarray(getattr(model, s), float) for s in "ABCDQRP")
    u = rng.normal(size=(steps, k))
    x = np.asarray(model.m) + np.linalg.cholesky(P) @ rng.normal(size=n)
    rows = []
    for t in range(steps):
        if t:
            x = A @ x + B @ u[t] + np.asarray(model.c) + np.linalg.cholesky(Q) @ rng.normal(size=n)
        noise = np.linalg.cholesky(R) @ rng.normal(size=p)
        rows.append(C @ x + D @ u[t] + np.asarray(model.d) + noise)
    mask = rng.uniform(size=(steps, p)) > 0.3
    mask[0] = True
    return jnp.asarray(np.stack(rows)), jnp.asarray(mask), jnp.asarray(u) if k else None


class JointGaussian:
    """The joint law of all states and observations of a linear model, conditioned by brute force."""

    def __init__(self, model: StochasticRNN, y, mask, u) -> None:
        n, p, k = model.states, model.observations, model.n_inputs
        A, B, C, D, Q, R, P = (np.asarray(getattr(model, s), float) for s in "ABCDQRP")
        c, d, m = (np.asarray(getattr(model, s), float) for s in "cdm")
        T = len(y)
        u = np.zeros((T, k)) if u is None else np.asarray(u, float)
        mean = np.zeros((T, n))
        # Every state is a linear map of the stacked independent noises.
        maps = np.zeros((T, n, T, n))
        for t in range(T):
            mean[t] = m if t == 0 else A @ mean[t - 1] + B @ u[t] + c
            if t:
                maps[t] = np.einsum("ij,jsk->isk", A, maps[t - 1])
            maps[t, :, t] = np.eye(n)
        noise = np.zeros((T, n, T, n))
        for t in range(T):
            noise[t, :, t] = P if t == 0 else Q
        F = maps.reshape(T * n, T * n)
        self.x_mean = mean.reshape(-1)
        self.x_cov = F @ noise.reshape(T * n, T * n) @ F.T
        H = np.kron(np.eye(T), C)
        self.y_mean = H @ self.x_mean + (u @ D.T + d).reshape(-1)
        self.y_cov = H @ self.x_cov @ H.T + np.kron(np.eye(T), R)
        self.xy_cov = self.x_cov @ H.T
        self.y, self.mask = np.asarray(y, float), np.asarray(mask)
        self.shape = (T, n, p)

    def given(self, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean `(T, n)` and covariance `(T, n, T, n)` of all states given `y_1 .. y_last`."""
        T, n, _ = self.shape
        seen = np.flatnonzero(self.mask & (np.arange(T) < last)[:, None])
        gain = np.linalg.solve(self.y_cov[np.ix_(seen, seen)], self.xy_cov[:, seen].T).T
        mean = self.x_mean + gain @ (self.y.reshape(-1)[seen] - self.y_mean[seen])
        cov = self.x_cov - gain @ self.xy_cov[:, seen].T
        return mean.reshape(T, n), cov.reshape(T, n, T, n)

    def filtered(self) -> tuple[np.ndarray, np.ndarray]:
        """Filtered means `(T, n)` and covariances `(T, n, n)`."""
        rows = [self.given(t + 1) for t in range(self.shape[0])]
        return (
            np.stack([mean[t] for t, (mean, _) in enumerate(rows)]),
            np.stack([cov[t, :, t] for t, (_, cov) in enumerate(rows)]),
        )

    def log_likelihood(self) -> float:
        """Log density of everything observed, in nats."""
        seen = np.flatnonzero(self.mask)
        S = self.y_cov[np.ix_(seen, seen)]
        e = self.y.reshape(-1)[seen] - self.y_mean[seen]
        return float(-0.5 * (e @ np.linalg.solve(S, e) + np.linalg.slogdet(2 * np.pi * S)[1]))


def transition_table(model: StateSpaceModel, x, x_next, u, dt=None) -> np.ndarray:
    """`p(x_next_j | x_i)` for all pairs, from the model's own density of one pair."""
    density = jax.jit(lambda b, a, u, dt: model.log_transition(b, a, u, dt))
    rows = [[float(density(b, a, u, dt)) for b in x_next] for a in x]
    return np.exp(np.asarray(rows))


def marginal_smoother(model: StateSpaceModel, path, inputs, new, old):
    """The paper's eq. 19 and 20 as double loops over all pairs of particles."""
    x, w = np.asarray(path.x), np.exp(np.asarray(path.log_weights, float))
    new, old = np.asarray(new, float), np.asarray(old, float)
    T, N, _ = x.shape
    v = np.zeros((T, N))
    v[-1] = w[-1]
    moment = np.zeros((new.shape[-1], old.shape[-1]))
    for t in reversed(range(T - 1)):
        P = transition_table(model, x[t], x[t + 1], None if inputs is None else inputs[t + 1])
        for j in range(N):
            mass = sum(w[t, k] * P[k, j] for k in range(N))
            for i in range(N):
                joint = w[t, i] * v[t + 1, j] * P[i, j] / mass
                v[t, i] += joint
                moment += joint * np.outer(new[t + 1, j], old[t, i])
    return v, moment


def entropy(brightness: np.ndarray) -> np.ndarray:
    """Nats of independent Bernoulli pixels `(..., height, width, channel)`, summed over each image."""
    p = brightness
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return -(p * np.log(q) + (1 - p) * np.log1p(-q)).sum((-3, -2, -1))
