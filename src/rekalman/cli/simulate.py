"""`rekalman simulate`: new series drawn from a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rekalman.cli import options
from rekalman.cli.outcome import after_writing
from rekalman.cli.output import emit_json, emit_text
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit


def simulate(
    model: options.Model,
    steps: Annotated[int, typer.Option(help="Length of each series.")] = 100,
    batch: Annotated[int, typer.Option(help="Number of series.")] = 1,
    input_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Inputs, a row for each step (for a model with inputs)."),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X1,X2,...",
            help="State at the first step, in the units of the model.",
            show_default="the settled law; where there is none, where the training data began",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="SERIES",
            help="In the units of this series, of a model whose series have scales of their own.",
        ),
    ] = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write CSV (or .parquet) there instead of to stdout.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    json: options.Json = False,
    seed: options.Seed = 0,
) -> None:
    """Draw new series from a model; they go to stdout as CSV."""
    from rekalman.cli.writing import TABLE, check_format, check_targets, write_frame

    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise RekalError(f"--{name} must be at least 1, but is {value}.")
    state = _state(options.listed(start))
    check_targets([out], [model, input_file])
    check_format(out, TABLE, "tables")

    from rekalman.cli.data import open_model, read_inputs
    from rekalman.numerics.compilation_cache import keep_compiled

    keep_compiled()
    fitted = open_model(model)
    inputs = None
    if fitted.input_names:
        if input_file is None:
            names = ", ".join(fitted.input_names)
            raise RekalError(f"The model needs its inputs ({names}): give them with --input-file.")
        reading = {"sep": sep, "decimal": decimal, "encoding": encoding}
        inputs = read_inputs(input_file, fitted.input_names, steps, **reading)
    elif input_file is not None:
        raise RekalError("The model takes no inputs, so leave out --input-file.")
    if state is not None and not fitted.has_model:
        raise RekalError("--start is for state-space models, and this is a network.")
    _check_like(fitted, like)
    drawn = fitted.simulate(steps, batch, seed=seed, inputs=inputs, series=like, start=state)
    frame = drawn.to_frame().reset_index()
    if out is not None:
        write_frame(out, frame)
    with after_writing([] if out is None else [out]):
        if json:
            columns = {str(name): drawn.values[:, :, k] for k, name in enumerate(drawn.names)}
            about = {"model": str(model), "steps": steps, "batch": batch, "seed": seed}
            emit_json({**about, "interval": drawn.interval, "values": columns})
        elif out is not None:
            emit_text(f"Wrote {out} ({len(frame)} rows).")
        else:
            emit_text(frame.to_csv(index=False).rstrip("\n"))


def _check_like(fitted: Fit, like: str | None) -> None:
    """The series that `--like` names is known, and named where each has a scale of its own."""
    from rekalman.data.scales.panel import Panel

    if not isinstance(fitted.standardiser, Panel):
        if like is not None:
            raise RekalError("All series of the model share one scale, so leave out --like.")
    elif like is None:
        raise RekalError(
            "The model has a scale of its own for each series, so say which with --like: "
            f"{', '.join(fitted.standardiser.names[:10])}."
        )
    else:
        fitted.standardiser.named(like)


def _state(cells: list[str] | None) -> list[float] | None:
    """The state that `--start` gives."""
    if cells is None:
        return None
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        raise RekalError(
            f"--start takes numbers separated by commas, not {','.join(cells)}."
        ) from None
