"""One linear model in the form of every candidate; each answers with means, covariances, likelihood."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.models.linear import LinearGaussian


class Linear(NamedTuple):
    """A stable random model, and series drawn from it `(series, steps, obs)`, float64."""

    A: np.ndarray
    C: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    m: np.ndarray
    P: np.ndarray
    y: np.ndarray


def make_linear(states: int, obs: int, steps: int, series: int = 1) -> Linear:
    """A model with full covariances whose slowest mode dies in about twenty steps."""
    rng = np.random.default_rng(states)
    A = rng.normal(size=(states, states))
    A *= 0.95 / np.abs(np.linalg.eigvals(A)).max()
    C = rng.normal(size=(obs, states))

    def covariance(size: int, scale: float) -> np.ndarray:
        root = rng.normal(size=(size, size)) / np.sqrt(size)
        return scale * (root @ root.T + 0.5 * np.eye(size))

    Q, R, P = covariance(states, 0.1), covariance(obs, 0.5), np.eye(states)
    root_Q, root_R = np.linalg.cholesky(Q), np.linalg.cholesky(R)
    x, rows = rng.normal(size=(series, states)), []
    for _ in range(steps):
        rows.append(x @ C.T + rng.normal(size=(series, obs)) @ root_R.T)
        x = x @ A.T + rng.normal(size=(series, states)) @ root_Q.T
    return Linear(A, C, Q, R, np.zeros(states), P, np.stack(rows, 1))


def ours(problem: Linear) -> tuple[LinearGaussian, jax.Array]:
    """Our model and the series."""
    model = LinearGaussian.create(
        problem.A, problem.C, problem.Q, problem.R, m=problem.m, P=problem.P
    )
    return model, jnp.asarray(problem.y)


def for_statsmodels(problem: Linear, series: int = 0) -> Any:
    """A bound smoother of statsmodels (Cython), with its steady-state shortcut as it comes."""
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    states, obs = problem.A.shape[0], problem.C.shape[0]
    made = KalmanSmoother(k_endog=obs, k_states=states)
    made.bind(problem.y[series].copy())
    made["design"], made["obs_cov"] = problem.C, problem.R
    made["transition"], made["state_cov"] = problem.A, problem.Q
    made["selection"] = np.eye(states)
    made.initialize_known(problem.m, problem.P)
    return made


def for_dynamax(problem: Linear) -> tuple[Any, Any]:
    """Parameters of dynamax, and its model object."""
    from dynamax.linear_gaussian_ssm import LinearGaussianSSM
    from dynamax.linear_gaussian_ssm.inference import (
        ParamsLGSSM,
        ParamsLGSSMDynamics,
        ParamsLGSSMEmissions,
        ParamsLGSSMInitial,
    )

    A, C, Q, R, m, P = (jnp.asarray(v) for v in problem[:6])
    n, p = A.shape[0], C.shape[0]
    parameters = ParamsLGSSM(
        initial=ParamsLGSSMInitial(mean=m, cov=P),
        dynamics=ParamsLGSSMDynamics(
            weights=A, bias=jnp.zeros(n), input_weights=jnp.zeros((n, 0)), cov=Q
        ),
        emissions=ParamsLGSSMEmissions(
            weights=C, bias=jnp.zeros(p), input_weights=jnp.zeros((p, 0)), cov=R
        ),
    )
    return parameters, LinearGaussianSSM(n, p)


def for_cuthbert(problem: Linear) -> tuple[Any, Any, jax.Array]:
    """Filter and smoother objects of cuthbert (square roots), and the series.

    Its first step predicts: the prior is chosen such that what it predicts is the law of `x_1`.
    """
    from cuthbert.gaussian import kalman

    A, C, m, y = (jnp.asarray(v) for v in (problem.A, problem.C, problem.m, problem.y[0]))
    Q, R, P = (jnp.linalg.cholesky(jnp.asarray(v)) for v in (problem.Q, problem.R, problem.P))
    n, p, steps = A.shape[0], C.shape[0], len(problem.y[0])
    inputs = (jnp.arange(steps), y)

    def dynamics(row: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        first = row[0] == 0
        return jnp.where(first, jnp.eye(n), A), jnp.zeros(n), jnp.where(first, jnp.zeros((n, n)), Q)

    def observation(row: Any) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        return C, jnp.zeros(p), R, row[1]

    filtering = kalman.build_filter(m, P, dynamics, observation)
    return filtering, kalman.build_smoother(dynamics), inputs


def for_pykalman(problem: Linear) -> Any:
    """A filter of pykalman (numpy)."""
    from pykalman import KalmanFilter

    return KalmanFilter(
        transition_matrices=problem.A, observation_matrices=problem.C,
        transition_covariance=problem.Q, observation_covariance=problem.R,
        initial_state_mean=problem.m, initial_state_covariance=problem.P,
    )  # fmt: skip


def for_filterpy(problem: Linear) -> Any:
    """A filter of filterpy (numpy), one step after the other."""
    from filterpy.kalman import KalmanFilter

    states, obs = problem.A.shape[0], problem.C.shape[0]
    made = KalmanFilter(dim_x=states, dim_z=obs)
    made.F, made.H, made.Q, made.R = problem.A, problem.C, problem.Q, problem.R
    made.x, made.P = problem.m[:, None].copy(), problem.P.copy()
    return made


def for_simdkalman(problem: Linear) -> Any:
    """A filter of simdkalman (numpy, vectorised over series)."""
    from simdkalman import KalmanFilter

    return KalmanFilter(
        state_transition=problem.A, process_noise=problem.Q,
        observation_model=problem.C, observation_noise=problem.R,
    )  # fmt: skip
