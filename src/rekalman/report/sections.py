"""The sections of the report on the model: what was learned, how good it is, how it was found."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from rekalman.data import Sequences
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.forecasting.labels import Labels
from rekalman.methods.made_by import description_of, method_class
from rekalman.report.evidence import (
    calibrate,
    choose_horizons,
    is_training_data,
)
from rekalman.report.figures_calibration import coverage_figure, pit_figure
from rekalman.report.figures_model import (
    dynamics_figure,
    likelihood_figure,
    noise_free,
    phase_figure,
)
from rekalman.report.learned import learned_html, period_steps, wanders
from rekalman.report.page import Page, code
from rekalman.report.sections_data import View
from rekalman.report.sections_filter import add_consistency
from rekalman.report.style import text
from rekalman.report.tables import (
    is_standardised,
    number,
    pairs_table,
    parameter_tables,
    scale_given,
    scales_table,
    series_scores,
    starts_table,
    structure_table,
    transform_given,
)


def add_learned(page: Page, seen: View) -> None:
    """What was learned, in numbers."""
    page.heading("What was learned")
    # The states of a structure are told in the units of the data.
    standardised = is_standardised(seen.fit) and not seen.fit.parameters
    page.add(learned_html(seen.dynamics, seen.data, standardised))
    page.add(structure_table(seen.fit))
    page.add(scales_table(seen.fit))
    page.add(parameter_tables(seen.fit))


def add_dynamics(page: Page, seen: View) -> None:
    """The motion without noise, and its phase portrait."""
    page.heading("Dynamics without noise")
    fit, data = seen.fit, seen.data
    period = period_steps(seen.identified)
    steps = int(np.clip(round(6 * period) if period else 150, 40, 2000))
    own = fit.standardiser.alone(seen.series[0])
    settles = seen.dynamics.attractor not in ("fixed point", "diverges")
    result = noise_free(fit, seen.filtered[0].states[-1], steps, settles, own)
    labels = Labels.of(data)
    titles = [labels.column(k) for k in seen.columns]
    unit = data.time_unit if data.interval else None
    axis = "time (steps)" if data.interval is None else f"time ({unit})" if unit else "time"
    if result.runs_away:
        says = "Without noise the motion grows without bound; its beginning is shown."
    elif wanders(seen.dynamics):
        says = (
            "Without noise the model goes on as it is, here from the last filtered state; what changes in "
            "the data is process noise and measurement noise."
        )
    elif result.settled:
        says = "The lasting motion, after a transient."
    else:
        says = (
            "Without noise the model comes to rest, so the variation in the data is kept alive by "
            "the process noise. Shown is the way towards rest from the last filtered state."
        )
    if fit.model.n_inputs:
        centred = bool(np.any(np.asarray(fit.standardiser.input_location)))
        says += f" Inputs are held at {'their mean' if centred else 'zero'}."
    caption = f"<b>Output (thick) and {fit.model.hidden_name} (thin).</b> {says}"
    if len(result.output) < 2:
        page.add(f"<p>{says}</p>")
        return
    figure = dynamics_figure(result, titles, data.interval or 1.0, axis, fit.model.hidden_name)
    portrait = ""
    if fit.model.states >= 2:
        states = np.concatenate([f.states for f in seen.filtered])
        portrait = page.figure(
            phase_figure(result, states),
            "<b>Phase portrait.</b> The motion without noise among the filtered states of the data.",
        )
    drawn = page.figure(figure, caption)
    page.add(f'<div class="row tall">{drawn}{portrait}</div>' if portrait else drawn)


def add_calibration(page: Page, seen: View, held_out: Sequences | None) -> None:
    """Whether the forecasts keep what they promise."""
    page.heading("Calibration")
    data = seen.data if held_out is None else held_out
    longest = seen.fit.algorithm.longest_horizon
    horizons = choose_horizons(data, period_steps(seen.identified), longest)
    result = calibrate(seen.fit, data, horizons)
    if result is None or not result.seen[:, 0].any():
        page.add("<p>The series are too short, or have too few entries, to score a forecast.</p>")
        return
    if is_training_data(seen.fit, data):
        which = (
            "<b>Computed on the training data</b>: the parameters have seen what they are judged by "
            "(the forecasts have not), so fresh data will be forecast somewhat less well."
        )
    else:
        which = "<b>Computed on data that the model was not trained on.</b>"
    part = "" if result.whole else " Of long data only the last steps are scored."
    page.add(
        f"<p>{which}{part} A forecast of h steps made at a step uses nothing after that step.</p>"
    )
    labels = Labels.of(data)
    shown = seen.columns if data.pixels else range(data.observations)
    page.add(series_scores(result, labels, shown))
    if result.posterior.white is None:
        page.add(
            "<p>The law of an entry is not Gaussian, so that its errors are not tested against one.</p>"
        )
        return
    pit = page.figure(
        pit_figure(result),
        "<b>PIT histograms.</b> Where the observation fell in its forecast distribution; flat if "
        "calibrated, ∪ if overconfident, ∩ if too cautious. Grey: 95 % range by chance.",
    )
    coverage = page.figure(
        coverage_figure(result),
        "<b>Coverage.</b> Share of the observations inside the central interval of each level. "
        "Grey: 95 % range by chance, one step ahead; horizons are in steps.",
    )
    page.add(f'<div class="row">{pit}{coverage}</div>')
    add_consistency(page, seen, result)


def add_warnings(page: Page, history: History) -> None:
    """What held-out data say against the model."""
    for sentence in history.warnings:
        page.add(f"<p><b>Warning:</b> {text(sentence)}.</p>")


def add_learning(page: Page, fit: Fit) -> None:
    """How the model was found."""
    page.heading("How it was found")
    history = fit.history
    why = {
        "tolerance": "it stopped because the log-likelihood no longer rose",
        "iterations": "it stopped at the largest number of iterations allowed, still rising perhaps",
        "interrupted": "it was interrupted, and the best so far was kept",
        "converged": "it converged to a maximum of the likelihood",
        "no better point": "it stopped where no better point was found",
    }.get(history.stopped, text(history.stopped))
    count = len(history.log_likelihood)
    if not count:  # what was learned has no likelihood that rose from iteration to iteration
        figures = "; ".join(f"{text(name)} {value:.4g}" for name, value in history.criteria)
        page.add(
            f"<p>Learned in {number(history.seconds, 3)} s from {number(history.entries)} observed entries"
            f"{f'; {figures}' if figures else ''}.</p>"
        )
        add_warnings(page, history)
        return
    last = float(history.log_likelihood[-1])
    page.add(
        f"<p>{count} iteration{'' if count == 1 else 's'} in {number(history.seconds, 3)} s on "
        f"{number(history.entries)} observed entries; {why}. Log-likelihood of the training data in "
        f"the last iteration: {number(last, 6)} nats.{_fell(fit, description_of(fit).falls)}</p>"
    )
    add_warnings(page, history)
    table = starts_table(fit)
    if count == 1:
        page.add(table)
        return
    figure = page.figure(likelihood_figure(fit), "<b>Log-likelihood over the iterations.</b>")
    page.add(f'<div class="row tall">{figure}<div>{table}</div></div>')


def _fell(fit: Fit, reason: str) -> str:
    """Why the log-likelihood may end below its best."""
    values = np.asarray(fit.history.log_likelihood, np.float64)
    return f" {reason}" if reason and len(values) > 1 and values[-1] < values.max() else ""


def add_settings(page: Page, fit: Fit) -> None:
    """How to reproduce the model."""
    page.heading("How to reproduce it")
    described = description_of(fit)
    rows: list[tuple[str, int | str]] = [("model", fit.kind)]
    if fit.has_model:
        rows.append(("states", fit.model.states))
    rows += described.settings
    if len(fit.history.log_likelihood):
        rows.append(("iterations", len(fit.history.log_likelihood)))
    given = list(described.arguments)
    if fit.has_model:
        rows += fit.algorithm.settings
        if fit.algorithm.short_name != method_class(fit).default_filter:
            given.append(f'filtering="{fit.algorithm.short_name}"')
    machine = (
        f"rekalman {version('rekalman')}, JAX {version('jax')}, Python {platform.python_version()}"
    )
    rows += [("seed", str(fit.seed)), ("versions", machine)]
    page.add(
        pairs_table(
            (name, text(value) if isinstance(value, str) else number(value)) for name, value in rows
        )
    )
    if not fit.has_model:
        page.add(scales_table(fit))
    given += [*scale_given(fit), *transform_given(fit), f"seed={fit.seed}"]
    own = " from the model that it started from" if fit.kind == "own" else ""
    page.add(f"<p>On the same data{own}, with an otherwise default learner:</p>")
    page.add(code(f"fit = rekalman.fit(data, {', '.join(given)})"))
