"""What data sets say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.facts import Facts, counted, listed

if TYPE_CHECKING:
    from rekalman.data.container import Sequences
    from rekalman.data.filmed import FilmedSequences
    from rekalman.data.images import Frames


def sequences_facts(data: Sequences) -> Facts:
    """Sizes, columns, time and missing entries of some series."""
    lengths = np.asarray(data.lengths)
    shortest, longest = int(lengths.min()), int(lengths.max())
    steps = f"{shortest} to {longest} steps" if shortest < longest else counted(longest, "step")
    rows = [("columns", listed(data.names, data.units))]
    if data.inputs is not None:
        rows.append(("inputs", listed(data.input_names)))
    if data.times is not None:
        rows.append(("time", _span(data)))
    rows.append(("missing", f"{data.fraction_missing:.1%}"))
    return Facts(f"Sequences: {counted(data.batch, 'series', 'series')} of {steps}", tuple(rows))


def filmed_facts(data: FilmedSequences) -> Facts:
    """Those of the columns, and the size of the frames."""
    height, width, channels = data.frame_shape
    of_columns = sequences_facts(data)
    rows = (("frames", f"{height} x {width} pixels, {counted(channels, 'channel')}"),)
    return Facts(of_columns.title, (*of_columns.rows, *rows))


def frames_facts(frames: Frames) -> Facts:
    """Sizes and targets of films."""
    height, width, channels = frames.shape
    rows = [
        ("frames", f"{height} x {width} pixels, {counted(channels, 'channel')}"),
        ("targets", listed(frames.names) or "x".join(map(str, frames.targets.shape[2:]))),
        ("missing", f"{1 - np.asarray(frames.mask).mean():.1%}"),
    ]
    title = (
        f"Frames: {counted(frames.batch, 'series', 'series')} of {counted(frames.steps, 'step')}"
    )
    return Facts(title, tuple(rows))


def _span(data: Sequences) -> str:
    """From when to when the first series goes, and the sampling interval."""
    index = data.index(0)
    every = "irregular" if data.dt is not None else f"every {data.interval or 1:g}"
    unit = f" {data.time_unit}" if data.time_unit and data.dt is None else ""
    return f"{index[0]} to {index[-1]}, {every}{unit}"
