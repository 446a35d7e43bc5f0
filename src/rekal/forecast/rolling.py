"""Forecasts from a filtered series: at every step of it, or after its end.

A filter with a Gaussian belief, and a network, predict by themselves (`gaussian.py`). From the cloud of
particles at step t two forecasts are made, neither of which looks at anything after t. The distribution:
every particle is pushed through the noisy dynamics, and the observation noise is added in closed form. The
path (Unkelbach et al. 2009, section 4.1): the mean of the cloud is pushed through the dynamics without noise.
The filter is not run again, and the randomness of an origin depends on its series and step alone, not on
which other origins are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from rekal.arguments import positive_time, whole
from rekal.beliefs import Gaussian, GaussianPath, Particles, Path
from rekal.errors import RekalError
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.resampling import systematic
from rekal.forecast.checks import check_finite_forecast, steps_of
from rekal.forecast.drive import SHORTER, Drive, check_horizons, check_origins
from rekal.forecast.gaussian import forecast_gaussian
from rekal.forecast.labels import Labels
from rekal.forecast.result import Forecast
from rekal.memory import check_memory
from rekal.models.base import StateSpaceModel
from rekal.models.gaussian import GaussianModel
from rekal.networks.beliefs import Factorised, Hidden
from rekal.networks.table import TableNetwork, TablePath
from rekal.precision import in_own_precision

__all__ = ["Forecast", "Labels", "forecast_from", "rolling_forecast"]

Source = StateSpaceModel | GaussianFilter | TableNetwork
"""What makes forecasts: a model and its particles, or a filter that predicts by itself."""

LARGEST_CHUNK = 4_000_000
"""Numbers that one chunk of origins may hold at once."""


@in_own_precision
def rolling_forecast(
    source: Source,
    path: Path | GaussianPath | TablePath,
    horizons: int | Sequence[int],
    key: PRNGKeyArray,
    *,
    inputs: Any = None,
    future_inputs: Any = None,
    dt: Any = None,
    lengths: Any = None,
    origins: Any = None,
    particles: int | None = None,
    input_names: Sequence[str] = (),
    step: float | None = None,
) -> Forecast:
    """Forecasts made at every step of one or more filtered series.

    Args:
        source: the model whose particles were filtered, or the Gaussian filter or network that was run.
        path: its beliefs, of one series or of several (leading axis).
        horizons: steps ahead, one number or several.
        key: randomness of the particles.
        inputs: known inputs `(steps, input)` or `(batch, steps, input)`; a model with inputs needs
            those of every step that is forecast.
        future_inputs: inputs after the end of each series, in the same form, at most as many rows as the
            longest horizon.
        dt: time since the step before, `(steps,)` or `(batch, steps)`.
        lengths: number of real steps of each series `(batch,)`; default all.
        origins: steps to forecast from, the same for every series; negative counts from its end.
            Default: every step, for a model with inputs every step whose future inputs are known, with a
            diffuse start every step from where it is known.
        particles: push so many through the dynamics; default as many as were filtered.
        input_names: what the inputs are called in messages.
        step: length of the steps after the end of a series; default the median of its `dt`.

    Returns:
        The forecasts, origin after origin and series after series, in the units of the model.

    Raises:
        RekalError: a horizon is not a whole number above 0; the model's observation noise is not
            Gaussian; an origin lies outside a series; inputs of a step to be forecast are unknown.
    """
    width = _inputs(source)
    steps_ahead = check_horizons(horizons)
    beliefs = _beliefs(path)
    batch, steps = jax.tree.leaves(beliefs)[0].shape[:2]
    ends = np.full(batch, steps) if lengths is None else np.asarray(lengths, int)
    if width and inputs is not None and np.ndim(inputs) > 1 and np.shape(inputs)[-2] > steps:
        raise RekalError(
            f"inputs have {np.shape(inputs)[-2]} rows, but the series {steps} steps: the rows after the "
            "end of the data are future_inputs"
        )
    drive = Drive.of(
        width,
        np.zeros(batch, int),
        ends,
        inputs,
        future_inputs,
        dt,
        input_names,
        ahead=steps_ahead[-1],
        step=step,
    )
    found = [
        check_origins(origins, int(end), drive.last_origin(i, int(end), steps_ahead[-1]))
        for i, end in enumerate(ends)
    ]
    if origins is None and isinstance(path, GaussianPath) and path.diffuse is not None:
        known = (np.asarray(path.diffuse.basis).reshape(batch, steps, -1) == 0).all(2)
        found = [at[known[i, at]] for i, at in enumerate(found)]
        if not any(map(len, found)):
            raise RekalError(
                "a direction of the diffuse start is unknown to the end of the series, so that nothing "
                "can be forecast from it"
            )
    series = np.repeat(np.arange(batch), [len(steps) for steps in found])
    at = np.concatenate(found)
    chosen = jax.tree.map(lambda leaf: leaf[series, at], beliefs)
    if isinstance(source, GaussianFilter | TableNetwork):
        return forecast_gaussian(source, chosen, drive, series, at, steps_ahead)
    return _forecast(_gaussian(source), chosen, drive, series, at, steps_ahead, key, particles)


@in_own_precision
def forecast_from(
    source: Source,
    belief: Particles | Path | Gaussian | GaussianPath | TablePath | Factorised | Hidden,
    horizon: int | Sequence[int],
    key: PRNGKeyArray,
    *,
    future_inputs: Any = None,
    lengths: Any = None,
    dt: int | float | None = None,
    origin: int = 0,
    particles: int | None = None,
    input_names: Sequence[str] = (),
) -> Forecast:
    """The forecast after the end of the data.

    Args:
        source: the model whose particles were filtered, or the Gaussian filter or network that was run.
        belief: the belief after the last observation, or the path of one or more series.
        horizon: a number means every step up to it; several numbers mean those steps.
        key: randomness of the particles.
        future_inputs: inputs of the steps to come, `(horizon, input)` or `(batch, horizon, input)`: as many
            rows as the longest horizon, no more and no fewer.
        lengths: number of real steps of each series of a path `(batch,)`; default all.
        dt: time between the steps to come, for models that use it.
        origin: number of the step that a single belief stands at.
        particles: push so many through the dynamics; default as many as there are.
        input_names: what the inputs are called in messages.

    Returns:
        One origin for each series.

    Raises:
        RekalError: as for `rolling_forecast`.
    """
    width = _inputs(source)
    steps_ahead = steps_of(horizon)
    if isinstance(belief, Particles):
        at = np.array([origin])
        last = np.asarray(belief.x)[None], np.asarray(belief.log_weights)[None]
    elif isinstance(belief, Gaussian):
        at = np.array([origin])
        moments = (belief.cov,) if belief.basis is None else (belief.known, belief.basis)
        last = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (belief.mean, *moments))
    elif isinstance(belief, Factorised | Hidden):
        at = np.array([origin])
        last = jax.tree.map(lambda leaf: np.asarray(leaf)[None], belief)
    else:
        beliefs = _beliefs(belief)
        batch, steps = jax.tree.leaves(beliefs)[0].shape[:2]
        at = (np.full(batch, steps) if lengths is None else np.asarray(lengths, int)) - 1
        last = jax.tree.map(lambda leaf: leaf[np.arange(batch), at], beliefs)
    interval = None if dt is None else np.full(1, positive_time(dt, "dt"))
    drive = Drive.of(
        width,
        at + 1,
        at + 1,
        None,
        future_inputs,
        interval,
        input_names,
        ahead=steps_ahead[-1],
    )
    series = np.arange(len(at))
    if isinstance(source, GaussianFilter | TableNetwork):
        return forecast_gaussian(source, last, drive, series, at, steps_ahead)
    return _forecast(_gaussian(source), last, drive, series, at, steps_ahead, key, particles)


def _beliefs(path: Path | GaussianPath | TablePath) -> PyTree:
    """Particles and log weights, moments of the state, or beliefs of a network: `(batch, steps, ...)`."""
    if isinstance(path, TablePath):
        return jax.tree.map(np.asarray, path.posterior)
    if isinstance(path, GaussianPath):
        diffuse, axes = path.diffuse, 3
        moments = (path.cov,) if diffuse is None else (diffuse.cov, diffuse.basis)
        leaves = (path.mean, *moments)
    else:
        leaves, axes = (path.x, path.log_weights), 4
    alone = leaves[0].ndim < axes
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None] if alone else np.asarray(leaf), leaves)


def _inputs(source: Source) -> int:
    """How many inputs there are."""
    if isinstance(source, TableNetwork):
        return source.n_inputs
    return (source.model if isinstance(source, GaussianFilter) else _gaussian(source)).n_inputs


def _gaussian(model: StateSpaceModel) -> GaussianModel:
    if not isinstance(model, GaussianModel):
        raise RekalError(
            f"a forecast needs a model with Gaussian observation noise; {type(model).__name__} "
            "has none that is known to be"
        )
    return model


def _forecast(
    model: GaussianModel,
    cloud: tuple[np.ndarray, np.ndarray],
    drive: Drive,
    series: np.ndarray,
    at: np.ndarray,
    horizons: tuple[int, ...],
    key: PRNGKeyArray,
    particles: int | None,
) -> Forecast:
    """Push the clouds forward, chunk by chunk of origins so that memory stays bounded."""
    x, log_weights = cloud
    ahead, count = horizons[-1], len(at)
    pushed = x.shape[1] if particles is None else particles
    whole("particles", pushed)
    check_memory(
        float(count * len(horizons) * pushed * model.observations + ahead * pushed * model.states)
        * x.dtype.itemsize,
        f"forecasts of {ahead} steps from {count} origins with {pushed} particles",
        f"{SHORTER}, origins or particles",
    )
    u, dt = drive.rows(series, at, ahead)
    u, dt = (None if v is None else v.astype(x.dtype) for v in (u, dt))
    size = ahead * pushed * (model.states + model.observations)
    fitting = next(c for c in (1, 8, 64) if c >= min(count, 64))  # few sizes: compiled once each
    chunk = max(1, min(fitting, LARGEST_CHUNK // size))
    kept = np.array(horizons) - 1
    means = np.empty((count, len(horizons), pushed, model.observations), x.dtype)
    path = np.empty((count, len(horizons), model.observations), x.dtype)
    weights = np.empty((count, pushed), x.dtype)
    for first in range(0, count, chunk):
        # The last chunk is filled up with its last origin, so that nothing is compiled again.
        rows = np.minimum(np.arange(first, first + chunk), count - 1)
        row = jax.tree.map(lambda leaf: leaf[rows], (x, log_weights, series, at, u, dt))  # noqa: B023
        here = slice(first, min(first + chunk, count))
        size = here.stop - here.start
        seen, weight, mean = (np.asarray(v)[:size] for v in _push(model, key, row, ahead, pushed))
        means[here], weights[here], path[here] = seen[:, kept], weight, mean[:, kept]
    check_finite_forecast(means, path, horizons)
    return Forecast(
        means=means,
        log_weights=weights,
        cov=np.asarray(model.R),
        path=path,
        origins=at,
        series=series,
        horizons=horizons,
        labels=Labels.plain(model.observations),
    )


@eqx.filter_jit
def _push(
    model: GaussianModel,
    key: PRNGKeyArray,
    rows: PyTree,
    ahead: int,
    particles: int,
) -> tuple[Array, Array, Array]:
    """Means, log weights and paths of a chunk of origins, at every horizon up to `ahead`."""

    def one(row: PyTree) -> tuple[Array, Array, Array]:
        x, log_weights, series, at, u, dt = row
        noise_key, uniform_key = jax.random.split(
            jax.random.fold_in(jax.random.fold_in(key, series), at)
        )
        mean = jnp.exp(log_weights) @ x
        if particles != x.shape[0]:
            uniform = jax.random.uniform(uniform_key, (), x.dtype)
            x = x[systematic(jnp.exp(log_weights), uniform, particles)]
            log_weights = jnp.full(particles, -jnp.log(particles), x.dtype)
        noise = model.draw(noise_key, ahead, particles)

        def step(state: tuple[Array, Array], row: PyTree) -> tuple[tuple[Array, Array], PyTree]:
            noise, u, dt = row
            x = model.sample_transition(noise, state[0], u, dt)
            mean = model.transition_mean(state[1], u, dt)
            seen = model.observation_mean(x, u), model.observation_mean(mean, u)[0]
            return (x, mean), seen

        _, (means, path) = jax.lax.scan(step, (x, mean[None]), (noise, u, dt))
        return means, log_weights, path

    return jax.vmap(one)(rows)
