"""`rekalman identify`: the learned dynamics in numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from rekalman.cli import options
from rekalman.cli.output import emit_json, emit_text


def identify(
    model: options.Model,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="What a linear model was trained on: its numbers then have 95 % intervals.",
            rich_help_panel=options.READING,
        ),
    ] = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    json: options.Json = False,
    seed: options.ModelSeed = None,
) -> None:
    """Say what a model learned: attractor, period, amplitude, damping, noise levels."""
    from rekalman.cli.data import open_for, open_model
    from rekalman.numerics.compilation_cache import keep_compiled

    keep_compiled()
    fitted = open_model(model, seed)
    trained_on = None
    if data is not None:
        reading = {"sep": sep, "decimal": decimal, "encoding": encoding, "date_format": date_format}
        trained_on = open_for(fitted, data, series=series, **reading)
    result = fitted.identify(trained_on)
    if json:
        emit_json({"model": str(model), **result.to_dict()})
    else:
        emit_text(result.summary())
