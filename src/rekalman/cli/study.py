"""`rekalman study`: rerun a published experiment."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rekalman.cli import options
from rekalman.cli.outcome import after_writing
from rekalman.cli.output import emit_json, emit_rich, emit_table, emit_text
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

if TYPE_CHECKING:
    from rekalman.studies.base import Progress


def study(
    name: Annotated[
        str | None, typer.Argument(help="Which one; without a name they are listed.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(show_default="the study's own", help="Number of repetitions."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller, never different.")] = False,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="A protocol for machines without a GPU; rows tell it.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the data set, if it needs one.")
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take over the seeds of an earlier run, what --out wrote; train the others.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the figures as JSON there.", rich_help_panel=options.OUTPUT),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.Seed = 0,
) -> None:
    """Rerun a published experiment and print its figures beside the published ones."""
    from rekalman.studies import STUDIES

    if name is None:
        if json:
            about = (
                "name",
                "summary",
                "needs_data",
                "has_reduced",
                "takes_known",
                "default_seeds",
            )
            emit_json({"studies": [{k: getattr(s, k) for k in about} for s in STUDIES.values()]})
        else:
            emit_table(["study", "what it reruns"], [(s.name, s.summary) for s in STUDIES.values()])
        return
    if name not in STUDIES:
        raise RekalError(f"There is no study '{name}': {choices(name, STUDIES)}.")
    chosen = STUDIES[name]
    if data is not None and not chosen.needs_data:
        raise RekalError(f"The study '{name}' needs no data, so leave out --data.")
    if data is not None and not data.is_dir():
        raise RekalError(f"{data}: there is no such folder.")

    from rekalman.cli.writing import FIGURES, check_format, check_targets
    from rekalman.foundation.files import write_whole
    from rekalman.foundation.interrupts import Interrupts
    from rekalman.numerics.compilation_cache import keep_compiled
    from rekalman.studies.base import StudyOptions
    from rekalman.studies.known import Known

    check_targets([out], [known])
    check_format(out, FIGURES, "figures")
    earlier = None if known is None else Known.read(known)
    keep_compiled()
    with Interrupts() as interrupts, _progress(not quiet) as show:

        def progress(done: int, total: int, what: str) -> None:
            if interrupts.count:  # a training that Ctrl-C cut short gave back what it had
                raise KeyboardInterrupt
            if show is not None:
                show(done, total, what)

        result = chosen.run(
            StudyOptions(
                seeds=seeds,
                quick=quick,
                reduced=reduced,
                data=data,
                seed=seed,
                known=earlier,
                progress=progress,
            )
        )
        if interrupts.count:
            raise KeyboardInterrupt
    if out is not None:
        write_whole(out, result.to_json() + "\n")
    with after_writing([] if out is None else [out]):
        if json:
            emit_json(result.to_dict())
        else:
            emit_rich(result.table())
            if out is not None:
                emit_text(f"Wrote {out}.")


@contextmanager
def _progress(show: bool) -> Generator[Progress | None]:
    """A bar on stderr that a study tells how far it is, or None for silence."""
    if not show:
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("starting", total=None)

        def told(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(what))

        yield told
