"""`rekal simulate`: new series drawn from a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rekal.cli import options
from rekal.cli.outcome import after_writing
from rekal.cli.output import emit_json, emit_text
from rekal.errors import RekalError


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
    from rekal.cli.writing import check_targets, write_frame

    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise RekalError(f"--{name} must be at least 1, but is {value}.")
    state = _state(options.listed(start))
    check_targets([out], [model, input_file])

    from rekal.cli.cache import keep_compiled
    from rekal.cli.data import open_model, read_inputs

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
    more = {}
    if state is not None:
        from rekal.fit import Fit

        if not isinstance(fitted, Fit):
            raise RekalError("--start is for state-space models, and this is a network.")
        more = {"start": state}
    drawn = fitted.simulate(steps, batch, seed=seed, inputs=inputs, **more)
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
