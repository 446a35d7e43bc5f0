"""Training of the adaptive forecaster over the filter of another method: its readouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.core.filter import Filter
from rekalman.filters.adaptive.follower import Follower, RowFeatures, features_of_series
from rekalman.filters.adaptive.readout import Readout
from rekalman.fitting.result import Fit
from rekalman.numerics.precision import precision_of
from rekalman.training.adaptive import RIDGE, taught_fit

if TYPE_CHECKING:
    from rekalman.methods.adaptive import Adaptive
    from rekalman.methods.request import TrainingRequest

LEAST = 1e-6
"""Features that vary less in the training data, in units of the largest, tell nothing and stay small."""


def train_adaptive_over(
    method: Adaptive, under: Fit, request: TrainingRequest, began: float
) -> Fit:
    """Learn readouts over the filter of another method by going through one series once.

    Args:
        method: the options.
        under: what the other method learned from the series.
        request: the series, in raw units.
        began: when the training did, by `time.perf_counter`.
    """
    algorithm, length = under.algorithm, int(request.data.lengths[0])
    prepared = under.standardiser.rows(request.data).apply(request.data)
    mask = np.asarray(prepared.mask)[0]
    z = np.where(mask, np.asarray(prepared.values)[0], 0.0)
    with precision_of(algorithm):
        rows = jnp.asarray(z[:length], jnp.result_type(float)), jnp.asarray(mask[:length])
        key = jax.random.key(request.seed)
        seen = jax.tree.map(np.asarray, _features(algorithm, *rows, method.horizon, key))
        follower = _follower(algorithm, seen, mask[:length], method, under.kind)
    return taught_fit(
        (follower,), under.standardiser, z, mask, method, request, began, under.history
    )


@eqx.filter_jit
def _features(algorithm: Filter, values: Any, mask: Any, horizons: int, key: Any) -> RowFeatures:
    return features_of_series(algorithm, values, mask, horizons, key)


def _follower(
    algorithm: Filter, seen: RowFeatures, mask: np.ndarray, method: Adaptive, title: str
) -> Follower:
    """The filter with readouts that correct nothing yet, and the scales of its features."""
    raw_features = np.asarray(seen.raw_features, np.float64)
    spread = raw_features.std(0)
    floor = LEAST * max(float(spread.max()), 1e-9)
    innovation = np.where(mask, np.asarray(seen.innovation, np.float64), np.nan)
    error = np.sqrt(np.nanmean(innovation**2, 0))
    features, obs = raw_features.shape[1] + 2 * mask.shape[1] + 1, mask.shape[1]
    dtype = jnp.result_type(float)
    readouts = Readout.start(features, obs, RIDGE, (2, method.horizon))
    return Follower(
        filter=algorithm,
        location=jnp.asarray(raw_features.mean(0), dtype),
        scale=jnp.asarray(np.maximum(spread, floor), dtype),
        innovation_scale=jnp.asarray(np.where(error > 0, error, 1.0), dtype),
        readouts=jax.tree.map(lambda leaf: leaf.astype(dtype), readouts),
        method=title,
    )
