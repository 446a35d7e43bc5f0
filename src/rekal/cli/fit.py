"""`rekal fit`: data in, a model file and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rekal.cli import options
from rekal.cli.output import emit_json, emit_text, remark
from rekal.errors import RekalError

if TYPE_CHECKING:
    from rekal.fit import Fit
    from rekal.sequences import Sequences

NAMES = (
    "em-rnn",
    "linear",
    "local-level",
    "local-linear-trend",
    "seasonal",
    "oscillator",
    "constant-velocity",
    "constant-acceleration",
    "ar",
)
MODEL = "Model"
TRAINING = "Training"


def fit(
    source: Annotated[
        str, typer.Argument(help="A CSV or Parquet file, or an example: sunspots, nile, lynx.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="One of " + ", ".join(NAMES) + ".", rich_help_panel=MODEL
        ),
    ] = "em-rnn",
    states: Annotated[
        int | None,
        typer.Option(
            help="Number of state variables.",
            show_default="5 for em-rnn, by BIC for linear",
            rich_help_panel=MODEL,
        ),
    ] = None,
    period: Annotated[
        float | None,
        typer.Option(
            metavar="STEPS",
            help="Steps per season (seasonal), or where the oscillator begins.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="em-rnn: function of the hidden units.",
            show_default="tanh",
            rich_help_panel=MODEL,
        ),
    ] = None,
    linear_observation: Annotated[
        bool,
        typer.Option(
            "--linear-observation",
            help="em-rnn: the outputs read C x instead of C f(x).",
            rich_help_panel=MODEL,
        ),
    ] = False,
    process_noise: Annotated[
        options.Noise | None,
        typer.Option(
            help="Shape of Q.",
            show_default="diagonal for em-rnn, full for linear",
            rich_help_panel=MODEL,
        ),
    ] = None,
    observation_noise: Annotated[
        options.Noise | None,
        typer.Option(
            help="Shape of R.",
            show_default="diagonal for em-rnn, full for linear",
            rich_help_panel=MODEL,
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,C,...",
            help="Blocks that keep the value they start with, any of A,B,c,C,D,d,Q,R,m,P.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    particles: Annotated[
        int | None,
        typer.Option(
            help="em-rnn: particles of the E-step.", show_default="100", rich_help_panel=TRAINING
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            help="At most so many iterations.",
            show_default="150 for em-rnn, 300 for others",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    restarts: Annotated[
        int | None,
        typer.Option(
            help="em-rnn: starts that compete on held-out data.",
            show_default="3",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="em-rnn: share of each series that judges the starts.",
            show_default="0.2",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Stop when the log-likelihood gains less than this per entry (nats); 0 = never.",
            show_default="3e-4 for em-rnn, 1e-6 for linear",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    proposal: Annotated[
        options.Proposal | None,
        typer.Option(
            help="em-rnn: how the filter moves its particles.",
            show_default="guided",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of time stamps; found out by default.",
            rich_help_panel=options.READING,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,...",
            help="Columns to learn; by default all that hold numbers.",
            rich_help_panel=options.READING,
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="U,V,...", help="Columns of known inputs.", rich_help_panel=options.READING
        ),
    ] = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the model goes; by default SOURCE.rekal in this folder.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Where the report goes; by default SOURCE.html in this folder.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    no_report: Annotated[
        bool,
        typer.Option("--no-report", help="Write no report.", rich_help_panel=options.OUTPUT),
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.Seed = 0,
) -> None:
    """Learn the dynamics under a noisy series; write a model and a report.

    Ctrl-C ends the training and keeps the best model so far.
    """
    from rekal.cli.writing import check_targets, stem_of

    if no_report and report is not None:
        raise RekalError("--report and --no-report exclude each other.")
    model_path = out or Path(f"{stem_of(source)}.rekal")
    report_path = None if no_report else report or Path(f"{stem_of(source)}.html")
    check_targets([model_path, report_path], [source])

    from rekal.cli.cache import keep_compiled
    from rekal.cli.data import delimiter
    from rekal.datasets import open_data

    keep_compiled()
    data = open_data(
        source,
        time=time,
        columns=options.listed(columns),
        inputs=options.listed(inputs),
        series=series,
        sep=delimiter(sep),
        decimal=decimal,
    )
    for note in data.notes:
        remark(note, quiet)

    from rekal.train import fit as train

    settings = {
        "particles": particles,
        "iterations": iterations,
        "tolerance": tolerance,
        "proposal": None if proposal is None else proposal.value,
        "process_noise": None if process_noise is None else process_noise.value,
        "observation_noise": None if observation_noise is None else observation_noise.value,
        "freeze": None if freeze is None else tuple(options.listed(freeze) or ()),
    }
    trained = train(
        data,
        model,
        learner=_learner(model, settings),
        states=states,
        period=period,
        restarts=restarts,
        hold_out=hold_out,
        activation=activation,
        linear_observation=True if linear_observation else None,
        seed=seed,
        progress=not quiet,
    )
    trained.save(model_path)
    if trained.history.stopped == "interrupted":
        remark(f"Interrupted: {model_path} holds the best model so far.", quiet)
    if report_path is not None:
        from rekal.report import write_report

        write_report(trained, data, report_path)
    if json:
        emit_json(_answer(trained, data, source, model_path, report_path))
    elif not quiet:
        emit_text(f"data            {_extent(data)}")
        emit_text(trained.summary())
        files = [str(path) for path in (model_path, report_path) if path is not None]
        emit_text(f"\nWrote {' and '.join(files)}.")


def _learner(model: str, settings: dict[str, Any]) -> Any:
    """The learner that the options ask for, or None where none was given."""
    from rekal.train import default_learner

    told = {name: value for name, value in settings.items() if value is not None}
    return default_learner(model, **told) if told else None


def _extent(data: Sequences) -> str:
    """How much there was to learn from."""
    series = "" if data.batch == 1 else f" in {data.batch} series"
    missing = data.fraction_missing
    gaps = f", {100 * missing:.0f} % of the entries missing" if missing > 0 else ""
    return f"{int(data.lengths.sum())} samples{series}{gaps}"


def _answer(
    trained: Fit, data: Sequences, source: str, model_path: Path, report_path: Path | None
) -> dict[str, Any]:
    history = trained.history
    return {
        "source": source,
        "model": str(model_path),
        "report": None if report_path is None else str(report_path),
        "columns": trained.labels.names,
        "inputs": trained.input_names,
        "series": data.batch,
        "samples": int(data.lengths.sum()),
        "entries": history.entries,
        "notes": data.notes,
        "states": trained.model.states,
        "log_likelihood": history.log_likelihood[-1] if len(history.log_likelihood) else None,
        "history": history.log_likelihood,
        "trials": [{"start": name, "held_out": score} for name, score in history.trials],
        "stopped": history.stopped,
        "seconds": history.seconds,
        "seed": trained.seed,
        "kind": trained.kind,
        "parameters": [each._asdict() for each in trained.parameters],
        "criteria": dict(history.criteria),
        "learned": trained.identify().to_dict(),
    }
