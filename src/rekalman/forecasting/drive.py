"""Which steps are forecast from where, and what drives them: known inputs and time steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rekalman.data.numeric import numeric_array
from rekalman.data.tables.named import ordered
from rekalman.foundation.errors import RekalError
from rekalman.numerics.memory import check_memory

BYTES_OF_HORIZON = 300.0
"""What each horizon takes at least, as a number and as a row."""
SHORTER = "ask for fewer steps"


@dataclass(frozen=True)
class Drive:
    """Inputs and time steps of each series, from the step `starts` on.

    Attributes:
        starts: the step that the first row belongs to, `(batch,)`.
        inputs: known inputs of each series, `(rows, input)` each, or None for a model without.
        dt: time since the step before, `(rows,)` for each series, or None where steps are regular.
        names: what the inputs are called in messages.
        step: length of every step after the end of a series; None = the median of its `dt`.
    """

    starts: np.ndarray
    inputs: list[np.ndarray] | None
    dt: list[np.ndarray] | None
    names: tuple[str, ...]
    step: float | None = None

    @classmethod
    def of(
        cls,
        width: int,
        starts: np.ndarray,
        ends: np.ndarray,
        inputs: Any,
        future_inputs: Any,
        dt: Any,
        names: Sequence[str],
        *,
        ahead: int,
        step: float | None = None,
    ) -> Drive:
        """Collect what is known.

        Args:
            width: how many inputs the model has.
            starts: first step of `inputs` and `dt`, `(batch,)`.
            ends: the step after the last one of the data, `(batch,)`.
            inputs: `(steps, input)` or `(batch, steps, input)` from `starts` on, frames with columns called
                as the inputs, or None.
            future_inputs: the same from `ends` on, or None.
            dt: `(steps,)` or `(batch, steps)` from `starts` on, or None.
            names: names of the inputs, or none.
            ahead: the longest horizon.
            step: length of the steps after the end, or None.

        Raises:
            RekalError: inputs for a model without any, or of a wrong shape; more future inputs than steps
                ahead.
        """
        batch = len(ends)
        named = tuple(names) or (("u",) if width == 1 else tuple(f"u{k + 1}" for k in range(width)))
        rows = [np.zeros((0, width)) for _ in range(batch)]
        if inputs is not None:
            past = _batched(ordered(inputs, named, "inputs"), batch, width, "inputs")
            rows = [r[: e - s] for r, s, e in zip(past, starts, ends, strict=True)]
        if future_inputs is not None:
            named_rows = ordered(future_inputs, named, "future_inputs")
            future = _batched(named_rows, batch, width, "future_inputs")
            if future.shape[1] > ahead:
                raise RekalError(
                    f"future_inputs have {future.shape[1]} rows, but {ahead} steps are forecast: give the "
                    f"{ahead} rows that follow the end of the data, and none of the past"
                )
            if width and any(len(r) < e - s for r, s, e in zip(rows, starts, ends, strict=True)):
                raise RekalError("future_inputs continue the inputs, so give the inputs as well")
            rows = [np.concatenate(both) for both in zip(rows, future, strict=True)]
        times = None
        if dt is not None:
            held = np.atleast_1d(numeric_array(dt, "dt"))
            if held.ndim > 2 or (held.ndim == 2 and len(held) != batch):
                raise RekalError(
                    f"dt of shape {held.shape} does not fit {batch} series: (batch, steps)"
                )
            held = np.broadcast_to(held, (batch, held.shape[-1]))
            times = [r[: max(e - s, 1)] for r, s, e in zip(held, starts, ends, strict=True)]
        return cls(np.asarray(starts), rows if width else None, times, named, step)

    def last_origin(self, i: int, end: int, ahead: int) -> int:
        """The last step of series `i`, which ends before `end`, with `ahead` known steps after it."""
        if self.inputs is None:
            return end - 1
        return min(end, int(self.starts[i]) + len(self.inputs[i]) - ahead) - 1

    def rows(
        self, series: np.ndarray, origins: np.ndarray, ahead: int
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Inputs `(origins, ahead, input)` and time steps `(origins, ahead)` after each origin.

        Raises:
            RekalError: an input is unknown.
        """
        index = origins[:, None] + 1 + np.arange(ahead) - self.starts[series][:, None]
        u = dt = None
        if self.inputs is not None:
            u = np.full((*index.shape, len(self.names)), np.nan)
            for i, known in enumerate(self.inputs):
                mine = np.flatnonzero(series == i)
                inside = index[mine] < len(known)
                u[mine] = np.where(inside[..., None], _take(known, index[mine]), np.nan)
            if not np.isfinite(u).all():
                where = np.argwhere(~np.isfinite(u))[0]
                step = origins[where[0]] + 1 + where[1]
                raise RekalError(
                    f"input '{self.names[where[2]]}' is unknown at step {step}, which the forecast "
                    f"from step {origins[where[0]]} needs: give future_inputs or a shorter horizon"
                )
        if self.dt is not None:
            dt = np.empty(index.shape)
            for i, known in enumerate(self.dt):
                mine = np.flatnonzero(series == i)
                inside = index[mine] < len(known)
                later = np.median(known) if self.step is None else self.step
                dt[mine] = np.where(inside, _take(known, index[mine]), later)
        return u, dt


