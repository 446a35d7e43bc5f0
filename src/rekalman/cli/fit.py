"""`rekalman fit`: data in, a model file and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rekalman.cli import fit_options, options
from rekalman.cli.method_options import method_of
from rekalman.cli.outcome import INTERRUPTED, after_writing
from rekalman.cli.output import emit_json, emit_text, remark
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.base import Method


def fit(
    source: fit_options.Source,
    model: fit_options.Model = None,
    budget: fit_options.Budget = None,
    states: fit_options.States = None,
    kernels: fit_options.Kernels = None,
    units: fit_options.Units = None,
    period: fit_options.Period = None,
    activation: fit_options.Activation = None,
    linear_observation: fit_options.LinearObservation = False,
    process_noise: fit_options.ProcessNoise = None,
    observation_noise: fit_options.ObservationNoise = None,
    freeze: fit_options.Freeze = None,
    scale: fit_options.Scale = None,
    transform: fit_options.Transform = None,
    filter: fit_options.Filter = None,
    filter_iterations: fit_options.FilterIterations = None,
    learner: fit_options.Learner = None,
    smoother: fit_options.Smoother = None,
    warm_start: fit_options.WarmStart = None,
    particles: fit_options.Particles = None,
    iterations: fit_options.Iterations = None,
    epochs: fit_options.Epochs = None,
    checkpoint: fit_options.Checkpoint = None,
    restarts: fit_options.Restarts = None,
    hold_out: fit_options.HoldOut = None,
    backtest: fit_options.Backtest = None,
    tolerance: fit_options.Tolerance = None,
    proposal: fit_options.ParticleProposal = None,
    time: fit_options.Time = None,
    irregular: fit_options.Irregular = False,
    columns: fit_options.Columns = None,
    inputs: fit_options.Inputs = None,
    series: options.Series = None,
    sep: options.Sep = None,
    decimal: options.Decimal = ".",
    encoding: options.Encoding = None,
    date_format: options.DateFormat = None,
    out: fit_options.Out = None,
    report: fit_options.Report = None,
    no_report: fit_options.NoReport = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    seed: options.Seed = 0,
    set_: fit_options.Set = None,
) -> None:
    """Learn the dynamics under a noisy series; write a model and a report.

    Ctrl-C ends the training and keeps the best model so far, with exit code 130; before anything was learned
    nothing is written.
    """
    from rekalman.cli.writing import MODEL, PAGE, check_format, check_targets, stem_of

    if no_report and report is not None:
        raise RekalError("--report and --no-report exclude each other.")
    if checkpoint is not None:
        from rekalman.learners.gradient.checkpoints import check_checkpoints

        check_checkpoints(checkpoint)
    flags = {
        "states": states,
        "kernels": kernels,
        "units": units,
        "period": period,
        "restarts": restarts,
        "hold_out": hold_out,
        "activation": activation,
        "linear_observation": True if linear_observation else None,
    }
    method = None
    if model is not None:
        method = method_of(model, flags, set_ or ())
    else:
        _refuse_settings({**flags, "set": set_})
    name = stem_of(source) if model is None else f"{stem_of(source)}-{_in_a_name(model)}"
    model_path = out or Path(f"{name}.rekalman")
    report_path = None if no_report else report or Path(f"{name}.html")
    check_targets([model_path, report_path], [source])
    check_format(out, MODEL, "models")
    check_format(report, PAGE, "reports")

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

    from rekalman.fitting.backtesting import usual_share
    from rekalman.foundation.interrupts import Interrupts
    from rekalman.verbs.fit import fit as train

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
    with Interrupts() as interrupts:
        trained = train(
            data,
            method,
            learner=_learner(method, learner, settings, seed),
            budget=budget,
            filtering=_filtering(filter, filter_iterations),
            scale=None if scale is None else scale.value,
            transform=_transform(transform),
            checkpoint=checkpoint,
            backtest=usual_share(data) if backtest is None else backtest,
            seed=seed,
            progress=not quiet,
        )
    trained.save(model_path)
    written = [model_path]
    finished = trained.history.stopped != "interrupted"
    if not finished:
        remark(f"Interrupted: {model_path} holds the best model so far.", quiet)
    remedy = (
        "" if report_path is None else f"; rekalman report {model_path} {source} makes a report"
    )
    with after_writing(written, remedy):
        if interrupts.count > (not finished):  # in the diagnosis, or twice
            raise KeyboardInterrupt
        if report_path is not None:
            from rekalman.report import write_report

            write_report(trained, data, report_path)
            written.append(report_path)
    with after_writing(written):
        if json:
            emit_json(_answer(trained, data, source, model_path, report_path))
        elif not quiet:
            emit_text(f"data            {_extent(data)}")
            emit_text(_summary(trained, data))
            emit_text(f"\nWrote {' and '.join(map(str, written))}.")
    if not finished:
        raise typer.Exit(INTERRUPTED)


def _in_a_name(model: str) -> str:
    """A model in the name of a file: whatever was typed, no folder."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in model)


