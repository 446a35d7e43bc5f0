"""`filter` and `smooth`: a filter of one's own model over a whole data set."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PRNGKeyArray

from rekal.beliefs import Path
from rekal.filters.particle import ParticleFilter
from rekal.filters.recursion import run_filter
from rekal.learning.batch import Batch, as_batch
from rekal.posterior import Posterior
from rekal.sequences import Sequences
from rekal.smoothers.marginal import smooth_marginal


@eqx.filter_jit
def _run(algorithm: ParticleFilter, batch: Batch, keys: Key[Array, " batch"]) -> Path:
    def one(row: tuple[Batch, PRNGKeyArray]) -> Path:
        series, key = row
        return run_filter(algorithm, series.values, series.mask, series.inputs, None, key)

    return jax.lax.map(one, (batch, keys))


@eqx.filter_jit
def _smooth(algorithm: ParticleFilter, batch: Batch, path: Path) -> Array:
    def one(row: tuple[Batch, Path]) -> Array:
        series, path = row
        nothing = jnp.zeros((*path.x.shape[:2], 0), path.x.dtype)
        model, inputs = algorithm.model, series.inputs
        return smooth_marginal(model, path, inputs, None, series.valid, nothing, nothing).weights

    return jax.lax.map(one, (batch, path))


def filter_paths(algorithm: ParticleFilter, data: Sequences, key: PRNGKeyArray) -> Path:
    """Particle clouds of every series, padding cut off: leaves `(batch, steps, ...)`."""
    path = _run(algorithm, as_batch(data), jax.random.split(key, data.batch))
    return jax.tree.map(lambda leaf: leaf[:, : data.steps], path)


def filtered_posterior(algorithm: ParticleFilter, data: Sequences, path: Path) -> Posterior:
    """Moments of the filtered clouds."""
    return _posterior(algorithm, data, path, jnp.exp(path.log_weights), "filtered")


def filter(algorithm: ParticleFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Filter every series of the data.

    Args:
        algorithm: a filter with its model, in the units of the data.
        data: one or several series.
        seed: start of the randomness.
    """
    return filtered_posterior(algorithm, data, filter_paths(algorithm, data, jax.random.key(seed)))


def smooth(algorithm: ParticleFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Smooth every series of the data by the marginal forward-backward smoother."""
    batch = as_batch(data)
    path = _run(algorithm, batch, jax.random.split(jax.random.key(seed), data.batch))
    weights = _smooth(algorithm, batch, path)[:, : data.steps]
    path = jax.tree.map(lambda leaf: leaf[:, : data.steps], path)
    return _posterior(algorithm, data, path, weights, "smoothed")


def _posterior(
    algorithm: ParticleFilter, data: Sequences, path: Path, weights: Array, kind: str
) -> Posterior:
    mean = jnp.einsum("btn,btns->bts", weights, path.x)
    second = jnp.einsum("btn,btns->bts", weights, path.x**2)
    inputs = None if data.inputs is None else jnp.asarray(data.inputs, path.x.dtype)
    each = jax.vmap(jax.vmap(algorithm.model.observation_mean))(path.x, inputs)
    return Posterior(
        mean=np.asarray(mean),
        var=np.asarray(jnp.maximum(second - mean**2, 0.0)),
        observed_mean=np.asarray(jnp.einsum("btn,btnp->btp", weights, each)),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind="filtered" if kind == "filtered" else "smoothed",
        data=data,
    )
