r"""What a filter said of each observation before it saw it: white innovations and the PIT.

A particle filter predicts `y_t` by a mixture: the cloud of the step before, moved by the transition, seen
through the observation noise,

    p(y_t | past) = sum_i w_i N(h(x_i), R).

With `r_i` the residual of `y_t` from `h(x_i)`, the innovation and its covariance are the mixture's moments,

    e = sum_i w_i r_i,   S = R + sum_i w_i (r_i - e)(r_i - e)',

scaled by the Cholesky factor of `S` (over the observed entries) as in a Gaussian filter: entry k is the
innovation of column k given the columns before it at the same step. The PIT of a column is exact for the
mixture, `sum_i w_i Phi(r_ik / sqrt(R_kk))`; for a Gaussian filter it is that of `N(mean_k, S_kk)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekalman.core.beliefs import GaussianPath, Path
from rekalman.core.capabilities import Predictive
from rekalman.models.gaussian import GaussianModel
from rekalman.numerics.precision import in_own_precision

if TYPE_CHECKING:
    from rekalman.filters.gaussian import GaussianFilter

TOGETHER = 128  # steps of a particle filter that are worked on side by side


@in_own_precision
@eqx.filter_jit
def gaussian_predictive(
    algorithm: GaussianFilter,
    path: GaussianPath,
    values: Float[Array, "batch steps obs"],
    inputs: Float[Array, "batch steps input"] | None,
) -> Predictive:
    """Predictions of a Gaussian filter.

    Args:
        algorithm: the filter.
        path: what it left of each series `(batch, steps, ...)`.
        values: the observations.
        inputs: known inputs.
    """
    residual = algorithm.model.observation_residual

    def step(y: Array, mean: Array, moments: tuple[Array, ...], t: Array, u: Array | None) -> Array:
        prior = algorithm.belief(mean, moments[0], t, *moments[1:])
        predicted = algorithm.observe(prior, u)
        variances = predicted.var
        there = (variances > 0) & algorithm.determined(prior, u)
        deviations = jnp.sqrt(jnp.where(there, variances, 1.0))
        return jnp.where(
            there, jax.scipy.special.ndtr(residual(y, predicted.mean) / deviations), jnp.nan
        )

    def one(y: Array, mean: Array, moments: tuple[Array, ...], u: Array | None) -> Array:
        return jax.vmap(step)(y, mean, moments, jnp.arange(len(y)), u)

    diffuse = path.diffuse
    prior = (path.prior_cov,) if diffuse is None else (diffuse.prior_cov, diffuse.prior_basis)
    if len(prior[0]) < len(values):  # all series share their covariances
        prior = jax.tree.map(lambda leaf: leaf[0], prior)
        pit = jax.vmap(lambda y, mean, u: one(y, mean, prior, u))(values, path.prior_mean, inputs)
    else:
        pit = jax.vmap(one)(values, path.prior_mean, prior, inputs)
    white = path.white if path.judged is None else jnp.where(path.judged, path.white, jnp.nan)
    return Predictive(white, pit)


@in_own_precision
@eqx.filter_jit
def particle_predictive(
    model: GaussianModel,
    path: Path,
    values: Float[Array, "batch steps obs"],
    mask: Bool[Array, "batch steps obs"],
    inputs: Float[Array, "batch steps input"] | None,
    dt: Float[Array, "batch steps"] | None,
    key: PRNGKeyArray,
) -> Predictive:
    """Predictions of a particle filter, by fresh draws of the transition from every cloud.

    Args:
        model: the model that was filtered.
        path: the clouds of each series `(batch, steps, ...)`.
        values: the observations.
        mask: True where observed.
        inputs: known inputs.
        dt: time since the step before, for a model in continuous time.
        key: randomness of the transitions.
    """
    residual = model.observation_residual
    steps, particles = path.x.shape[1:3]

    def step(row: PyTree) -> Predictive:
        x, log_weights, y, seen, u = row
        gaps = jax.vmap(lambda mean: residual(y, mean))(model.observation_mean(x, u))
        return _mixture(gaps, jnp.exp(log_weights), model.R, seen)

    def move(row: PyTree) -> Predictive:
        (x, log_weights, y, seen, u), dt, key = row
        noise = jax.tree.map(lambda leaf: leaf[0], model.draw(key, 1, particles))
        return step((model.sample_transition(noise, x, u, dt), log_weights, y, seen, u))

    def one(row: PyTree) -> Predictive:
        path, y, seen, u, dt, key = row
        start, rest = jax.random.split(key)
        level = jnp.full(particles, -jnp.log(particles), path.x.dtype)
        at = lambda tree, part: jax.tree.map(lambda leaf: leaf[part], tree)  # noqa: E731
        head = step((model.sample_initial(start, particles), level, *at((y, seen, u), 0)))
        before, after = slice(None, -1), slice(1, None)
        rows = (*at((path.x, path.log_weights), before), *at((y, seen, u), after))
        each = (rows, at(dt, after), jax.random.split(rest, steps - 1))
        tail = jax.lax.map(move, each, batch_size=TOGETHER)
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, tail)

    keys = jax.random.split(key, values.shape[0])
    return jax.lax.map(one, (path, values, mask, inputs, dt, keys))


def _mixture(
    gaps: Float[Array, "particles obs"],
    weights: Float[Array, " particles"],
    R: Float[Array, "obs obs"],
    seen: Bool[Array, " obs"],
) -> Predictive:
    """One observation against a mixture, given its residual from each component."""
    innovation = weights @ gaps
    centred = gaps - innovation
    S = R + (weights[:, None] * centred).T @ centred
    S = jnp.where(seen[:, None] & seen, S, jnp.eye(len(seen), dtype=S.dtype))
    scaled = jax.scipy.linalg.solve_triangular(
        jnp.linalg.cholesky(S), jnp.where(seen, innovation, 0), lower=True
    )
    pit = weights @ jax.scipy.special.ndtr(gaps / jnp.sqrt(jnp.diagonal(R)))
    return Predictive(scaled, pit)