def _filtering(kind: options.Filter | None, iterations: int | None) -> Any:
    """The filter that the options ask for, or None where none was given."""
    from rekalman.filters.choice import Filtering

    if iterations is None:
        return None if kind is None else kind.value
    if kind is None:
        raise RekalError("--filter-iterations is of use only with --filter extended.")
    return Filtering(kind.value, iterations=iterations)


def _transform(written: str | None) -> str | float | None:
    """A power as a number, a name as it is."""
    try:
        return written if written is None else float(written)
    except ValueError:
        return written


def _summary(trained: Fit, data: Sequences) -> str:
    return trained.summary(_trained_on(trained, data))


def _trained_on(trained: Fit, data: Sequences) -> Sequences | None:
    """The data, if they give the numbers of this model intervals."""
    from rekalman.methods.made_by import method_class

    return data if method_class(trained).intervals_from_data else None


def _refuse_settings(settings: dict[str, Any]) -> None:
    """Refuse what belongs to a model where none is named.

    Raises:
        RekalError: something is given.
    """
    for name, value in settings.items():
        if value is not None:
            flag = name.replace("_", "-")
            raise RekalError(
                f"--{flag} belongs to a model: name one, such as --model em-rnn or --model linear."
            )


def _learner(
    method: Method | None, learner: str | None, settings: dict[str, Any], seed: int
) -> Any:
    """The learner that the options ask for, or None where none was given."""
    given = {name: value for name, value in settings.items() if value is not None}
    if method is None:
        _refuse_settings({**given, "learner": learner})
        return None
    if learner is not None:
        for name in given:
            flag = name.replace("_", "-")
            raise RekalError(f"--{flag} is of no use beside --learner {learner}: leave one out.")
        return learner
    if given and "seed" in method.settings():  # the fit gives other learners theirs
        given["seed"] = seed
    return method.default_learner(**given) if given else None


def _extent(data: Sequences) -> str:
    """How much there was to learn from."""
    series = "" if data.batch == 1 else f" in {data.batch} series"
    missing = data.fraction_missing
    gaps = f", {100 * missing:.0f} % of the entries missing" if missing > 0 else ""
    return f"{int(data.lengths.sum())} samples{series}{gaps}"


def _answer(
    trained: Fit,
    data: Sequences,
    source: str,
    model_path: Path,
    report_path: Path | None,
) -> dict[str, Any]:
    history, transform = trained.history, trained.standardiser.transform
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
        "transform": None if transform is None else transform.power,
        "stopped": history.stopped,
        "seconds": history.seconds,
        "seed": trained.seed,
        "kind": trained.kind,
        "diagnostics": None if history.diagnostics is None else history.diagnostics.to_dict(),
        "backtest": None
        if history.backtest is None
        else {**history.backtest.to_dict(), "verdict": history.backtest.verdict},
        "warnings": history.warnings,
    }
    return {**common, **_particular(trained, data)}


def _particular(trained: Fit, data: Sequences) -> dict[str, Any]:
    """What only a state-space model, or only a network, has to tell."""
    history = trained.history
    if not trained.has_model:
        filter: Any = trained.algorithm
        return {
            "network": filter.size,
            "parameters": filter.parameters,
            "held_out": max(history.held_out, default=None),
            "linear": history.linear,
            "linear_held_out": history.linear_score,
            "criteria": dict(history.criteria),
            "history": history.held_out,
            "trained": history.trained,
        }
    return {
        "states": trained.model.states,
        "log_likelihood": history.log_likelihood[-1] if len(history.log_likelihood) else None,
        "history": history.log_likelihood,
        "trials": [{"start": name, "held_out": score} for name, score in history.trials],
        "starts": [{"start": name, "log_likelihood": value} for name, value in history.starts],
        "objective": history.objective,
        "filter": trained.algorithm.short_name,
        "parameters": [each._asdict() for each in trained.parameters],
        "criteria": dict(history.criteria),
        "learned": trained.identify(_trained_on(trained, data)).to_dict(),
    }
