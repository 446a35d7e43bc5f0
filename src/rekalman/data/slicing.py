"""Parts of sequences: pieces in time, single series, some columns, fewer entries."""

import dataclasses
import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rekalman.data.padding import cut
from rekalman.data.time.gridding import run_on
from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences
    from rekalman.numerics.placing import AnyArray


Place = int | np.integer | str | datetime.date | np.datetime64
"""A step or a date at which to cut."""


def pieces(sequences: "Sequences", starts: np.ndarray, stops: np.ndarray) -> "Sequences":
    """The steps starts[i] to stops[i] (excluded) of each series i.

    Raises:
        RekalError: a series has no step between its start and its stop.
    """
    empty = np.flatnonzero(stops <= starts)
    if len(empty):
        i = int(empty[0])
        raise RekalError(
            f"Series '{_name(sequences, i)}' has {sequences.lengths[i]} steps and none of them "
            f"from {starts[i]} to {stops[i]}."
        )

    def part(array: "AnyArray | None", fill: float | bool = 0.0) -> Any:
        return None if array is None else cut(np.asarray(array), starts, stops, fill)

    times = sequences.times
    if times is not None:
        rows = zip(np.asarray(times), starts, stops, strict=True)
        times = run_on([row[a:b] for row, a, b in rows], sequences.interval or 1.0)
    return dataclasses.replace(
        sequences,
        **{name: part(array, fill) for name, (array, fill) in sequences.by_step().items()},
        lengths=stops - starts,
        dt=part(sequences.dt, sequences.interval or 1.0),
        times=times,
    )


def window(sequences: "Sequences", start: Place, stop: Place | None) -> "Sequences":
    """See `Sequences.window`."""
    lengths = np.asarray(sequences.lengths)
    end = lengths if stop is None else _places(sequences, stop, "a step")
    return pieces(sequences, _places(sequences, start, "a step"), end)


def split(
    sequences: "Sequences", at: "Place | float | np.floating"
) -> "tuple[Sequences, Sequences]":
    """See `Sequences.split`."""
    lengths = np.asarray(sequences.lengths)
    if isinstance(at, float | np.floating):
        if not 0 < at < 1:
            raise RekalError(f"A fraction to split at lies between 0 and 1, and {at} does not.")
        places = np.round(at * lengths).astype(lengths.dtype)
    else:
        places = _places(sequences, at, "a step to split at")
    return pieces(sequences, np.zeros_like(lengths), places), pieces(sequences, places, lengths)


def _places(sequences: "Sequences", at: Place, what: str) -> np.ndarray:
    """The step of each series that a number or a date means, between 0 and its length."""
    lengths = np.asarray(sequences.lengths)
    if isinstance(at, str | datetime.date | np.datetime64):
        result = [_first_from(sequences, i, at, what) for i in range(len(lengths))]
        return np.array(result, lengths.dtype)
    step = whole(what, at, -(2**62), 2**62)
    return np.clip(step + lengths if step < 0 else np.full_like(lengths, step), 0, lengths)


def _first_from(
    sequences: "Sequences", i: int, at: str | datetime.date | np.datetime64, what: str
) -> int:
    """The first step of a series that is not before a date."""
    if sequences.time_kind != "date":
        raise RekalError(
            f"{what} must be a number where the time stamps are no dates, but is {at!r}"
        )
    iso = not isinstance(at, str) or re.match(r"\d{4}(-\d\d?)?(-|Q|T|$)", at)
    try:
        date = pd.Timestamp(at) if iso else pd.NaT
    except (ValueError, OverflowError):
        date = pd.NaT
    if not isinstance(date, pd.Timestamp):
        raise RekalError(f"{at!r} is no date that can be read; write it as 2016-02-01.")
    zone = sequences.time_zone
    if zone is None and date.tzinfo is not None:
        raise RekalError(f"The time stamps are in no time zone, so give {at!r} without one.")
    if zone is not None:
        date = date.tz_localize(zone) if date.tzinfo is None else date.tz_convert(zone)
    return int(np.sum(np.asarray(sequences.index(i) < date)))


