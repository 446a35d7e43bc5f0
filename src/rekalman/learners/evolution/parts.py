"""Which rows of series the readout is fitted on, and from where the network runs freely to be judged."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch


class Origins(NamedTuple):
    """Free runs of the same length: where they begin, and what they are compared with.

    Attributes:
        series: index of the series of each.
        step: the first step that is predicted.
        wanted: observed rows of the steps, 0 where they do not count.
        counted: True where an entry counts.
        inputs: inputs of the steps after each, `None` without any.
    """

    series: Int[Array, " runs"]
    step: Int[Array, " runs"]
    wanted: Float[Array, "horizon runs obs"]
    counted: Bool[Array, "horizon runs obs"]
    inputs: Float[Array, "horizon runs input"] | None


class Parts(NamedTuple):
    """Series as the evaluation takes them.

    Attributes:
        rows: observed rows; where an entry is missing the last one before it, or 0.
        mask: True where an entry was observed.
        after: inputs of the step after each, None without any.
        fitted: True where a whole row was observed and is a target of the readout.
        origins: of the free runs.
    """

    rows: Float[Array, "batch steps obs"]
    mask: Bool[Array, "batch steps obs"]
    after: Float[Array, "batch steps input"] | None
    fitted: Bool[Array, "batch steps"]
    origins: Origins


def parts_of(batch: Batch, validation: float, horizon: int | None, washout: int) -> Parts:
    """The rows of the readout, before the end of each series, and free runs over its end.

    Args:
        batch: the series.
        validation: share of each series, at its end, that networks are judged by; 0 = by what the readout
            was fitted on.
        horizon: steps of each free run; None = to the end of the series.
        washout: steps at the beginning of each series that are no targets, at most a third of it.

    Raises:
        RekalError: the series are too short.
    """
    mask, valid = np.asarray(batch.mask), np.asarray(batch.valid)
    values = np.where(mask, np.asarray(batch.values), 0.0)
    lengths, at = valid.sum(1), np.arange(valid.shape[1])
    first = np.maximum(1, np.minimum(washout, lengths // 3))
    heads = lengths - np.ceil(validation * lengths).astype(int)
    whole_rows = mask.all(-1) & valid
    targets = whole_rows & (at >= first[:, None])
    fitted = targets & (at < heads[:, None])
    begins = heads if validation else first
    judged = np.logical_and(mask, (valid & (at >= begins[:, None]))[..., None])
    if not fitted.any() or not judged.any():
        raise RekalError(
            "too little is observed to fit a readout and to judge it: give longer series, or another "
            "validation"
        )
    inputs = None if batch.inputs is None else np.asarray(batch.inputs)
    return Parts(
        rows=jnp.asarray(held(values, mask)),
        mask=jnp.asarray(mask),
        after=None if inputs is None else jnp.asarray(np.roll(inputs, -1, axis=1)),
        fitted=jnp.asarray(fitted),
        origins=origins_of(values, judged, inputs, begins, horizon),
    )


def origins_of(
    values: Float[np.ndarray, "batch steps obs"],
    judged: Bool[np.ndarray, "batch steps obs"],
    inputs: Float[np.ndarray, "batch steps input"] | None,
    begins: Int[np.ndarray, " batch"],
    horizon: int | None,
) -> Origins:
    """Free runs that begin every half horizon.

    Args:
        values: observed rows.
        judged: entries that count.
        inputs: of each step, or None.
        begins: first step of each series that counts.
        horizon: steps of each run; None = to the end of the longest series.
    """
    some = np.asarray(judged.any(-1))
    last = some.shape[1] - some[:, ::-1].argmax(1)
    ends = np.where(some.any(-1), last, begins)
    longest = int((ends - begins).max())
    length = longest if horizon is None else min(horizon, longest)
    stride = longest if horizon is None else max(1, length // 2)
    pairs = [
        (series, step)
        for series, (begin, end) in enumerate(zip(begins, ends, strict=True))
        for step in range(begin, end, stride)
    ]
    series, step = np.array(pairs).T
    ahead = step + np.arange(length)[:, None]
    inside = ahead < judged.shape[1]
    ahead = np.where(inside, ahead, 0)
    after = np.minimum(ahead + 1, judged.shape[1] - 1)
    return Origins(
        series=jnp.asarray(series),
        step=jnp.asarray(step),
        wanted=jnp.asarray(values[series, ahead]),
        counted=jnp.asarray(judged[series, ahead] & inside[..., None]),
        inputs=None if inputs is None else jnp.asarray(inputs[series, after]),
    )


def held(
    values: Float[np.ndarray, "batch steps obs"], mask: Bool[np.ndarray, "batch steps obs"]
) -> Float[np.ndarray, "batch steps obs"]:
    """Rows with the last observed value in place of each missing one, 0 before the first."""
    at = np.where(mask, np.arange(mask.shape[1])[None, :, None], -1)
    last = np.maximum.accumulate(at, axis=1)
    taken = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, taken, 0.0)


def whole_series(parts: Parts) -> bool:
    """Whether no entry before the last observed row of any series is missing."""
    mask = np.asarray(parts.mask)
    some = mask.any(-1)
    before_end = np.flip(np.maximum.accumulate(np.flip(some, 1), 1), 1)
    return bool((mask.all(-1) == before_end).all())
