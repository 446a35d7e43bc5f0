"""A progress bar on stderr with the current log-likelihood."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rekalman.learners.protocol import Progress

Report = Callable[[str, Progress], None]


@contextmanager
def progress_bar(
    show: bool | Report, volume: float = 0.0, prefix: str = ""
) -> Generator[Report | None]:
    """What to call after each iteration with the name of the stage, or None for silence.

    Args:
        show: True for a bar, False for none, or a function of your own.
        volume: subtracted from the log-likelihood, to show it in raw units.
        prefix: what the names of the stages begin with.
    """
    if not isinstance(show, bool):
        yield lambda stage, progress: show(prefix + stage, progress)
        return
    if not show:
        yield None
        return
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("log-likelihood {task.fields[value]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, int] = {}

        def report(stage: str, progress: Progress) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(prefix + stage, total=progress.iterations, value="...")
            value = f"{progress.log_likelihood - volume:.1f}"
            bar.update(tasks[stage], completed=progress.iteration, value=value)  # pyright: ignore

        yield report
