"""The forecasts that a filter makes from its beliefs at some steps, chunk by chunk of origins."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PRNGKeyArray, PyTree

from rekalman.core.filter import Filter
from rekalman.forecasting.checks import check_finite_forecast, check_reach
from rekalman.forecasting.components import Components, components
from rekalman.forecasting.drive import SHORTER, Drive
from rekalman.forecasting.labels import Labels
from rekalman.forecasting.result import Forecast
from rekalman.foundation.arguments import whole
from rekalman.numerics.memory import check_memory

CHUNKS = (1, 16, 256)
"""Numbers of origins that are worked on at once: few, since each is compiled for itself."""
CLOUDS = (1, 8, 64)
"""The same of clouds of particles, which are larger."""
LARGEST_CHUNK = 4_000_000
"""Numbers that one chunk of origins may hold at once."""
STEPS = 32
"""Small forecasts are made this many steps ahead, or twice as many, and so on, and cut afterwards."""
LITTLE = 20_000_000
"""Numbers of all origins and steps that are worked out in less time than a function is compiled."""


def forecast_ahead(
    algorithm: Filter,
    moments: PyTree,
    drive: Drive,
    series: Int[np.ndarray, " origins"],
    at: Int[np.ndarray, " origins"],
    horizons: tuple[int, ...],
    key: PRNGKeyArray,
    particles: int | None = None,
) -> Forecast:
    """Forecast from the belief at each origin.

    Args:
        algorithm: the filter; its `forecast` and `noise_free` make the forecasts.
        moments: of its beliefs (`Filter.restore`), leaves `(origins, ...)`.
        drive: known inputs and time steps.
        series: which series each origin belongs to.
        at: the step of each origin.
        horizons: steps ahead, increasing.
        key: randomness, where there is any.
        particles: how many are pushed forward, where there are any; default all.

    Raises:
        RekalError: the forecasts would not fit into memory, are not finite, or are no Gaussian mixtures.
    """
    count, obs = len(at), algorithm.observations
    algorithm.check_steps(int(at.max()) + horizons[-1] + 1)
    check_reach(algorithm.longest_horizon, horizons[-1])
    dtype = jax.tree.leaves(moments)[0].dtype
    u, dt = drive.rows(series, at, horizons[-1])
    u, dt = (None if v is None else v.astype(dtype) for v in (u, dt))
    rows = (moments, series, at, u, dt)
    many = algorithm.components > 1
    pushed = (
        algorithm.components if particles is None or not many else whole("particles", particles)
    )
    # Numbers of one origin at one step: what is believed, and the means and the covariance that it gives.
    believed = sum(leaf.size for leaf in jax.tree.leaves(moments)) // (count * algorithm.components)
    of_cov = 0 if algorithm.binary else obs  # a probability says the variance, too
    each = pushed * (believed + obs) + obs * of_cov
    ahead = (
        horizons[-1] if u is not None or dt is not None else _rounded(horizons[-1], count * each)
    )
    check_memory(
        float(count * len(horizons) * (pushed + of_cov + 1) * obs + ahead * each) * dtype.itemsize,
        f"forecasts of {ahead} steps from {count} origins{f' with {pushed} particles' * many}",
        f"{SHORTER}{', origins or particles' * many}",
    )
    sizes = CLOUDS if many else CHUNKS
    several = count > 1 and sizes[-1] * ahead * each <= LARGEST_CHUNK // 4
    fitting = (
        sizes[-1] if several else next(size for size in sizes if size >= min(count, sizes[-1]))
    )
    chunk = max(1, min(fitting, LARGEST_CHUNK // (ahead * each)))
    chosen = np.array(horizons) - 1
    parts = []
    for first in range(0, count, chunk):
        # The last chunk is filled up with its last origin, so that nothing is compiled again.
        index = np.minimum(np.arange(first, first + chunk), count - 1)
        row = jax.tree.map(lambda leaf: leaf[index], rows)  # noqa: B023
        made = _from_many(algorithm, key, row, ahead, particles)
        parts.append(made.at(chosen, min(chunk, count - first)))
    means, log_weights, covs, path = zip(*parts, strict=True)
    means, log_weights, path = (np.concatenate(each) for each in (means, log_weights, path))
    cov = covs[0] if covs[0].ndim == 2 else np.concatenate(covs)
    check_finite_forecast(means, path, horizons, cov)
    return Forecast(
        means=means,
        log_weights=log_weights,
        cov=cov,
        path=path,
        origins=at,
        series=series,
        horizons=horizons,
        labels=Labels.plain(obs),
        binary=algorithm.binary,
    )


def _rounded(ahead: int, each: int) -> int:
    """So many steps or a few more, of `each` numbers, so that few numbers of steps are compiled."""
    rounded = STEPS
    while rounded < ahead:
        rounded *= 2
    return rounded if rounded * each <= LITTLE else ahead


def _from_one(
    algorithm: Filter, key: PRNGKeyArray, row: PyTree, ahead: int, particles: int | None
) -> Components:
    """The forecast from one origin."""
    moments, series, at, u, dt = row
    belief = algorithm.restore(moments, jnp.asarray(at))
    own = jax.random.fold_in(jax.random.fold_in(key, series), at)
    made = algorithm.forecast(belief, ahead, u, dt, own, particles)
    return components(made, algorithm.noise_free(belief, ahead, u, dt))


@eqx.filter_jit
def _from_many(
    algorithm: Filter,
    key: PRNGKeyArray,
    rows: PyTree,
    ahead: int,
    particles: int | None,
) -> Components:
    """The forecasts from several origins; a covariance that all share is there once."""
    one = lambda row: _from_one(algorithm, key, row, ahead, particles)  # noqa: E731
    shapes = jax.eval_shape(one, jax.tree.map(lambda leaf: leaf[0], rows))
    axes = Components(0, 0, None if shapes.cov.ndim == 2 else 0, 0)  # pyright: ignore
    return jax.vmap(one, out_axes=axes)(rows)
