"""The sections of the report on the model: what was learned, how good it is, how it was found."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from rekal.fit_result import Fit
from rekal.forecasting.labels import Labels
from rekal.history import History
from rekal.models.nonlinear import NonlinearGaussian
from rekal.models.rbf import RBFNetwork
from rekal.models.stochastic_rnn import StochasticRNN
from rekal.report.evidence import (
    calibrate,
    choose_horizons,
    is_training_data,
)
from rekal.report.figures_calibration import coverage_figure, pit_figure
from rekal.report.figures_model import (
    dynamics_figure,
    hidden_name,
    likelihood_figure,
    noise_free,
    phase_figure,
)
from rekal.report.learned import learned_html, period_steps, wanders
from rekal.report.page import Page, code
from rekal.report.sections_data import View
from rekal.report.sections_filter import add_consistency
from rekal.report.style import text
from rekal.report.tables import (
    activation_name,
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
from rekal.sequences import Sequences


def add_learned(page: Page, seen: View) -> None:
    """What was learned, in numbers."""
    page.heading("What was learned")
    assert isinstance(seen.fit, Fit)
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
    assert isinstance(fit, Fit)
    period = period_steps(seen.found)
    steps = int(np.clip(round(6 * period) if period else 150, 40, 2000))
    own = fit.standardiser.alone(seen.series[0])
    settles = seen.dynamics.attractor not in ("fixed point", "diverges")
    found = noise_free(fit, seen.filtered[0].states[-1], steps, settles, own)
    labels = Labels.of(data)
    titles = [labels.column(k) for k in seen.columns]
    unit = data.time_unit if data.interval else None
    axis = "time (steps)" if data.interval is None else f"time ({unit})" if unit else "time"
    if found.runs_away:
        says = "Without noise the motion grows without bound; its beginning is shown."
    elif wanders(seen.dynamics):
        says = (
            "Without noise the model goes on as it is, here from the last filtered state; what changes in "
            "the data is process noise and measurement noise."
        )
    elif found.settled:
        says = "The lasting motion, after a transient."
    else:
        says = (
            "Without noise the model comes to rest, so the variation in the data is kept alive by "
            "the process noise. Shown is the way towards rest from the last filtered state."
        )
    if fit.model.n_inputs:
        centred = bool(np.any(np.asarray(fit.standardiser.input_location)))
        says += f" Inputs are held at {'their mean' if centred else 'zero'}."
    caption = f"<b>Output (thick) and {hidden_name(fit)} (thin).</b> {says}"
    if len(found.output) < 2:
        page.add(f"<p>{says}</p>")
        return
    figure = dynamics_figure(found, titles, data.interval or 1.0, axis, hidden_name(fit))
    portrait = ""
    if fit.model.states >= 2:
        states = np.concatenate([f.states for f in seen.filtered])
        portrait = page.figure(
            phase_figure(found, states),
            "<b>Phase portrait.</b> The motion without noise among the filtered states of the data.",
        )
    drawn = page.figure(figure, caption)
    page.add(f'<div class="row tall">{drawn}{portrait}</div>' if portrait else drawn)


def add_calibration(page: Page, seen: View, held_out: Sequences | None) -> None:
    """Whether the forecasts keep what they promise."""
    page.heading("Calibration")
    data = seen.data if held_out is None else held_out
    horizons = choose_horizons(data, period_steps(seen.found))
    found = calibrate(seen.fit, data, horizons)
    if found is None or not found.seen[:, 0].any():
        page.add("<p>The series are too short, or have too few entries, to score a forecast.</p>")
        return
    if is_training_data(seen.fit, data):
        which = (
            "<b>Computed on the training data</b>: the parameters have seen what they are judged by "
            "(the forecasts have not), so fresh data will be forecast somewhat less well."
        )
    else:
        which = "<b>Computed on data that the model was not trained on.</b>"
    part = "" if found.whole else " Of long data only the last steps are scored."
    page.add(
        f"<p>{which}{part} A forecast of h steps made at a step uses nothing after that step.</p>"
    )
    labels = Labels.of(data)
    page.add(series_scores(found, labels))
    pit = page.figure(
        pit_figure(found),
        "<b>PIT histograms.</b> Where the observation fell in its forecast distribution; flat if "
        "calibrated, ∪ if overconfident, ∩ if too cautious. Grey: 95 % range by chance.",
    )
    coverage = page.figure(
        coverage_figure(found),
        "<b>Coverage.</b> Share of the observations inside the central interval of each level. "
        "Grey: 95 % range by chance, one step ahead; horizons are in steps.",
    )
    page.add(f'<div class="row">{pit}{coverage}</div>')
    add_consistency(page, seen, found)


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
    last = float(history.log_likelihood[-1]) if count else float("nan")
    page.add(
        f"<p>{count} iteration{'' if count == 1 else 's'} in {number(history.seconds, 3)} s on "
        f"{number(history.entries)} observed entries; {why}. Log-likelihood of the training data in "
        f"the last iteration: {number(last, 6)} nats.{_fell(fit)}</p>"
    )
    add_warnings(page, history)
    table = starts_table(fit)
    if not count:
        page.add(table)
        return
    figure = page.figure(likelihood_figure(fit), "<b>Log-likelihood over the iterations.</b>")
    page.add(f'<div class="row tall">{figure}<div>{table}</div></div>')


FILTERS = {
    "kalman": "Kalman, exact",
    "extended": "extended Kalman",
    "unscented": "unscented Kalman",
}


def _fell(fit: Fit) -> str:
    """Why the log-likelihood may end below its best."""
    values = np.asarray(fit.history.log_likelihood, np.float64)
    if fit.kind not in ("linear", "own") or len(values) < 2 or values[-1] >= values.max():
        return ""
    return (
        " It is lower than before because training maximises the likelihood times weak priors that keep "
        "covariances from collapsing."
    )


def add_settings(page: Page, fit: Fit) -> None:
    """How to reproduce the model."""
    page.heading("How to reproduce it")
    model = fit.model
    given = _named(fit)
    rows = [("model", text(fit.kind)), ("states", number(model.states))]
    if isinstance(model, RBFNetwork):
        rows.append(("kernels", number(model.kernels.count)))
    if isinstance(model, StochasticRNN):
        rows += [
            ("transfer function", text(activation_name(fit))),
            ("observation", "C x" if model.linear_observation else "C f(x)"),
        ]
        if model.linear_units:
            rows.append(("linear units", number(model.linear_units)))
        if fit.kind != "driven-rnn":  # how many starts it had is not kept
            rows.append(("starts", number(max(1, len(fit.history.trials)))))
    if isinstance(model, StochasticRNN) and fit.kind != "own":
        if fit.history.trials:
            given.append(f"restarts={len(fit.history.trials)}")
        if isinstance(model.activation, str) and model.activation != "tanh":
            given.append(f'activation="{model.activation}"')
        if model.linear_observation:
            given.append("linear_observation=True")
    rows.append(("iterations", number(len(fit.history.log_likelihood))))
    if fit.filtering.kind == "particles":
        rows += [
            ("particles of filter and forecast", number(fit.filtering.particles)),
            ("proposal", text(fit.filtering.proposal)),
        ]
    else:
        rows.append(("filter", text(FILTERS[fit.filtering.kind])))
        if fit.filtering.iterations > 1:
            rows.append(("linearisations of an observation", number(fit.filtering.iterations)))
    if fit.filtering.kind != _usual_filter(fit):
        given.append(f'filtering="{fit.filtering.kind}"')
    machine = f"rekal {version('rekal')}, JAX {version('jax')}, Python {platform.python_version()}"
    rows += [("seed", str(fit.seed)), ("versions", machine)]
    page.add(pairs_table(rows))
    given += [*scale_given(fit), *transform_given(fit), f"seed={fit.seed}"]
    own = " from the model that it started from" if fit.kind == "own" else ""
    page.add(f"<p>On the same data{own}, with an otherwise default learner:</p>")
    page.add(code(f"fit = rekal.fit(data, {', '.join(given)})"))


def _usual_filter(fit: Fit) -> str:
    if isinstance(fit.model, RBFNetwork | NonlinearGaussian):
        return "unscented"
    if fit.kind == "driven-rnn":
        return "extended"
    return "particles" if isinstance(fit.model, StochasticRNN) else "kalman"


def _named(fit: Fit) -> list[str]:
    """The first arguments of `rekal.fit`: those that the kind of model takes."""
    states = f"states={fit.model.states}"
    if fit.kind == "own":
        return ["model"]
    if fit.kind == "em-rnn":
        return [states]
    name = f'"{fit.kind}"'
    if fit.kind == "driven-rnn" and isinstance(fit.model, StochasticRNN):
        linear = fit.model.linear_units
        return [name, f"states={linear}", f"units={fit.model.states - linear}"]
    if fit.kind == "seasonal":  # a level, and an effect of all seasons but one
        return [name, f"period={fit.model.states}"]
    if isinstance(fit.model, RBFNetwork):
        return [name, states, f"kernels={fit.model.kernels.count}"]
    return [name, states] if fit.kind in ("linear", "ar") else [name]