def check_horizons(horizons: Any) -> tuple[int, ...]:
    """Horizons as sorted whole numbers of steps, each once.

    Raises:
        RekalError: there is none, or one is not a whole number above 0.
    """
    if isinstance(horizons, range):
        check_memory(
            BYTES_OF_HORIZON * len(horizons), f"a forecast of {len(horizons)} steps", SHORTER
        )
    several = list(np.atleast_1d(np.asarray(horizons, dtype=object)))
    if not several:
        raise RekalError("a forecast needs at least one horizon")
    for horizon in several:
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if not whole or horizon < 1:
            raise RekalError(f"a horizon is a whole number of steps above 0, but is {horizon!r}")
    furthest = max(several)
    check_memory(BYTES_OF_HORIZON / 4 * furthest, f"a forecast of {furthest} steps", SHORTER)
    return tuple(sorted({int(horizon) for horizon in several}))


def each_origins(origins: Any, batch: int) -> list[Any]:
    """The origins that are asked for in each series.

    Raises:
        RekalError: there are arrays for another number of series.
    """
    by_series = isinstance(origins, list) and any(isinstance(one, np.ndarray) for one in origins)
    if by_series and len(origins) != batch:
        raise RekalError(f"origins are given for {len(origins)} series, but there are {batch}")
    every = origins if by_series else [origins]
    if all(one is not None and np.size(one) == 0 for one in every):
        raise RekalError("an empty list of origins is no step of a series")
    return every if by_series else every * batch


def check_origins(origins: Any, end: int, last: int) -> np.ndarray:
    """Steps of a series of length `end` to forecast from, by default all up to `last`.

    Raises:
        RekalError: there is none, or one is no step of the series.
    """
    if origins is None:
        if last < 0:
            raise RekalError(
                f"a series of {end} steps has no step whose future inputs are all known: "
                "give future_inputs or a shorter horizon"
            )
        return np.arange(last + 1)
    wanted = np.atleast_1d(np.asarray(origins))
    if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
        raise RekalError(f"origins are whole numbers of steps, but are {origins!r:.60}")
    if wanted.ndim > 1:
        raise RekalError(f"origins are a list of steps, but have the shape {wanted.shape}")
    wanted = wanted.astype(int)
    steps = np.where(wanted < 0, wanted + end, wanted)
    outside = (steps < 0) | (steps >= end)
    if outside.any():
        raise RekalError(f"origin {wanted[outside][0]} is no step of a series of {end} steps")
    return steps


def _take(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    if len(rows) == 0:
        return np.full((*index.shape, *rows.shape[1:]), np.nan)
    return rows[np.clip(index, 0, len(rows) - 1)]


def _batched(inputs: Any, batch: int, width: int, what: str) -> np.ndarray:
    """Inputs with the axes (batch, steps, input); those without a first axis are of all series alike."""
    if width == 0:
        raise RekalError(f"the model takes no inputs, so leave out {what}")
    array = numeric_array(inputs, what)
    array = np.broadcast_to(array, (batch, *array.shape)) if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[0] != batch or array.shape[2] != width:
        raise RekalError(
            f"{what} of shape {np.shape(inputs)} do not fit {batch} series and {width} inputs of "
            "the model: the axes are (batch, steps, input), or (steps, input) for all series alike"
        )
    return array
