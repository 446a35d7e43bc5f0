"""`rekalman compare`: which method forecasts some data best, by how much, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rekalman.cli import fit_options, options
from rekalman.cli.outcome import after_writing
from rekalman.cli.output import emit_json, emit_rich, emit_text, remark
from rekalman.foundation.errors import RekalError

EVALUATION = "Evaluation"


def compare(
    source: fit_options.Source,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Models separated by commas: of `rekalman models`, AutoARIMA, AutoETS, AutoTheta, AutoCES, "
            "fracast, or the sets all, cheap, baselines, rekalman, statsforecast.",
            show_default="all",
        ),
    ] = None,
    horizons: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="Steps ahead: 12 means 1 to 12; 1,6,12 means those.",
            show_default="a season, or 12",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    test: Annotated[
        float,
        typer.Option(
            help="Share of each series, or number of its samples, that is forecast.",
            rich_help_panel=EVALUATION,
        ),
    ] = 0.25,
    refit: Annotated[
        str,
        typer.Option(
            metavar="STEPS",
            help="Train again every so many steps; never trains once, before the test.",
            rich_help_panel=EVALUATION,
        ),
    ] = "never",
    window: Annotated[
        int | None,
        typer.Option(
            metavar="SAMPLES",
            help="Train on so many last samples.",
            show_default="all so far",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    period: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            help="Steps of a season.",
            show_default="that of the calendar, or what repeats itself",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    scale: fit_options.Scale = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Wall time; cheap models come first.",
            show_default="no limit",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Processes to work in.", rich_help_panel=EVALUATION)
    ] = 1,
    time: fit_options.Time = None,
    irregular: fit_options.Irregular = False,
    columns: fit_options.Columns = None,
    inputs: fit_options.Inputs = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    report: fit_options.Report = None,
    no_report: fit_options.NoReport = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.Seed = 0,
) -> None:
    """Forecast the end of each series by every model, and say which does it best.

    Every model learns from the beginning and forecasts from each step of the rest. What cannot be told apart
    is said to be equal.
    """
    from rekalman.cli.writing import PAGE, check_format, check_targets, stem_of

    if no_report and report is not None:
        raise RekalError("--report and --no-report exclude each other.")
    target = None if no_report else report or Path(f"{stem_of(source)}-comparison.html")
    check_targets([target], [source])
    check_format(report, PAGE, "reports")
    every = _refit(refit)

    from rekalman.cli.data import delimiter
    from rekalman.datasets import open_data
    from rekalman.numerics.compilation_cache import keep_compiled

    keep_compiled()
    data = open_data(
        source,
        time=time,
        columns=options.listed(columns),
        inputs=options.listed(inputs),
        series=series,
        sep=delimiter(sep),
        decimal=decimal,
        encoding=encoding,
        date_format=date_format,
        irregular=irregular,
    )
    for note in data.notes:
        remark(note, quiet)

    from rekalman.verbs.compare import compare as run

    comparison = run(
        data,
        models,
        horizons=_horizons(horizons),
        test=test,
        refit=every,
        window=window,
        period=period,
        scale=None if scale is None else scale.value,
        budget=budget,
        jobs=jobs,
        seed=seed,
        progress=not quiet,
    )
    written: list[Path] = []
    if target is not None:
        from rekalman.report.comparison import write_comparison

        write_comparison(comparison, target)
        written.append(target)
    with after_writing(written):
        if json:
            report_path = None if target is None else str(target)
            emit_json({"source": source, "report": report_path, **comparison.to_dict()})
        elif not quiet:
            from rekalman.comparison.table import legend, table

            emit_rich(table(comparison))
            emit_text(legend(comparison))
            emit_text(f"\n{comparison.verdict}")
            if target is not None:
                emit_text(f"\nWrote {target}.")


def _horizons(written: str | None) -> int | tuple[int, ...] | None:
    """Steps ahead as a person writes them.

    Raises:
        RekalError: they are no whole numbers.
    """
    if written is None:
        return None
    try:
        steps = tuple(int(each) for each in written.split(","))
    except ValueError:
        raise RekalError(
            f"--horizons is a number of steps or several separated by commas, but is {written!r}"
        ) from None
    return steps[0] if len(steps) == 1 else steps


def _refit(written: str) -> int | None:
    """Steps between two trainings, or None for never.

    Raises:
        RekalError: it is neither.
    """
    if written == "never":
        return None
    try:
        return int(written)
    except ValueError:
        raise RekalError(f"--refit is never or a number of steps, but is {written!r}") from None
