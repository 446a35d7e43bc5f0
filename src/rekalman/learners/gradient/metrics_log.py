"""What came of each epoch, as a table and for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import check_writable, write_whole


class Record(NamedTuple):
    """What came of an epoch.

    Attributes:
        epoch: from 1.
        train: mean loss, in nats a step, while parameters changed.
        validation: loss on the series for validation after it, or None.
        rate: learning rate of its last step.
        frames_per_second: steps of series trained on in a second.
        seconds: of training until its end.
    """

    epoch: int
    train: float
    validation: float | None
    rate: float
    frames_per_second: float
    seconds: float


class MetricsLog:
    """Keeps a CSV and events for TensorBoard up to date.

    The CSV is written anew, whole, after each epoch: whatever kills the run leaves whole lines, and a run
    that continues writes none twice. Events are appended; a run that continues tells TensorBoard to forget
    those of before and repeats them.
    """

    def __init__(self, csv: str | Path | None, tensorboard: str | Path | None) -> None:
        """Prepare to write.

        Args:
            csv: a file, or None.
            tensorboard: a folder for events, or None.

        Raises:
            RekalError: the file cannot be written, or tensorboardX is not installed.
        """
        if csv is not None:
            check_writable(csv)
        self._csv = csv
        self._events: Any = None if tensorboard is None else _event_writer(tensorboard)
        self._written = 0

    def write(self, records: list[Record]) -> None:
        """Write all epochs so far."""
        if self._csv is not None:
            write_whole(self._csv, "\n".join([",".join(Record._fields), *map(_line, records), ""]))
        if self._events is not None:
            for record in records[self._written :]:
                for name, value in record._asdict().items():
                    if name != "epoch" and value is not None:
                        self._events.add_scalar(name, value, record.epoch)
            self._events.flush()
        self._written = len(records)

    def close(self) -> None:
        """Close the events."""
        if self._events is not None:
            self._events.close()


def _line(record: Record) -> str:
    return ",".join("" if value is None else repr(value) for value in record)


def _event_writer(folder: str | Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise RekalError(
            "events for TensorBoard need tensorboardX: pip install 'rekalman[train]'"
        ) from None
    try:
        return SummaryWriter(str(folder), purge_step=0)
    except OSError as error:
        raise RekalError(f"{folder}: events cannot be written there ({error.strerror})") from None
