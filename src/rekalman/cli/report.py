"""`rekalman report`: a model and its data as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rekalman.cli import options
from rekalman.cli.outcome import after_writing
from rekalman.cli.output import emit_json, emit_text, remark


def report(
    model: options.Model,
    source: Annotated[
        str, typer.Argument(help="A CSV or Parquet file, a film (.npz), or an example.")
    ],
    held_out: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Data the model has not seen, to judge its calibration by."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the report goes; by default MODEL.html in this folder.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.ModelSeed = None,
) -> None:
    """Write the report of a model on data: fit, forecasts, dynamics, calibration."""
    from rekalman.cli.writing import PAGE, check_format, check_targets, stem_of

    target = out or Path(f"{stem_of(model)}.html")
    check_targets([target], [model, source, held_out])
    check_format(out, PAGE, "reports")

    from rekalman.cli.data import open_for, open_model
    from rekalman.numerics.compilation_cache import keep_compiled
    from rekalman.report import write_report

    keep_compiled()
    fitted = open_model(model, seed)
    reading = {
        "series": series,
        "sep": sep,
        "decimal": decimal,
        "encoding": encoding,
        "date_format": date_format,
    }
    data = open_for(fitted, source, **reading)
    judge = None if held_out is None else open_for(fitted, held_out, **reading)
    for note in data.notes:
        remark(note, quiet)
    write_report(fitted, data, target, judge)
    with after_writing([target]):
        if json:
            emit_json(
                {"model": str(model), "source": source, "held_out": held_out, "report": str(target)}
            )
        elif not quiet:
            emit_text(f"Wrote {target}.")
