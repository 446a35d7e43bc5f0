"""Forecasts of a filter whose predictions are Gaussian: its own, exact for a linear model.

That is a filter with a Gaussian belief, or a network that decodes what it believes.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from rekal.filters.gaussian import GaussianFilter
from rekal.forecast.checks import check_finite_forecast
from rekal.forecast.drive import SHORTER, Drive
from rekal.forecast.labels import Labels
from rekal.forecast.result import Forecast
from rekal.memory import check_memory
from rekal.models.linear_model import LinearModel
from rekal.models.time_varying import LinearTimeVarying
from rekal.networks.table import TableNetwork

CHUNK = 256  # origins at once


def forecast_gaussian(
    algorithm: GaussianFilter | TableNetwork,
    beliefs: PyTree,
    drive: Drive,
    series: Int[np.ndarray, " origins"],
    at: Int[np.ndarray, " origins"],
    horizons: tuple[int, ...],
) -> Forecast:
    """Predict from the belief at each origin.

    Args:
        algorithm: the filter; its `predict` and `observe` make the forecast.
        beliefs: mean and covariance of the state (with a diffuse start, of its known directions, and a basis
            of the unknown ones), or what a network believes, leaves `(origins, ...)`.
        drive: known inputs and time steps.
        series: which series each origin belongs to.
        at: the step of each origin.
        horizons: steps ahead, increasing.
    """
    network = isinstance(algorithm, TableNetwork)
    obs = algorithm.observations if network else algorithm.model.observations
    ahead, count = horizons[-1], len(at)
    if not network and isinstance(algorithm.model, LinearTimeVarying):
        algorithm.model.check_steps(int(at.max()) + ahead + 1)
    dtype = jax.tree.leaves(beliefs)[0].dtype
    numbers = count * len(horizons) * obs * (obs + 2) + ahead * obs * (obs + 2)
    check_memory(
        float(numbers) * dtype.itemsize, f"forecasts of {ahead} steps from {count} origins", SHORTER
    )
    u, dt = drive.rows(series, at, ahead)
    u, dt = (None if v is None else v.astype(dtype) for v in (u, dt))
    kept = np.array(horizons) - 1
    means = np.empty((count, len(horizons), 1, obs), dtype)
    cov = np.empty((count, len(horizons), obs, obs), dtype)
    path = np.empty((count, len(horizons), obs), dtype)
    size = next(
        c for c in (1, 16, CHUNK) if c >= min(count, CHUNK)
    )  # few sizes: compiled once each
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        row = jax.tree.map(lambda leaf: leaf[rows], (beliefs, at, u, dt))  # noqa: B023
        here = slice(first, min(first + size, count))
        found = [
            np.asarray(v)[: here.stop - here.start, kept] for v in _push(algorithm, row, ahead)
        ]
        means[here, :, 0], cov[here], path[here] = found
    check_finite_forecast(means, path, horizons, cov)
    return Forecast(
        means=means,
        log_weights=np.zeros((count, 1), dtype),
        cov=cov,
        path=path,
        origins=at,
        series=series,
        horizons=horizons,
        labels=Labels.plain(obs),
    )


@eqx.filter_jit
def _push(
    algorithm: GaussianFilter | TableNetwork, rows: PyTree, ahead: int
) -> tuple[Array, Array, Array]:
    """Mean, covariance and noise-free path of the observation at every horizon, for each origin."""

    def one(row: PyTree) -> tuple[Array, Array, Array]:
        start, at, u, dt = row
        x = None  # the state without noise, where the mean of the distribution takes another path
        if isinstance(algorithm, GaussianFilter):
            mean, *moments = start
            start = algorithm.belief(mean, moments[0], jnp.asarray(at), *moments[1:])
            x = None if isinstance(algorithm.model, LinearModel) else mean

        def step(carry: tuple[Any, Array | None], row: PyTree) -> tuple[PyTree, PyTree]:
            belief, x = carry
            u, dt = row
            belief = algorithm.predict(belief, u, dt)
            mean, cov = algorithm.observe(belief, u)
            if isinstance(algorithm, TableNetwork):
                return (algorithm.skip(belief), x), (mean, cov, mean)
            if x is None:
                return (belief, x), (mean, cov, mean)
            x = algorithm.model.transition_mean(x[None], u, dt)[0]
            return (belief, x), (mean, cov, algorithm.model.observation_mean(x[None], u)[0])

        return jax.lax.scan(step, (start, x), (u, dt), length=ahead)[1]

    return jax.vmap(one)(rows)
