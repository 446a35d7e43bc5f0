"""Several series on one time axis: gaps filled with missing rows, steps, padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rekalman.data.building import (
    Series,
    matching,
    observed,
    refuse_unknown_inputs,
    scalars,
    shape_note,
)
from rekalman.data.padding import as_series, pad, padding_note
from rekalman.data.tables.kind import FrameKind
from rekalman.data.time.sampling import common_interval, regular_grid, steps_between, typical
from rekalman.data.time.timeaxis import read_times
from rekalman.foundation.arguments import real
from rekalman.foundation.errors import RekalError


def assemble(
    values: Any,
    inputs: Any,
    mask: Any,
    targets: Any,
    times: Any,
    dt: Any,
    interval: int | float | None,
    irregular: bool,
    labels: Sequence[str] | None,
    unit: str | None,
) -> dict[str, Any]:
    """Turn the arguments of `Sequences.from_arrays` into padded arrays.

    Returns:
        The arrays of a `Sequences` by name, with its clock, and "notes" on the shape and on
        filled gaps.

    Raises:
        RekalError: as `Sequences.from_arrays`.
    """
    where = "values"  # what messages call the data
    series = as_series(values, where)
    seen = observed(series, mask, where)
    driven = None if inputs is None else matching(inputs, series, "inputs")
    wanted = None if targets is None else matching(targets, series, "targets")
    if wanted is not None and any(np.isinf(each).any() for each in wanted):
        raise RekalError(f"{where}: a target is infinite: give NaN where it is unknown.")
    axis = None if times is None else read_times(times, unit)
    unit = unit if axis is None else axis.unit
    given = times if axis is None else axis.times
    stamps = None if times is None else scalars(given, series, "times")
    steps = None if dt is None else scalars(dt, series, "dt")
    notes = shape_note(values, series)
    if driven is not None:
        refuse_unknown_inputs(driven, where)
    if steps is not None:
        if any(not (np.isfinite(step) & (step > 0)).all() for step in steps):
            raise RekalError(f"{where}: every step in dt must be a positive number.")
        interval = typical(np.concatenate(steps))
        if stamps is None:
            with np.errstate(over="ignore"):
                stamps = [np.cumsum(step) - step[0] for step in steps]
            if not all(np.isfinite(stamp).all() for stamp in stamps):
                raise RekalError(
                    f"{where}: the lengths of the steps in dt add up to more than a number holds."
                )
    elif stamps is not None and irregular:
        steps, interval = irregular_steps(stamps, where)
    elif stamps is not None:
        shown = None if axis is None else [axis.written(time) for time in axis.times]
        rows, interval, filled = grids(stamps, labels, where, unit, shown)
        notes += filled
        series = [place(item, r, np.nan) for item, r in zip(series, rows, strict=True)]
        seen = [place(item, r, False) for item, r in zip(seen, rows, strict=True)]
        if driven is not None:
            driven = [hold(item, r) for item, r in zip(driven, rows, strict=True)]
        if wanted is not None:
            wanted = [place(item, r, np.nan) for item, r in zip(wanted, rows, strict=True)]
        stamps = [np.interp(np.arange(r[-1] + 1), r, s) for s, r in zip(stamps, rows, strict=True)]
    elif irregular:
        raise RekalError(f"{where}: irregular sampling needs times or dt.")
    elif interval is not None:
        interval = real("interval", interval, above=0)
        stamps = [interval * np.arange(len(item)) for item in series]
    notes += padding_note(series)
    return {
        "values": pad([np.where(mask, item, 0.0) for mask, item in zip(seen, series, strict=True)]),
        "mask": pad(seen, False),
        "lengths": np.array([len(item) for item in series]),
        "inputs": None if driven is None else pad(driven),
        "targets": None if wanted is None else pad(wanted),
        "dt": None if steps is None else pad(steps, interval or 1.0),
        "times": None if stamps is None else run_on(stamps, interval or 1.0),
        "time_kind": "step" if stamps is None else "number" if axis is None else axis.kind,
        "time_unit": unit,
        "time_origin": None if axis is None else axis.origin,
        "time_zone": None if axis is None else axis.zone,
        "interval": interval,
        "notes": notes if axis is None else (*axis.notes, *notes),
        "frame_kind": FrameKind(time_type=None if axis is None else axis.type),
    }


def place(item: np.ndarray, rows: np.ndarray, fill: float | bool) -> np.ndarray:
    """Put the rows of `item` at `rows` of a longer array filled with `fill`."""
    out = np.full((rows[-1] + 1, *item.shape[1:]), fill, dtype=item.dtype)
    out[rows] = item
    return out


def hold(item: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Put the rows of `item` at `rows` of a longer array and hold each until the next one."""
    return item[np.searchsorted(rows, np.arange(rows[-1] + 1), side="right") - 1]


def grids(
    times: Series,
    labels: Sequence[str] | None,
    where: str,
    unit: str | None,
    shown: Sequence[Any] | None = None,
) -> tuple[list[np.ndarray], float, tuple[str, ...]]:
    """The regular grid of every series.

    Args:
        times: stamps of each series, shape (time,).
        labels: what each series is called; default 1, 2, ...
        where: what the series belong to, the beginning of a message.
        unit: unit of the stamps.
        shown: the stamps of each series as messages show them; default as numbers.

    Returns:
        The rows on the grid for each series, the common interval, and a note for each
        series into which missing rows were put.
    """
    labels = [str(i + 1) for i in range(len(times))] if labels is None else labels
    result = []
    for i, (time, label) in enumerate(zip(times, labels, strict=True)):
        source = where if len(labels) == 1 else f"{where}, series '{label}'"
        result.append(regular_grid(time, source, None if shown is None else shown[i], unit=unit))
    interval = common_interval([grid.interval for grid in result], labels, where)
    notes = tuple(
        f"{grid.missing} missing rows were put into gaps of series '{label}'."
        for grid, label in zip(result, labels, strict=True)
        if grid.missing
    )
    return [grid.rows for grid in result], interval, notes


def irregular_steps(times: Series, where: str) -> tuple[Series, float]:
    """Steps between stamps as they are; the first step of a series is the median.

    Returns:
        Steps of each series, shape (time,), and the median over all of them.
    """
    steps = [steps_between(time, where) for time in times]
    everything = np.concatenate(steps)
    interval = typical(everything) if len(everything) else 1.0
    return [np.concatenate([[interval], step])[: len(step) + 1] for step in steps], interval


def run_on(times: Series, interval: float) -> np.ndarray:
    """Pad stamps to (batch, longest time), running on regularly after the last one.

    Series on one grid share the stamps of the longest one, read-only and without memory of their own.
    """
    longest = max(len(time) for time in times)
    whole = next(time for time in times if len(time) == longest)
    regular = np.array_equal(whole, whole[0] + interval * np.arange(longest))
    if regular and all(np.array_equal(time, whole[: len(time)]) for time in times):
        return np.broadcast_to(whole, (len(times), longest))
    out = np.empty((len(times), longest))
    for row, time in zip(out, times, strict=True):
        row[: len(time)] = time
        last = time[-1] if len(time) else 0.0
        row[len(time) :] = last + interval * np.arange(1, longest - len(time) + 1)
    return out
