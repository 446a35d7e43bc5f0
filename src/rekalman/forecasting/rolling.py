"""Forecasts from a filtered series: at every step of it, or after its end.

Two forecasts are made from the belief at step t, neither of which looks at anything after t: the distribution
(`Filter.forecast`), and the noise-free path (Unkelbach et al. 2009, section 4.1), on which the mean of the
belief is pushed through the dynamics without noise. The filter is not run again, and the randomness of an
origin depends on its series and step alone, not on which other origins are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from rekalman.core.filter import Belief, Filter
from rekalman.core.trajectory import Trajectory
from rekalman.forecasting.ahead import forecast_ahead
from rekalman.forecasting.checks import steps_of
from rekalman.forecasting.drive import Drive, check_horizons, check_origins, each_origins
from rekalman.forecasting.labels import Labels
from rekalman.forecasting.result import Forecast
from rekalman.foundation.arguments import positive_time
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision

__all__ = ["Forecast", "Labels", "forecast_from", "rolling_forecast"]


@in_own_precision
def rolling_forecast(
    algorithm: Filter,
    path: Trajectory,
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
        algorithm: the filter that was run.
        path: its beliefs, of one series or of several (leading axis).
        horizons: steps ahead, one number or several.
        key: randomness of the particles.
        inputs: known inputs `(steps, input)` or `(batch, steps, input)`; a model with inputs needs
            those of every step that is forecast.
        future_inputs: inputs after the end of each series, in the same form, at most as many rows as the
            longest horizon.
        dt: time since the step before, `(steps,)` or `(batch, steps)`.
        lengths: number of real steps of each series `(batch,)`; default all.
        origins: steps to forecast from, the same for every series; negative counts from its end. A list with
            an array of steps for each series, which may be empty, says it for each. Default: every step, for
            a model with inputs every step whose future inputs are known, with a diffuse start every step from
            where it is known.
        particles: push so many through the dynamics; default as many as were filtered.
        input_names: what the inputs are called in messages.
        step: length of the steps after the end of a series; default the median of its `dt`.

    Returns:
        The forecasts, origin after origin and series after series, in the units of the model.

    Raises:
        RekalError: a horizon is not a whole number above 0; the model's observation noise is not
            Gaussian; an origin lies outside a series; inputs of a step to be forecast are unknown.
    """
    width = algorithm.n_inputs
    steps_ahead = check_horizons(horizons)
    moments = _moments(path)
    batch, steps = np.atleast_2d(path.log_evidence).shape
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
    chosen_steps = [
        check_origins(each, int(end), drive.last_origin(i, int(end), steps_ahead[-1]))
        for i, (each, end) in enumerate(zip(each_origins(origins, batch), ends, strict=True))
    ]
    if origins is None and path.determined is not None:
        known = np.broadcast_to(path.determined.reshape(-1, steps), (batch, steps))
        chosen_steps = [at[known[i, at]] for i, at in enumerate(chosen_steps)]
        if not any(map(len, chosen_steps)):
            raise RekalError(
                "a direction of the diffuse start is unknown to the end of the series, so that nothing "
                "can be forecast from it"
            )
    series = np.repeat(np.arange(batch), [len(steps) for steps in chosen_steps])
    at = np.concatenate(chosen_steps)
    chosen = jax.tree.map(lambda leaf: leaf[series % len(leaf), at], moments)
    return forecast_ahead(algorithm, chosen, drive, series, at, steps_ahead, key, particles)


@in_own_precision
def forecast_from(
    algorithm: Filter,
    belief: Belief | Trajectory,
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
        algorithm: the filter that was run.
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
    width = algorithm.n_inputs
    steps_ahead = steps_of(horizon)
    if isinstance(belief, Trajectory):
        batch, steps = np.atleast_2d(belief.log_evidence).shape
        series = np.arange(batch)
        at = (np.full(batch, steps) if lengths is None else np.asarray(lengths, int)) - 1
        last = jax.tree.map(lambda leaf: leaf[series % len(leaf), at], _moments(belief))
    else:
        series, at = np.arange(1), np.array([origin])
        last = jax.tree.map(lambda leaf: np.asarray(leaf)[None], algorithm.moments(belief))
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
    return forecast_ahead(algorithm, last, drive, series, at, steps_ahead, key, particles)


def _moments(path: Trajectory) -> PyTree:
    """Of the beliefs of one or more series, leaves `(batch, steps, ...)`, batch 1 where all share it."""
    alone = np.ndim(path.log_evidence) == 1
    return jax.tree.map(
        lambda leaf: np.asarray(leaf)[None] if alone else np.asarray(leaf), path.moments
    )
