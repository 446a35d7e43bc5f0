"""The Recurrent Kalman Network from the equations of the paper: dense matrices, one series, float64 numpy.

Every covariance is a full `2m x 2m` matrix, predicted as `A S A' + Q` and updated with the gain of a Kalman
filter; after each prediction all but three diagonals are dropped (Becker et al. 2019, section 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Belief(NamedTuple):
    """Mean `[p; q]` and full covariance, and the features of the last frame."""

    mean: np.ndarray
    cov: np.ndarray
    features: np.ndarray


def dense(diagonals):
    """A basis by diagonals, `(4, 2 b + 1, m)`, as the matrix `[[B11, B12], [B21, B22]]`."""
    _, width, m = diagonals.shape
    blocks = np.zeros((4, m, m))
    for d in range(width):
        for i in range(m):
            j = i + d - width // 2
            if 0 <= j < m:
                blocks[:, i, j] = diagonals[:, d, i]
    return np.block([[blocks[0], blocks[1]], [blocks[2], blocks[3]]])


def project(cov):
    """The diagonals of the four blocks; zero elsewhere."""
    m = len(cov) // 2
    return cov * np.kron(np.ones((2, 2)), np.eye(m))


def diagonals_of(cov):
    """Upper, lower and side variances."""
    m = len(cov) // 2
    return np.diag(cov)[:m], np.diag(cov)[m:], np.diag(cov[:m, m:])


def covariance(upper, lower, side):
    """The matrix of three diagonals."""
    return np.block([[np.diag(upper), np.diag(side)], [np.diag(side), np.diag(lower)]])


def positive(name, x):
    """The positive maps of section 1.3."""
    x = np.asarray(x, float)
    if name == "elu1":
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    return np.log1p(np.exp(x)) if name == "softplus" else np.exp(x)


def bend(name, x):
    return np.tanh(x) if name == "tanh" else np.maximum(x, 0)


def mixture(layer, features):
    """The matrix `sum_k alpha_k A_k`, from all that the coefficient network is given."""
    net = layer.coefficients
    first = [np.asarray(net.known.weight, float)]
    if net.state is not None:
        first.insert(0, np.asarray(net.state, float))
    x = features @ np.concatenate(first) + np.asarray(net.known.bias, float)
    for affine in net.head.layers:
        x = bend(layer.options.activation, x)
        x = x @ np.asarray(affine.weight, float) + np.asarray(affine.bias, float)
    alpha = np.exp(x - x.max())
    alpha /= alpha.sum()
    bases = np.array([dense(np.asarray(basis, float)) for basis in layer.bases])
    return np.tensordot(alpha, bases, 1)


def control_of(layer, u):
    """What an input adds to the mean."""
    x = np.asarray(u, float)
    net = layer.control
    for affine in (*net.hidden.layers, net.out):
        x = x @ np.asarray(affine.weight, float) + np.asarray(affine.bias, float)
        x = x if affine is net.out else bend(layer.options.activation, x)
    return x


def predict(layer, belief, u=None, dt=None):
    """`A S A' + Q`, projected; in continuous time Euler steps of it."""
    options = layer.options
    Q = np.diag(positive(options.positive_map, layer.raw_noise).reshape(-1))
    continuous = options.timed == "continuous"
    n, h = (options.substeps, dt / options.substeps) if continuous else (1, 1.0)
    mean, cov = belief.mean, belief.cov
    for _ in range(n):
        given = [mean] if options.mixed_by == "state" else [belief.features]
        if options.timed == "coefficients":
            given.append([dt])
        A = mixture(layer, np.concatenate(given))
        if continuous:
            A = np.eye(len(A)) + h * (A - np.eye(len(A)))
        mean = A @ mean
        if layer.control is not None:
            mean = mean + h * control_of(layer, u)
        cov = project(A @ cov @ A.T + h * Q)
    return Belief(mean, cov, belief.features)


def update(belief, w, r, seen):
    """A Kalman update with `H = [I 0]`, and the log density of `w`."""
    m = len(w)
    if not seen:
        return belief._replace(features=np.zeros(2 * m + 1)), 0.0
    H = np.eye(m, 2 * m)
    S = H @ belief.cov @ H.T + np.diag(r)
    K = belief.cov @ H.T @ np.linalg.inv(S)
    gap = w - H @ belief.mean
    density = -0.5 * (
        m * np.log(2 * np.pi) + np.linalg.slogdet(S)[1] + gap @ np.linalg.solve(S, gap)
    )
    cov = (np.eye(2 * m) - K @ H) @ belief.cov
    return Belief(belief.mean + K @ gap, cov, np.concatenate([w, r, [1.0]])), density


def first_belief(layer):
    """Before the first observation; a transition into it has zero input and length 1."""
    options, m = layer.options, layer.latent
    start = np.full((2, m), float(options.start_var))
    if layer.raw_start is not None:
        start = positive(options.positive_map, layer.raw_start)
    belief = Belief(np.zeros(2 * m), np.diag(start.reshape(-1)), np.zeros(2 * m + 1))
    if options.order == "update":
        return belief
    return predict(layer, belief, np.zeros(layer.n_inputs), 1.0)


def filter_series(layer, w, r, seen, u=None, dt=None):
    """Priors, posteriors and log densities of every step of one series."""
    priors, posteriors, densities = [], [], []
    belief = None
    for t in range(len(w)):
        if belief is None:
            belief = first_belief(layer)
        else:
            belief = predict(
                layer, belief, None if u is None else u[t], None if dt is None else dt[t]
            )
        priors.append(belief)
        belief, density = update(belief, w[t], r[t], seen[t])
        posteriors.append(belief)
        densities.append(density)
    return priors, posteriors, densities
