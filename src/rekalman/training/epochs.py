"""What the epochs of a network were worth: from losses to nats for each value of raw data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rekalman.data import Sequences
from rekalman.fitting.history import History
from rekalman.learners.protocol import Callback, Progress


class Units(NamedTuple):
    """From nats for each step of standardised targets to nats for each value of raw ones.

    Attributes:
        steps: steps of which something is known, for each value that is.
        volume: what to subtract from a log density of a standardised value to get that of a raw one, on
            average.
    """

    steps: float
    volume: float

    @classmethod
    def of(cls, known: Bool[np.ndarray, "batch steps obs"], volume: float) -> Units:
        """The units of a part of the data.

        Args:
            known: which values its loss counts.
            volume: of a value, on average.
        """
        return cls(float(known.any(-1).sum() / max(int(known.sum()), 1)), volume)

    def per_value(self, loss: Float[np.ndarray, " epochs"]) -> Float[np.ndarray, " epochs"]:
        """Log densities for each value, of losses as `Backprop` has them."""
        return -loss.astype(np.float64) * self.steps - self.volume


def history_of(
    result: Any,
    data: Sequences,
    trained: Float[np.ndarray, " passes"],
    held_out: Float[np.ndarray, " epochs"],
    **rest: Any,
) -> History:
    """The history of a network that was trained by `Backprop`.

    Args:
        result: what the training left.
        data: that it was trained on.
        trained: log densities of what was trained on, after each epoch, for each value.
        held_out: the same of what was held out.
        rest: more fields of the history.
    """
    return History(
        log_likelihood=np.zeros(0),
        trials=(),
        stopped=result.stopped,
        seconds=result.seconds,
        entries=int(np.asarray(data.mask).sum()),
        trained=trained,
        held_out=held_out,
        **rest,
    )


def each_epoch(
    progress: bool | Callable[[str, Progress], None],
    per_value: Callable[[np.ndarray], np.ndarray],
) -> Callback | None:
    """What calls a function of the user after each epoch, with the log density for each value.

    Args:
        progress: the function; a bar, or none, needs no call.
        per_value: from losses of `Backprop` to log densities for each value of raw data.
    """
    if isinstance(progress, bool):
        return None

    def report(now: Progress) -> None:
        value = per_value(np.array([-now.log_likelihood]))
        progress("training", now._replace(log_likelihood=float(value[0])))

    return report
