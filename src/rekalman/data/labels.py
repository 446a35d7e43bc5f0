"""Time stamps for people: back from numbers to dates, and on into the future."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rekalman.data.time.timeaxis import stamps_of
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences


def index(sequences: "Sequences", which: int = 0, ahead: int = 0) -> pd.Index:
    """See `Sequences.index`."""
    length = int(sequences.lengths[which])
    name = sequences.time_name
    if sequences.times is None:
        return pd.RangeIndex(length + ahead, name=name or "step")
    known = np.asarray(sequences.times)[which, :length]
    future = known[-1] + (sequences.interval or 1.0) * np.arange(1, ahead + 1)
    numbers = np.concatenate([known, future])
    clock = (sequences.time_kind, sequences.time_unit, sequences.time_origin, sequences.time_zone)
    try:
        result = stamps_of(numbers, *clock)
    except (OverflowError, ValueError):  # pandas raises either beyond the years that it knows
        raise RekalError(
            f"{ahead} steps after the end lie beyond the dates that can be written; take fewer steps."
        ) from None
    return result.rename(name if sequences.time_kind == "date" else name or "time")


def to_frame(sequences: "Sequences") -> Any:
    """See `Sequences.to_frame`."""
    kind = sequences.frame_kind
    series, time = kind.columns(sequences.time_name, (*sequences.names, *sequences.input_names))
    frames = {}
    for i in range(sequences.batch):
        length = int(sequences.lengths[i])
        seen = np.asarray(sequences.mask)[i, :length]
        values = np.where(seen, np.asarray(sequences.values)[i, :length], np.nan)
        stamps = kind.stamps(index(sequences, i))
        frame = pd.DataFrame(values, columns=list(sequences.names), index=stamps)
        if sequences.inputs is not None:
            driven = np.asarray(sequences.inputs)[i, :length]
            frame[list(sequences.input_names)] = driven
        frames[sequences.series_names[i] if sequences.series_names else str(i + 1)] = frame
    time = str(next(iter(frames.values())).index.name)
    if len(frames) == 1 and kind.series is None:
        return kind.give(next(iter(frames.values())), time, (time,))
    names = kind.ids(pd.Index(list(frames)))
    return kind.give(
        pd.concat(list(frames.values()), keys=names, names=[series]), time, (series, time)
    )
