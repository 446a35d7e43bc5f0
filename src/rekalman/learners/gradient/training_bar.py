"""What gradient training tells while it runs, and a bar on stderr that shows it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rekalman.learners.protocol import Callback, Progress


class BackpropProgress(NamedTuple):
    """How far a training is, after each batch.

    Attributes:
        epoch: the present one, from 1.
        epochs: how many there are.
        batch: batches of this epoch that are done.
        batches: how many an epoch has.
        train: mean loss of this epoch so far.
        validation: loss on held-out series after the epoch before, or None.
        frames_per_second: steps of series trained on in a second, in this epoch.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    train: float
    validation: float | None
    frames_per_second: float


BackpropReport = Callable[[BackpropProgress], None]


def each_epoch(callback: Callback | None, report: BackpropReport | None) -> BackpropReport | None:
    """What to call after each batch: `report`, and at the end of an epoch `callback`."""
    if callback is None:
        return report

    def both(now: BackpropProgress) -> None:
        if report is not None:
            report(now)
        if now.batch == now.batches:
            callback(Progress(now.epoch, now.epochs, -now.train))

    return both


@contextmanager
def training_bar(show: bool | BackpropReport) -> Generator[BackpropReport | None]:
    """What to call after each batch, or None for silence.

    Args:
        show: True for a bar on stderr, False for none, or a function of your own.
    """
    if not isinstance(show, bool):
        yield show
        return
    if not show:
        yield None
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("loss {task.fields[losses]}"),
        TextColumn("{task.fields[speed]} frames/s"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, epoch="...", losses="...", speed="...")

        def report(now: BackpropProgress) -> None:
            losses = f"{now.train:.3f}"
            if now.validation is not None:
                losses += f", validation {now.validation:.3f}"
            bar.update(
                task,
                total=now.epochs * now.batches,
                completed=(now.epoch - 1) * now.batches + now.batch,
                epoch=f"{now.epoch}/{now.epochs}",
                losses=losses,
                speed=f"{now.frames_per_second:,.0f}",
            )

        yield report
