"""`rekalman forecast`: what comes after the end of a series, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rekalman.cli import options
from rekalman.cli.outcome import after_writing
from rekalman.cli.output import emit_json, emit_table, emit_text, remark
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    import pandas as pd

    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.forecasting import Forecast

MOST_NUMBERS = 20_000_000
"""Numbers that the forecasts of `--rolling` may hold at once."""


def forecast(
    model: options.Model,
    source: Annotated[
        str | None,
        typer.Argument(
            help="A CSV or Parquet file, a film (.npz), or an example; may be left out for a model of an "
            "example."
        ),
    ] = None,
    horizon: Annotated[int, typer.Option("--horizon", "-n", help="Number of steps ahead.")] = 10,
    level: Annotated[
        list[float] | None,
        typer.Option(
            metavar="P",
            show_default="0.9",
            help="Probability that an interval holds; may be given several times.",
        ),
    ] = None,
    rolling: Annotated[
        bool,
        typer.Option(
            "--rolling", help="Score forecasts made at every step of SOURCE, by steps ahead."
        ),
    ] = False,
    intervals: Annotated[
        options.Intervals,
        typer.Option(help="From the noise of the model, or from its errors in SOURCE so far."),
    ] = options.Intervals.model,
    future_inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Inputs of the steps to come, a row for each (for a model with inputs).",
        ),
    ] = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the forecast as CSV (or .parquet) instead of showing it.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.ModelSeed = None,
) -> None:
    """Forecast the steps after the end of SOURCE, with intervals."""
    from rekalman.cli.writing import TABLE, check_format, check_printed, check_targets, write_frame

    check_targets([out], [model, source, future_inputs])
    check_format(out, TABLE, "tables")
    if rolling and (level or future_inputs):
        raise RekalError("--rolling takes neither --level nor --future-inputs.")

    from rekalman.cli.data import open_model
    from rekalman.forecasting.drive import check_horizons
    from rekalman.forecasting.tables import names_that_came_in
    from rekalman.numerics.compilation_cache import keep_compiled

    check_horizons(horizon)
    if out is None and not rolling:
        check_printed("horizon", horizon, json)
    for one in level or ():
        if not 0 < one < 1:
            raise RekalError(f"the level of an interval lies between 0 and 1, but is {one:g}.")
    keep_compiled()
    fitted = open_model(model, seed)
    reading = {"sep": sep, "decimal": decimal, "encoding": encoding}
    dated = {**reading, "series": series, "date_format": date_format}
    source, data = _data(fitted, model, source, dated, quiet)
    for note in data.notes:
        remark(note, quiet)
    levels = sorted(set(level or [0.9]))
    if rolling:
        frame, names = _scores(fitted, data, horizon, intervals.value, quiet), {}
    else:
        inputs = _future(fitted, future_inputs, horizon, reading)
        made = fitted.forecast(data, horizon, inputs, intervals=intervals.value)
        frame = tabulate(made, levels)
        names = names_that_came_in(made, frame)
    if out is not None:
        write_frame(out, frame.rename(columns=names))
    with after_writing([] if out is None else [out]):
        if json:
            names = list(frame.columns)
            rows = [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False)]
            about = {"model": str(model), "source": source, "horizon": horizon, "seed": fitted.seed}
            emit_json({**about, "scores" if rolling else "forecast": rows})
        elif out is not None:
            emit_text(f"Wrote {out} ({len(frame)} rows).")
        elif rolling:
            _show_scores(frame, source)
        else:
            _show(frame, levels, source)


def _data(
    fitted: Fit,
    model: Path,
    source: str | None,
    reading: dict[str, Any],
    quiet: bool,
) -> tuple[str, Sequences]:
    from rekalman.cli.data import example_of, open_for

    if source is None:
        source = example_of(fitted)
        if source is None:
            raise RekalError(
                f"{model} was not trained on an example, so say which data to forecast: "
                f"rekalman forecast {model} SOURCE"
            )
        remark(f"The model was trained on the example '{source}'; forecasting it.", quiet)
    return source, open_for(fitted, source, **reading)


def _future(
    fitted: Fit,
    path: Path | None,
    horizon: int,
    reading: dict[str, Any],
) -> Any:
    """Inputs of the steps to come, or None for a model without inputs."""
    from rekalman.cli.data import read_inputs

    if not fitted.input_names:
        if path is not None:
            raise RekalError("The model takes no inputs, so leave out --future-inputs.")
        return None
    if path is None:
        raise RekalError(
            f"The model needs its inputs ({', '.join(fitted.input_names)}) for the {horizon} steps "
            "to come: give a file with --future-inputs."
        )
    return read_inputs(path, fitted.input_names, horizon, **reading)


def tabulate(made: Forecast, levels: list[float]) -> pd.DataFrame:
    """A row for each series, step and column: time, mean, noise-free path and the intervals."""
    from rekalman.forecasting.tables import tidy

    return tidy(made, levels).drop(columns=["origin", "horizon"])


def _scores(
    fitted: Fit, data: Sequences, horizon: int, intervals: str, quiet: bool
) -> pd.DataFrame:
    """Scores by steps ahead and column, some horizons at a time so that memory stays bounded."""
    import numpy as np
    import pandas as pd

    from rekalman.cli.data import trained_on

    if trained_on(fitted, data):
        remark("The model was trained on these data, so the scores flatter it.", quiet)
    size = int(data.lengths.sum()) * _width(fitted) * data.observations
    at_once = max(1, MOST_NUMBERS // size)
    parts = []
    for first in range(1, horizon + 1, at_once):
        ahead = range(first, min(first + at_once, horizon + 1))
        made = fitted.roll(data, ahead, intervals=intervals)
        parts.append(made.score(data.values, np.asarray(data.mask)))
    frame = pd.concat(parts, ignore_index=True)
    if "series" not in frame:
        return frame
    order = {name: i for i, name in enumerate(frame["series"].unique())}  # parts are by horizon
    return frame.sort_values(
        "series", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )


def _width(fitted: Fit) -> int:
    """Numbers that a forecast holds for each entry: one for each particle, or mean and variances."""
    particles = fitted.algorithm.components
    return particles if particles > 1 else 1 + len(fitted.labels.names)


def _show(frame: pd.DataFrame, levels: list[float], source: str) -> None:
    """The forecast as a table: intervals as `low to high`."""
    from rekalman.cli.output import number, stamp
    from rekalman.forecasting.tables import ends_of

    several = len(set(frame["column"])) > 1
    names = [name for name in ("series", "time", "column") if name in frame.columns]
    names = names if several else [name for name in names if name != "column"]
    rows = []
    for record in frame.to_dict("records"):
        row = [stamp(record[name]) for name in names]
        row.append(record["mean"])
        for level in levels:
            ends = (record[name] for name in ends_of(level))
            row.append(" to ".join(number(end) for end in ends))
        rows.append(row)
    headers = [*names, "mean", *(f"{100 * level:g} % interval" for level in levels)]
    emit_table(headers, rows, f"Forecast after the end of {source}{_of(frame)}")


def _show_scores(frame: pd.DataFrame, source: str) -> None:
    """The scores as a table; what else there is goes into the file and the JSON object."""
    several = len(set(frame["column"])) > 1
    names = ("rmse", "log_score", "crps", "coverage_50", "coverage_90", "width_90", "count")
    by = ["series"] if "series" in frame else []
    shown = [*by, "horizon", *(["column"] if several else []), *names]
    emit_table(
        [name.replace("_", " ") for name in shown],
        frame.filter(shown).itertuples(index=False),
        f"Forecasts made at every step of {source}{_of(frame)}",
    )


def _of(frame: pd.DataFrame) -> str:
    """The column of a table that has one column only."""
    names = list(dict.fromkeys(frame["column"]))
    return f", column {names[0]}" if len(names) == 1 else ""
