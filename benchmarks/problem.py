"""The model and the numbers that all candidates share, and each candidate's own form of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.models.stochastic_rnn import StochasticRNN

STATES = 5


class Problem(NamedTuple):
    """A tanh network with five states and one output, and a series drawn from it (float64)."""

    A: np.ndarray
    C: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    P: np.ndarray
    y: np.ndarray


def make_problem(steps: int) -> Problem:
    """Noise on both sides, strong coupling: particles are neither lost nor trivial."""
    rng = np.random.default_rng(0)
    n = STATES
    A = np.diag(rng.uniform(0.8, 0.95, n)) + 0.1 * rng.normal(size=(n, n))
    C = 1 + 0.1 * rng.normal(size=(1, n))
    Q, R, P = 0.1 * np.eye(n), 0.1 * np.eye(1), np.eye(n)
    x, rows = rng.normal(size=n), []
    for _ in range(steps):
        rows.append(C @ np.tanh(x) + np.sqrt(0.1) * rng.normal(size=1))
        x = A @ np.tanh(x) + np.sqrt(0.1) * rng.normal(size=n)
    return Problem(A, C, Q, R, P, np.stack(rows))


def ours(problem: Problem) -> tuple[StochasticRNN, jax.Array, jax.Array]:
    """Our model, the values and the mask, in JAX's current default precision."""
    A, C, Q, R, P, y = (jnp.asarray(v, jnp.result_type(float)) for v in problem)
    return StochasticRNN.create(A, C, Q, R, P=P), y, jnp.ones(y.shape, bool)


def for_particles(problem: Problem) -> Any:
    """The same model for `particles`, by its own multivariate normal."""
    from particles import distributions, state_space_models

    class Network(state_space_models.StateSpaceModel):
        def PX0(self):
            return distributions.MvNormal(cov=problem.P)

        def PX(self, t, xp):
            return distributions.MvNormal(loc=np.tanh(xp) @ problem.A.T, cov=problem.Q)

        def PY(self, t, xp, x):
            mean = (np.tanh(x) @ problem.C.T)[:, 0]
            return distributions.Normal(loc=mean, scale=np.sqrt(problem.R[0, 0]))

    return state_space_models.Bootstrap(ssm=Network(), data=problem.y[:, 0])


def run_particles(problem: Problem, particles: int, history: bool) -> Any:
    """One bootstrap filter of `particles`, with the resampling that ours uses."""
    from particles import SMC

    filtered = SMC(
        fk=for_particles(problem), N=particles, resampling="systematic", ESSrmin=0.5,
        store_history=history,
    )  # fmt: skip
    filtered.run()
    return filtered


def cuthbert_functions(problem: Problem, particles: int) -> tuple[Any, Any, jax.Array]:
    """Cuthbert's filter, its exact backward sampler, and the inputs that drive them.

    Its densities are written as cheaply as the model allows (a whitened residual), so that the
    comparison is one of algorithms and not of `multivariate_normal.logpdf`.
    """
    from cuthbert.smc import backward_sampler, particle_filter
    from cuthbertlib.resampling import adaptive, systematic
    from cuthbertlib.smc.smoothing import exact_sampling

    A, C, Q, R, P, y = (jnp.asarray(v, jnp.result_type(float)) for v in problem)
    L, root_P = jnp.linalg.cholesky(Q), jnp.linalg.cholesky(P)
    whiten = jnp.linalg.inv(L)

    def initial(key):
        return root_P @ jax.random.normal(key, (STATES,), y.dtype)

    def propagate(key, x, _):
        return A @ jnp.tanh(x) + L @ jax.random.normal(key, (STATES,), y.dtype)

    def log_likelihood(_, x, row):
        residual = row - C @ jnp.tanh(x)
        return -0.5 * (residual @ residual / R[0, 0] + jnp.log(2 * jnp.pi * R[0, 0]))

    def log_transition(x, x_next, _):
        residual = whiten @ (x_next - A @ jnp.tanh(x))
        return -0.5 * residual @ residual

    resample = adaptive.ess_decorator(systematic.resampling, 0.5)
    filter_object = particle_filter.build_filter(
        initial, propagate, log_likelihood, particles, resample
    )
    smoother_object = backward_sampler.build_smoother(
        log_transition, exact_sampling.simulate, systematic.resampling, particles
    )
    return filter_object, smoother_object, y