def series(sequences: "Sequences", which: int | str) -> "Sequences":
    """See `Sequences.series`."""
    if isinstance(which, str):
        if which not in sequences.series_names:
            raise RekalError(
                f"There is no series '{which}'; there are {', '.join(sequences.series_names)}."
            )
        which = sequences.series_names.index(which)
    if not -sequences.batch <= which < sequences.batch:
        raise RekalError(f"There is no series {which}; there are {sequences.batch}.")
    i = which % sequences.batch
    length = int(sequences.lengths[i])

    def row(array: "AnyArray | None") -> Any:
        return None if array is None else np.asarray(array)[i : i + 1, :length]

    return dataclasses.replace(
        sequences,
        **{name: row(array) for name, (array, _) in sequences.by_step().items()},
        lengths=np.asarray(sequences.lengths)[i : i + 1],
        dt=row(sequences.dt),
        times=row(sequences.times),
        series_names=sequences.series_names[i : i + 1],
    )


def take(sequences: "Sequences", which: Any) -> "Sequences":
    """See `Sequences.take`."""
    at = np.arange(sequences.batch)[which]

    def rows(array: "AnyArray | None") -> Any:
        return None if array is None else np.asarray(array)[at]

    named = sequences.series_names
    return dataclasses.replace(
        sequences,
        **{name: rows(array) for name, (array, _) in sequences.by_step().items()},
        lengths=np.asarray(sequences.lengths)[at],
        dt=rows(sequences.dt),
        times=rows(sequences.times),
        series_names=tuple(named[i] for i in at) if named else named,
    )


def select(sequences: "Sequences", names: Sequence[str]) -> "Sequences":
    """See `Sequences.select`."""
    for name in names:
        if name not in sequences.names:
            raise RekalError(
                f"There is no observation '{name}'; there are {', '.join(sequences.names)}."
            )
    selected = [sequences.names.index(name) for name in names]
    return dataclasses.replace(
        sequences,
        values=np.asarray(sequences.values)[:, :, selected],
        mask=np.asarray(sequences.mask)[:, :, selected],
        names=tuple(names),
        units=tuple(sequences.units[k] for k in selected),
    )


def drop_random(sequences: "Sequences", fraction: int | float, seed: int) -> "Sequences":
    """See `Sequences.drop_random`."""
    if not 0 <= real("fraction", fraction) < 1:
        raise RekalError(f"A fraction to drop is at least 0 and below 1, and {fraction} is not.")
    mask = np.array(sequences.mask)
    observed = np.flatnonzero(mask)
    count = round(fraction * len(observed))
    gone = np.random.default_rng(seed_of(seed)).choice(observed, size=count, replace=False)
    mask.flat[gone] = False
    return dataclasses.replace(
        sequences, values=np.where(mask, np.asarray(sequences.values), 0.0), mask=mask
    )


def _name(sequences: "Sequences", i: int) -> str:
    return sequences.series_names[i] if sequences.series_names else str(i + 1)


def with_steps(data: "Sequences", interval: int | float) -> "Sequences":
    """The same with the lengths of the steps, where they are not `interval`."""
    if data.dt is not None or not data.interval or abs(data.interval / interval - 1) < 1e-6:
        return data
    return dataclasses.replace(data, dt=np.full((data.batch, data.steps), data.interval))


def beginnings(sequences: "Sequences", lengths: np.ndarray) -> "Sequences":
    """The first steps of each series, the rest as padding: what was compiled for the whole serves again.

    Args:
        sequences: the series.
        lengths: number of first steps of each series `(batch,)` that stay.
    """
    inside = np.arange(sequences.steps) < lengths[:, None]

    def part(array: "AnyArray | None", fill: float | bool) -> "AnyArray | None":
        if array is None:
            return None
        real = inside.reshape(*inside.shape, *[1] * (np.ndim(array) - 2))
        return np.where(real, np.asarray(array), np.asarray(fill, np.asarray(array).dtype))

    shorter = {name: part(array, fill) for name, (array, fill) in sequences.by_step().items()}
    return dataclasses.replace(sequences, **shorter, lengths=lengths)


def without_inputs(sequences: "Sequences") -> "Sequences":
    """The same without its inputs."""
    return dataclasses.replace(sequences, inputs=None, input_names=())
