"""`forecast`: what comes after the end of some data, by a filter of one's own model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from rekalman.core.filter import Filter
from rekalman.data import Sequences
from rekalman.fitting.verbs import check_filter, filter_paths
from rekalman.forecasting import Forecast, forecast_from
from rekalman.forecasting.future import future_rows
from rekalman.foundation.arguments import positive_time, seed_of
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import precision_of


def forecast(
    algorithm: Filter,
    data: Sequences,
    horizon: int | Sequence[int],
    future_inputs: Any = None,
    dt: int | float | None = None,
    seed: int = 0,
) -> Forecast:
    """Forecast the steps after the end of every series, from a filter of a model of your own.

    Args:
        algorithm: a filter with its model, in the units of the data.
        data: one or several series, what has been observed so far.
        horizon: a number means every step up to it; several numbers mean those steps.
        future_inputs: inputs of those steps `(horizon, input)` or `(batch, horizon, input)`, for a model with
            inputs; columns of a frame are found by name.
        dt: length of each step, for a model in continuous time; default the sampling interval of the data.
        seed: start of the randomness (of a particle filter).

    Returns:
        The same kind of forecast as that of a `Fit`, in the units of the data.

    Raises:
        RekalError: `algorithm` is no such filter, or broke down on the data; the horizon is no whole number
            above 0; future inputs are missing, superfluous or of another length; a `dt` that is not positive
            or that the model does not take.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> ahead = rekalman.forecast(rekalman.Kalman(model), data, horizon=5)
        >>> ahead.mean[0, :, 0].round(1).tolist()  # a random walk stays where it is
        [798.4, 798.4, 798.4, 798.4, 798.4]
        >>> ahead.to_frame(levels=0.9).shape
        (5, 8)
    """
    check_filter(algorithm)
    continuous = algorithm.continuous
    if dt is not None and not continuous:
        raise RekalError("the model runs in equal steps: leave dt out")
    algorithm, key = algorithm.suited(), jax.random.key(seed_of(seed))
    step = data.interval if dt is None else positive_time(dt, "dt")
    length = 1.0 if step is None else float(step)
    with precision_of(algorithm):
        made = forecast_from(
            algorithm,
            filter_paths(algorithm, data, key),
            horizon,
            jax.random.fold_in(key, 1),
            future_inputs=future_rows(future_inputs, data, length),
            lengths=data.lengths,
            dt=step if continuous else None,
            input_names=data.input_names,
        )
    return made.label(data, length if continuous and data.times is not None else None)
