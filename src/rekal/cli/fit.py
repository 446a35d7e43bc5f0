"""`rekal fit`: data in, a model file and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rekal.cli import fit_options as told
from rekal.cli import options
from rekal.cli.outcome import after_writing
from rekal.cli.output import emit_json, emit_text, remark
from rekal.errors import RekalError

if TYPE_CHECKING:
    from rekal.fit import Fit
    from rekal.fit_network import NetworkFit
    from rekal.sequences import Sequences


def fit(
    source: told.Source,
    model: told.Model = "em-rnn",
    states: told.States = None,
    kernels: told.Kernels = None,
    units: told.Units = None,
    period: told.Period = None,
    activation: told.Activation = None,
    linear_observation: told.LinearObservation = False,
    process_noise: told.ProcessNoise = None,
    observation_noise: told.ObservationNoise = None,
    freeze: told.Freeze = None,
    filter: told.Filter = None,
    filter_iterations: told.FilterIterations = None,
    smoother: told.Smoother = None,
    warm_start: told.WarmStart = None,
    particles: told.Particles = None,
    iterations: told.Iterations = None,
    epochs: told.Epochs = None,
    checkpoint: told.Checkpoint = None,
    restarts: told.Restarts = None,
    hold_out: told.HoldOut = None,
    tolerance: told.Tolerance = None,
    proposal: told.ParticleProposal = None,
    time: told.Time = None,
    irregular: told.Irregular = False,
    columns: told.Columns = None,
    inputs: told.Inputs = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    out: told.Out = None,
    report: told.Report = None,
    no_report: told.NoReport = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.Seed = 0,
) -> None:
    """Learn the dynamics under a noisy series; write a model and a report.

    Ctrl-C ends the training and keeps the best model so far; before anything was learned nothing is written.
    """
    from rekal.cli.writing import check_targets, stem_of

    if no_report and report is not None:
        raise RekalError("--report and --no-report exclude each other.")
    if checkpoint is not None:
        from rekal.learning.checkpoints import check_checkpoints

        check_checkpoints(checkpoint)
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
        encoding=encoding,
        date_format=date_format,
        irregular=irregular,
    )
    for note in data.notes:
        remark(note, quiet)

    from rekal.interrupts import Interrupts
    from rekal.train import fit as train

    settings = {
        "smoother": None if smoother is None else smoother.value,
        "warm_start": warm_start,
        "particles": particles,
        "iterations": iterations,
        "epochs": epochs,
        "tolerance": tolerance,
        "proposal": None if proposal is None else proposal.value,
        "process_noise": None if process_noise is None else process_noise.value,
        "observation_noise": None if observation_noise is None else observation_noise.value,
        "freeze": None if freeze is None else tuple(options.listed(freeze) or ()),
    }
    learner = _learner(model, settings, seed)
    with Interrupts() as interrupts:
        trained = train(
            data,
            model,
            learner=learner,
            states=states,
            kernels=kernels,
            units=units,
            period=period,
            restarts=restarts,
            hold_out=hold_out,
            activation=activation,
            linear_observation=True if linear_observation else None,
            filtering=_filtering(filter, filter_iterations),
            checkpoint=checkpoint,
            seed=seed,
            progress=not quiet,
        )
    trained.save(model_path)
    written = [model_path]
    finished = trained.history.stopped != "interrupted"
    if not finished:
        remark(f"Interrupted: {model_path} holds the best model so far.", quiet)
    remedy = "" if report_path is None else f"; rekal report {model_path} {source} makes a report"
    with after_writing(written, remedy):
        if interrupts.count > (not finished):  # in the diagnosis, or twice
            raise KeyboardInterrupt
        if report_path is not None:
            from rekal.report import write_report

            write_report(trained, data, report_path)
            written.append(report_path)
    with after_writing(written):
        if json:
            emit_json(_answer(trained, data, source, model_path, report_path))
        elif not quiet:
            emit_text(f"data            {_extent(data)}")
            emit_text(_summary(trained, data))
            emit_text(f"\nWrote {' and '.join(map(str, written))}.")


def _filtering(kind: options.Filter | None, iterations: int | None) -> Any:
    """The filter that the options ask for, or None where none was given."""
    from rekal.filters.choice import Filtering

    if iterations is None:
        return None if kind is None else kind.value
    if kind is None:
        raise RekalError("--filter-iterations is of use only with --filter extended.")
    return Filtering(kind.value, iterations=iterations)


def _summary(trained: Fit | NetworkFit, data: Sequences) -> str:
    from rekal.fit import Fit

    return (
        trained.summary(_linear(trained, data)) if isinstance(trained, Fit) else trained.summary()
    )


def _linear(trained: Fit, data: Sequences) -> Sequences | None:
    """The data, if they give the numbers of this model intervals."""
    return data if trained.kind == "linear" else None


def _learner(model: str, settings: dict[str, Any], seed: int) -> Any:
    """The learner that the options ask for, or None where none was given."""
    from rekal.train import NETWORKS, default_learner

    given = {name: value for name, value in settings.items() if value is not None}
    if not given:
        return None
    own = {"seed": seed} if model in NETWORKS else {}  # the fit gives other learners theirs
    return default_learner(model, **given, **own)


def _extent(data: Sequences) -> str:
    """How much there was to learn from."""
    series = "" if data.batch == 1 else f" in {data.batch} series"
    missing = data.fraction_missing
    gaps = f", {100 * missing:.0f} % of the entries missing" if missing > 0 else ""
    return f"{int(data.lengths.sum())} samples{series}{gaps}"


def _answer(
    trained: Fit | NetworkFit,
    data: Sequences,
    source: str,
    model_path: Path,
    report_path: Path | None,
) -> dict[str, Any]:
    history = trained.history
    common = {
        "source": source,
        "model": str(model_path),
        "report": None if report_path is None else str(report_path),
        "columns": trained.labels.names,
        "inputs": trained.input_names,
        "series": data.batch,
        "samples": int(data.lengths.sum()),
        "entries": history.entries,
        "notes": data.notes,
        "stopped": history.stopped,
        "seconds": history.seconds,
        "seed": trained.seed,
        "kind": trained.kind,
        "diagnostics": None if history.diagnostics is None else history.diagnostics.to_dict(),
    }
    return {**common, **_particular(trained, data)}


def _particular(trained: Fit | NetworkFit, data: Sequences) -> dict[str, Any]:
    """What only a state-space model, or only a network, has to tell."""
    from rekal.fit import Fit

    history = trained.history
    if not isinstance(trained, Fit):
        return {
            "network": trained.size(),
            "parameters": trained.parameters,
            "held_out": max(history.held_out, default=None),
            "history": history.held_out,
            "trained": history.trained,
        }
    return {
        "states": trained.model.states,
        "log_likelihood": history.log_likelihood[-1] if len(history.log_likelihood) else None,
        "history": history.log_likelihood,
        "trials": [{"start": name, "held_out": score} for name, score in history.trials],
        "filter": trained.filtering.kind,
        "parameters": [each._asdict() for each in trained.parameters],
        "criteria": dict(history.criteria),
        "learned": trained.identify(_linear(trained, data)).to_dict(),
    }
