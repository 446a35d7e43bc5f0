"""Series as plain arrays, padded to few lengths so that nothing is compiled twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from rekalman.core.filter import Filter
from rekalman.core.row import FilmRow
from rekalman.data import Sequences
from rekalman.data.filmed import FilmedSequences
from rekalman.foundation.errors import RekalError
from rekalman.models.base import StateSpaceModel
from rekalman.numerics.memory import check_moments_memory
from rekalman.numerics.placing import placed, taken


class Batch(NamedTuple):
    """Arrays of several series; `valid` is False on padding.

    `dt`, the time since the step before, is there only where a model in continuous time runs in steps of
    unequal length. `frames` and `seen` are there for a filter that watches films.
    """

    values: Float[Array, "batch steps obs"]
    mask: Bool[Array, "batch steps obs"]
    inputs: Float[Array, "batch steps input"] | None
    valid: Bool[Array, "batch steps"]
    dt: Float[Array, "batch steps"] | None = None
    frames: UInt8[Array, "batch steps height width channel"] | None = None
    seen: Bool[Array, "batch steps"] | None = None

    @property
    def rows(self) -> tuple[Any, Any]:
        """What `Filter.run_batch` takes of each step, and which of it is there."""
        if self.frames is None or self.seen is None:
            return self.values, self.mask
        return FilmRow(self.frames, self.values), FilmRow(self.seen, self.mask)


def padded_length(steps: int) -> int:
    """The next length of the form `k * 2^j`, `16 <= k <= 32`: at most 6 % is padding."""
    unit = 1 << max(0, int(np.ceil(np.log2(max(steps, 1)))) - 5)
    return -(-steps // unit) * unit


def as_batch(data: Sequences | Batch, model: StateSpaceModel | Filter | None = None) -> Batch:
    """Arrays in the computation's precision, padded at the end.

    Args:
        data: the series; a `Batch` is left as it is.
        model: what they are for. A model in continuous time takes the lengths of the steps; the series of
            one whose matrices are given step by step are not padded.

    Raises:
        RekalError: the series have other numbers of columns or inputs than the model; they are sampled
            irregularly, which a discrete-time model cannot use; a model in continuous time has another
            interval than the series; a model that varies in time is too short for them; numbers beyond
            those of the computation's precision; `data` are no `Sequences`.
    """
    if isinstance(data, Batch):
        return data
    if not isinstance(data, Sequences):
        made = "as_sequences" if hasattr(data, "as_sequences") else "rekalman.Sequences.from_arrays"
        raise RekalError(
            f"the data must be Sequences, not {type(data).__name__}: make them with {made}"
        )
    dt, steps = None, padded_length(data.steps)
    if model is not None:
        check_width(model, data.observations, data.n_inputs)
    if model is not None and model.continuous:
        dt = data.dt
        if dt is None:
            _check_interval(model, data)
    elif data.dt is not None:
        raise RekalError(
            "the series are sampled irregularly, but this model runs in equal steps: resample them to a "
            "constant interval, or use a network such as 'rkn', LinearContinuous or a structure that has a "
            "form in continuous time"
        )
    elif model is not None and model.limited:
        model.check_steps(data.steps)
        steps = data.steps

    def pad(leaf: np.ndarray) -> np.ndarray:
        return _lengthened(leaf, steps)

    return Batch(
        values=_numbers(pad(np.asarray(data.values)), "values"),
        mask=placed(pad(np.asarray(data.mask))),
        inputs=None if data.inputs is None else _numbers(pad(np.asarray(data.inputs)), "inputs"),
        valid=placed(pad(np.asarray(data.valid()))),
        dt=None if dt is None else _numbers(pad(np.asarray(dt)), "steps of time"),
    )


def with_frames(batch: Batch, data: Sequences, algorithm: Filter) -> Batch:
    """The same with the frames of the data, for a filter that watches films.

    Raises:
        RekalError: the data have none, or others than the filter watches; or the filter watches none.
    """
    shape = algorithm.frame_shape
    if shape is None and not data.measured:
        raise RekalError("the filter takes rows of numbers, not frames: give the Sequences")
    if shape is None:
        return batch
    if not isinstance(data, FilmedSequences) or data.frame_shape != shape:
        given = data.frame_shape if isinstance(data, FilmedSequences) else "none"
        raise RekalError(f"the model watches frames of shape {shape}, but the data have {given}")
    frames, seen = (
        placed(_lengthened(np.asarray(array), batch.valid.shape[1]))
        for array in (data.frames, data.seen)
    )
    return batch._replace(frames=frames, seen=seen)


def _lengthened(leaf: np.ndarray, steps: int) -> np.ndarray:
    """Padded at the end of the time axis, the second one."""
    return np.pad(leaf, [(0, 0), (0, steps - leaf.shape[1])] + [(0, 0)] * (leaf.ndim - 2))


def check_batch_memory(states: int, batch: Batch) -> None:
    """Refuse series whose filtered moments no memory could hold.

    Args:
        states: of the model.
        batch: the series, padding included.

    Raises:
        RekalError: they are too large.
    """
    series, steps, obs = batch.mask.shape
    check_moments_memory(states, series, steps, obs, batch.values.dtype.itemsize)


def like_lengths(batch: Batch) -> tuple[Batch, ...]:
    """The same series in groups, each cut to its longest, if padding is most of the whole.

    A series of a group has at least a quarter of the steps of its longest, so that there are few groups to
    compile for.
    """
    lengths = np.asarray(batch.valid).sum(1)
    if lengths.sum() * 4 > batch.valid.size:
        return (batch,)
    kind = np.ceil(np.log2(np.maximum(lengths, 16)) / 2).astype(int)
    groups = []
    for each in np.unique(kind):
        rows = np.flatnonzero(kind == each)
        steps = padded_length(int(lengths[rows].max()))
        cut = lambda leaf: taken(leaf, rows, slice(steps))  # noqa: B023, E731
        groups.append(jax.tree.map(cut, batch))
    return tuple(groups)


def _numbers(array: np.ndarray, what: str) -> Array:
    """An array in the computation's precision.

    Raises:
        RekalError: a number is beyond those of that precision.
    """
    dtype = jnp.result_type(float)
    largest = float(np.max(np.abs(array), initial=0.0))
    if not largest <= float(jnp.finfo(dtype).max):
        raise RekalError(
            f"the {what} go up to {largest:.3g}, beyond the numbers of {dtype.name} that are computed with: "
            "give them in a larger unit"
        )
    return placed(array, dtype)


def check_width(model: StateSpaceModel | Filter, columns: int, inputs: int) -> None:
    """Data have as many columns and inputs as the model.

    Raises:
        RekalError: they have not.
    """
    if columns != model.observations or inputs != model.n_inputs:
        raise RekalError(
            f"the model has {model.observations} observations and {model.n_inputs} inputs, but the "
            f"data have {columns} and {inputs}"
        )


def _check_interval(model: StateSpaceModel | Filter, data: Sequences) -> None:
    interval = model.interval
    if interval is None or data.interval is None:
        return
    if abs(data.interval - interval) > 1e-3 * interval:
        unit = f" {data.time_unit}" if data.time_unit else ""
        raise RekalError(
            f"the series are sampled every {data.interval:g}{unit}, but the model steps by {interval:g}: "
            f"make it with interval={data.interval:g}"
        )
