"""`filter` and `smooth`: a filter of one's own model over a whole data set."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from rekal.beliefs import GaussianPath, Path, SmoothedPath
from rekal.filters.finite import check_finite
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.particle import ParticleFilter
from rekal.filters.recursion import run_filter
from rekal.learning.batch import Batch, as_batch
from rekal.posterior import Kind, Posterior
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


@eqx.filter_jit
def _run_gaussian(algorithm: GaussianFilter, batch: Batch, complete: bool) -> GaussianPath:
    def one(series: Batch) -> GaussianPath:
        mask = None if complete else series.mask
        return algorithm.run(series.values, mask, series.inputs, None)

    return jax.lax.map(one, batch)


@eqx.filter_jit
def _smooth_gaussian(
    algorithm: GaussianFilter, batch: Batch, complete: bool
) -> tuple[GaussianPath, SmoothedPath]:
    def one(series: Batch) -> tuple[GaussianPath, SmoothedPath]:
        mask, length = None if complete else series.mask, series.valid.sum()
        return algorithm.smooth(series.values, mask, series.inputs, None, length)

    return jax.lax.map(one, batch)


def filter_paths(
    algorithm: ParticleFilter | GaussianFilter, data: Sequences, key: PRNGKeyArray
) -> Path | GaussianPath:
    """Beliefs of every series, padding cut off: leaves `(batch, steps, ...)`."""
    batch = as_batch(data)
    if isinstance(algorithm, GaussianFilter):
        path = _run_gaussian(algorithm, batch, is_complete(batch))
        for i in range(
            data.batch
        ):  # compiled code cannot look at numbers: a breakdown is told here
            one = jax.tree.map(lambda leaf: leaf[i, : int(data.lengths[i])], path)  # noqa: B023
            check_finite(algorithm.model, one, None if batch.inputs is None else batch.inputs[i])
    else:
        path = _run(algorithm, batch, jax.random.split(key, data.batch))
    return jax.tree.map(lambda leaf: leaf[:, : data.steps], path)


def is_complete(batch: Batch) -> bool:
    """Whether nothing is missing but padding, which lies after all that matters."""
    return bool((batch.mask | ~batch.valid[..., None]).all())


def filtered_posterior(
    algorithm: ParticleFilter | GaussianFilter, data: Sequences, path: Path | GaussianPath
) -> Posterior:
    """Moments of the filtered beliefs."""
    if isinstance(path, Path):
        return _posterior(algorithm, data, path, jnp.exp(path.log_weights), "filtered")
    return _gaussian_posterior(algorithm, data, path, path.mean, path.var, "filtered")


def filter(algorithm: ParticleFilter | GaussianFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Filter every series of the data.

    Args:
        algorithm: a filter with its model, in the units of the data.
        data: one or several series.
        seed: start of the randomness (of a particle filter).
    """
    return filtered_posterior(algorithm, data, filter_paths(algorithm, data, jax.random.key(seed)))


def smooth(algorithm: ParticleFilter | GaussianFilter, data: Sequences, seed: int = 0) -> Posterior:
    """Smooth every series of the data.

    A Gaussian filter brings its own smoother; particles are smoothed by the marginal forward-backward
    smoother.
    """
    batch = as_batch(data)
    cut = lambda tree: jax.tree.map(lambda leaf: leaf[:, : data.steps], tree)  # noqa: E731
    if isinstance(algorithm, GaussianFilter):
        path, smoothed = cut(_smooth_gaussian(algorithm, batch, is_complete(batch)))
        var = jnp.diagonal(smoothed.cov, axis1=-2, axis2=-1)
        return _gaussian_posterior(algorithm, data, path, smoothed.mean, var, "smoothed")
    path = _run(algorithm, batch, jax.random.split(jax.random.key(seed), data.batch))
    weights = _smooth(algorithm, batch, path)
    return _posterior(algorithm, data, cut(path), cut(weights), "smoothed")


def _posterior(
    algorithm: ParticleFilter | GaussianFilter,
    data: Sequences,
    path: Path,
    weights: Array,
    kind: Kind,
) -> Posterior:
    mean = jnp.einsum("btn,btns->bts", weights, path.x)
    second = jnp.einsum("btn,btns->bts", weights, path.x**2)
    each = _observed(algorithm, data, path.x)
    return Posterior(
        mean=np.asarray(mean),
        var=np.asarray(jnp.maximum(second - mean**2, 0.0)),
        observed_mean=np.asarray(jnp.einsum("btn,btnp->btp", weights, each)),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind=kind,
        data=data,
    )


def _gaussian_posterior(
    algorithm: ParticleFilter | GaussianFilter,
    data: Sequences,
    path: GaussianPath,
    mean: Array,
    var: Array,
    kind: Kind,
) -> Posterior:
    return Posterior(
        mean=np.asarray(mean),
        var=np.asarray(var),
        observed_mean=np.asarray(_observed(algorithm, data, mean[:, :, None])[:, :, 0]),
        log_evidence=np.where(data.valid(), np.asarray(path.log_evidence), 0.0),
        kind=kind,
        data=data,
        white=np.where(np.asarray(data.mask), np.asarray(path.white), np.nan),
    )


def _observed(
    algorithm: ParticleFilter | GaussianFilter,
    data: Sequences,
    x: Float[Array, "batch steps particles states"],
) -> Float[Array, "batch steps particles obs"]:
    inputs = None if data.inputs is None else jnp.asarray(data.inputs, x.dtype)
    return jax.vmap(jax.vmap(algorithm.model.observation_mean))(x, inputs)
