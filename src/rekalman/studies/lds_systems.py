r"""Random stable linear systems, data from them, and what of a system does not depend on the basis.

The states of a linear system have no basis of their own, and of `Q` only what reaches the outputs shows in
data. Compared are therefore

* the poles, matched so that their distances add up to the least;
* the transfer function, as Markov parameters: the effect of an input, or without inputs of an innovation,
  `0 ... 5` steps later;
* the noise, as autocovariances of the outputs without their inputs, at lags `0 ... 5`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov
from scipy.optimize import linear_sum_assignment

from rekalman.models.linear import LinearGaussian

LAGS = 6


class Data(NamedTuple):
    """One series of a system: observations `(steps, obs)` and inputs `(steps, inputs)` or None."""

    values: np.ndarray
    inputs: np.ndarray | None


def random_system(states: int, obs: int, inputs: int, seed: int) -> LinearGaussian:
    """A stable system in a random basis, every mode reached and seen, all noise well above zero.

    Its poles have moduli of 0.5 to 0.95 and are 0.25 apart at least: the error of a pole falls as
    `1 / sqrt(T)` only where it is simple.
    """
    rng = np.random.default_rng([seed, states, obs, inputs])
    A, result = np.zeros((states, states)), np.zeros(0, complex)
    while len(result) < states:
        modulus, angle = rng.uniform(0.5, 0.95), rng.uniform(0.2, 2.8)
        first, left = len(result), states - len(result)
        block = modulus * rng.choice([-1.0, 1.0], (1, 1))
        if left >= 2 and rng.uniform() < 0.7:
            turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
            block = modulus * np.array(turn)
        new = np.concatenate([result, np.linalg.eigvals(block)])
        if np.min(np.abs(new[:, None] - new[None, :]) + np.eye(len(new))) >= 0.25:
            A[first : len(new), first : len(new)] = block
            result = new
    basis = np.linalg.qr(rng.normal(size=(states, states)))[0]
    process, sensor = rng.normal(size=(states, states)), rng.normal(size=(obs, obs))

    def clear(*shape: int) -> np.ndarray:
        """Weights of either sign that are not small."""
        return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)

    return LinearGaussian.create(
        A=basis @ A @ basis.T,
        B=basis @ clear(states, inputs),
        C=clear(obs, states) @ basis.T,
        D=clear(obs, inputs),
        Q=0.3 * process @ process.T / states + 0.1 * np.eye(states),
        R=states / 4 * (0.5 * sensor @ sensor.T / obs + 0.25 * np.eye(obs)),
        initial="stationary",
    )


def draw(system: LinearGaussian, steps: int, seed: int) -> Data:
    """A stationary series, its inputs white with unit variance."""
    rng = np.random.default_rng([seed, steps, 1])
    A, B, C, D, Q, R = (np.asarray(getattr(system, name), float) for name in "ABCDQR")
    P = solve_discrete_lyapunov(A, Q)
    u = rng.normal(size=(steps, B.shape[1]))
    push = rng.normal(size=(steps, len(A))) @ np.linalg.cholesky(Q).T + u @ B.T
    x = np.zeros((steps, len(A)))
    x[0] = np.linalg.cholesky(P) @ rng.normal(size=len(A)) + u[0] @ B.T
    for t in range(1, steps):
        x[t] = A @ x[t - 1] + push[t]
    y = x @ C.T + u @ D.T + rng.normal(size=(steps, len(C))) @ np.linalg.cholesky(R).T
    return Data(y, u if B.shape[1] else None)


def poles(model: LinearGaussian) -> np.ndarray:
    """The eigenvalues of `A`."""
    return np.linalg.eigvals(np.asarray(model.A, float))


def markov(model: LinearGaussian) -> np.ndarray:
    """The effects of an input, or without inputs of an innovation, after 0 ... 5 steps."""
    A, B, C, D, Q, R = (np.asarray(getattr(model, name), float) for name in "ABCDQR")
    if B.shape[1]:
        direct = D + C @ B
    else:
        P = solve_discrete_are(A.T, C.T, Q, R)
        B = P @ C.T @ np.linalg.inv(C @ P @ C.T + R)
        direct = np.eye(len(C))
    later = [C @ np.linalg.matrix_power(A, h) @ B for h in range(1, LAGS)]
    return np.stack([direct, *later])


def autocovariances(model: LinearGaussian) -> np.ndarray:
    """Of the outputs without their inputs, at lags 0 ... 5."""
    A, C, Q, R = (np.asarray(getattr(model, name), float) for name in "ACQR")
    P = solve_discrete_lyapunov(A, Q)
    later = [C @ np.linalg.matrix_power(A, h) @ P @ C.T for h in range(LAGS)]
    later[0] = later[0] + R
    return np.stack(later)


def errors(model: LinearGaussian, truth: LinearGaussian) -> dict[str, float]:
    """Distances from the truth: of the poles (root mean square), the others as shares of their norm."""
    ours, theirs = poles(model), poles(truth)
    distance = np.abs(ours[:, None] - theirs[None, :]) ** 2
    matched = distance[linear_sum_assignment(distance)]
    share = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))  # noqa: E731
    return {
        "pole_error": float(np.sqrt(matched.mean())),
        "transfer_error": share(markov(model), markov(truth)),
        "noise_error": share(autocovariances(model), autocovariances(truth)),
    }


def answers(model: LinearGaussian) -> jnp.ndarray:
    """What intervals are asked for of a model with two complex poles and inputs, differentiable.

    Modulus and angle of the poles, then the effects of the inputs after 0 ... 5 steps.
    """
    half, product = jnp.trace(model.A) / 2, jnp.linalg.det(model.A)
    modulus = jnp.sqrt(product)
    effects, moved = [model.D + model.C @ model.B], model.B
    for _ in range(1, LAGS):
        moved = model.A @ moved
        effects.append(model.C @ moved)
    return jnp.concatenate(
        [jnp.stack([modulus, jnp.arccos(half / modulus)]), jnp.stack(effects).ravel()]
    )
