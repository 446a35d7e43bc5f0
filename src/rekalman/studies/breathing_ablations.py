r"""What the network adds to its readout: the same readout on a linear model, and on no model at all.

Everything else is as in `AdaptiveForecaster`: sizes, steps of training, forgetting factors, Huber's weights,
clipping, equal-weight mean, intervals.

* **linear model**: A f(x) with f the identity instead of tanh, from the same subspace start, trained by as
  many iterations of EM under the same priors, followed by the Kalman filter. Its features are the filtered
  state and the last two innovations, and the readout begins at its own forecast.
* **lags**: the last twelve samples of all columns, of which as many principal components as the network
  has states; with the last two differences in place of innovations. The readout begins at the last sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.filters.kalman.filter import Kalman
from rekalman.fitting.adaptive import AdaptiveForecaster
from rekalman.fitting.readout_members import Followed, held_in_range, readout_members
from rekalman.learners.batch import Batch
from rekalman.learners.em.em import EM
from rekalman.learners.online.tracked import features, moments
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.linear import LinearGaussian

LAGS = 12
"""Samples whose principal components stand in for a state: the window of the subspace start."""

LINEAR, LAGS_ALONE = "linear model adaptive", "lags adaptive"
BOTH = "linear model adaptive and lags adaptive, averaged"

Make = Callable[[AdaptiveForecaster, np.ndarray, int, int, int], Followed]
"""Given how to forecast, a record, a size, the number of training steps and the end: a `Follow`."""

Issued = dict[tuple[int, float], np.ndarray]
"""Forecasts of each (size, forgetting)."""


def ablation_forecasts(
    forecaster: AdaptiveForecaster, values: np.ndarray, seconds: dict[str, float]
) -> dict[str, np.ndarray]:
    """Forecasts of the readout without a network on one record; adds to `seconds` what each takes."""
    forecasts = {}
    for system, make in ((LINEAR, follow_linear), (LAGS_ALONE, follow_lags)):
        began = time.perf_counter()
        forecasts[system] = adaptive_mean(make, forecaster, values)
        seconds[system] = seconds.get(system, 0.0) + time.perf_counter() - began
    forecasts[BOTH] = 0.5 * (forecasts[LINEAR] + forecasts[LAGS_ALONE])
    return forecasts


def adaptive_mean(make: Make, forecaster: AdaptiveForecaster, values: np.ndarray) -> np.ndarray:
    """Equal-weight mean `(time, horizons, obs)` of the readouts on a model."""
    return np.mean(list(adaptive_members(make, forecaster, values).values()), axis=0)


def adaptive_members(
    make: Make,
    forecaster: AdaptiveForecaster,
    values: np.ndarray,
) -> Issued:
    """Forecasts `(time, horizons, obs)` of the readouts on a model, for each (size, forgetting).

    Args:
        make: `follow_linear`, `follow_lags` or another.
        forecaster: everything but the model.
        values: a complete record `(time, obs)`.
    """
    mask = np.ones(values.shape, bool)
    times = forecaster.training_times(len(values))
    members: Issued = {}
    for n in forecaster.sizes:
        follow = lambda t0, end, n=n: make(forecaster, values, n, t0, end)  # noqa: E731
        issued = readout_members(
            follow, values, mask, times, forecaster.horizons, forecaster.forgetting
        )
        for lam, each in issued.items():
            members[n, lam] = held_in_range(each, values, mask, forecaster.margin)
    return members


def follow_linear(
    forecaster: AdaptiveForecaster, values: np.ndarray, states: int, training: int, end: int
) -> Followed:
    """Train a linear model on the first `training` steps of a record and filter it up to `end`."""
    mask = np.ones(values.shape, bool)
    location, scale = moments(values[:training], mask[:training])
    z = (values - location) / scale
    model = fit_linear(z[:training], states, forecaster.em)
    with jax.enable_x64(True):
        path = Kalman(model).run(jnp.asarray(z[:end]), jnp.asarray(mask[:end]))
        state, prior = np.asarray(path.mean), np.asarray(path.prior_mean)
    C, d = np.asarray(model.C), np.asarray(model.d)
    phi = features(state, z[:end] - prior @ C.T - d, training)
    own = ahead(model, state, forecaster.horizons)
    return Followed(phi.astype(np.float32), own.astype(np.float32), location, scale)


def fit_linear(z: np.ndarray, states: int, em: EM) -> LinearGaussian:
    """The subspace start of the network with the identity for tanh, and exact EM from there."""
    mask = np.ones(z.shape, bool)
    with jax.enable_x64(True):
        start = subspace_start(z, mask, states, activation="identity")
        blocks = {name: getattr(start, name) for name in ("c", "d", "m", "P")}
        linear = LinearGaussian.create(start.A, start.C, start.Q, start.R, **blocks)
        batch = Batch(
            jnp.asarray(z)[None], jnp.asarray(mask)[None], None, jnp.ones((1, len(z)), bool)
        )
        return cast(LinearGaussian, em.run(linear, batch).model)


def ahead(model: LinearGaussian, state: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """Forecasts from each state `(time, states)`: `(time, horizons, obs)`."""
    A, C = np.asarray(model.A), np.asarray(model.C)
    forecasts = {}
    for h in range(1, max(horizons) + 1):
        state = state @ A.T + np.asarray(model.c)
        forecasts[h] = state @ C.T + np.asarray(model.d)
    return np.stack([forecasts[h] for h in horizons], axis=1)


def follow_lags(
    forecaster: AdaptiveForecaster, values: np.ndarray, components: int, training: int, end: int
) -> Followed:
    """Principal components of the last twelve samples, found on the first `training` steps."""
    mask = np.ones(values.shape, bool)
    location, scale = moments(values[:training], mask[:training])
    z = ((values - location) / scale)[:end]
    lags = lagged(z, LAGS)
    centred = lags - lags[LAGS - 1 : training].mean(0)
    directions = np.linalg.svd(centred[LAGS - 1 : training], full_matrices=False)[2]
    differences = np.diff(z, axis=0, prepend=z[:1])
    phi = features(centred @ directions[:components].T, differences, training)
    own = np.repeat(z[:, None], len(forecaster.horizons), axis=1)
    return Followed(phi.astype(np.float32), own.astype(np.float32), location, scale)


def lagged(z: np.ndarray, k: int) -> np.ndarray:
    """Row t: the samples t, t-1, ..., t-k+1 side by side; the first stands for those before it."""
    padded = np.concatenate([np.repeat(z[:1], k - 1, axis=0), z])
    return np.hstack([padded[k - 1 - j : len(padded) - j] for j in range(k)])
