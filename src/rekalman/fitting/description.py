"""What a trained model has to say of itself: a page of text, and its dynamics in numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from rekalman.core.innovations_form import LinearisesPaths
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.members import explaining, weight_of
from rekalman.fitting.verbs import filter_paths
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.foundation.printable import printable_line
from rekalman.identification import Identification, identify
from rekalman.learners.likelihood.uncertainty import model_uncertainty
from rekalman.numerics.precision import precision_of

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit

UNIT_OF_PANEL = "in units of the scale of each series (variances of its square)"
IN_DEVIATIONS = (
    "Each series has a scale of its own, and levels and noise are in units of it; fit.identify(series=...) "
    "has those of a series."
)
MOST_SERIES = 12  # whose scales a summary shows


def identification(fit: Fit, prepared: Sequences | None, series: str | None) -> Identification:
    """The learned dynamics in the units of the data (`Fit.identify`).

    Args:
        fit: of a state-space model.
        prepared: the training data in standardised units, for intervals, or None.
        series: in whose units, where each has a scale of its own.
    """
    linearises = isinstance(fit.algorithm, LinearisesPaths)
    member = None if fit.has_model or linearises else explaining(fit)
    if member is not None:
        result = identification(member.fit, prepared, series)
        note = f"These are the dynamics of {member.name}, {weight_of(member)}."
        return dataclasses.replace(result, warnings=(note, *result.warnings))
    sure, notes = fit.uncertainty, ()
    model: Any = fit.algorithm if linearises else fit.model
    visited = None if prepared is None or not linearises else visited_states(fit, prepared)
    if not linearises and prepared is not None and sure is None:
        try:
            sure = model_uncertainty(model, prepared, fit.labels.interval)
        except RekalError as why:
            notes += (f"There are no intervals: {why}.",)
    driven = fit.standardiser.input_scale
    if isinstance(fit.standardiser, Panel) and series is None:
        one = (f(model.observations) for f in (np.zeros, np.ones))
        own = Standardiser(*one, transform=fit.standardiser.transform)
        notes += (IN_DEVIATIONS,)
    else:
        own = fit.standardiser.named(series)
    if series is not None:
        notes += (f"Levels and noise are in the units of series '{series}'.",)
    if own.transform is not None:
        described = own.transform.described(fit.labels.names)
        notes += (f"Levels, noise and states are those of {described}.",)
    result = identify(
        model,
        interval=fit.labels.interval,
        scale=np.asarray(own.scale),
        location=np.asarray(own.location),
        names=fit.labels.names,
        time_unit=fit.labels.time_unit,
        seed=fit.seed,
        input_scale=None if driven is None else np.asarray(driven),
        input_names=fit.input_names,
        uncertainty=sure,
        visited=visited,
    )
    if fit.parameters:  # the states of a structure have the units of the data
        spread = result.process_std * float(own.scale[0])
        result = dataclasses.replace(result, process_std=spread)
    return dataclasses.replace(result, warnings=(*result.warnings, *notes))


def visited_states(fit: Fit, prepared: Sequences) -> Float[np.ndarray, "count states"]:
    """The states that a filter visits on data, those of all series together.

    Args:
        fit: whose filter can be linearised.
        prepared: series in standardised units.
    """
    algorithm = fit.algorithm
    assert isinstance(algorithm, LinearisesPaths)
    with precision_of(algorithm):
        path = filter_paths(algorithm, prepared, jax.random.key(fit.seed))
        states = np.asarray(algorithm.visited_states(path), np.float64)
    inside = np.arange(states.shape[1]) < np.asarray(prepared.lengths)[:, None]
    return states[inside]


def summary_lines(fit: Fit, data: Any = None) -> list[str]:
    """A page of text (`Fit.summary`), line by line.

    Args:
        fit: what was trained.
        data: what a linear model was trained on, for intervals.
    """
    names, inputs = (
        ", ".join(map(printable_line, each)) for each in (fit.labels.names, fit.input_names)
    )
    if fit.algorithm.binary:
        names = f"{len(fit.labels.names)} pixels"
    driven = f", driven by {inputs}" if inputs else ""
    parts = [] if fit.kind == "own" else [fit.kind]
    if fit.has_model:
        parts.append(f"{fit.model.states} state{'' if fit.model.states == 1 else 's'}")
    lines = [f"model           {', '.join([*parts, names])}{driven}", *fit.algorithm.size_lines()]
    history, transform = fit.history.lines(), _transform_lines(fit)
    lines += [*history, *transform] if fit.has_model else [*transform, *history]
    width = max([15, *(len(each.name) for each in fit.parameters)])
    if isinstance(fit.standardiser, Panel) and fit.has_model:
        lines += _scale_lines(fit.standardiser, fit.labels)
        lines += [f"parameters      {UNIT_OF_PANEL}"] if fit.parameters else []
    lines += [f"{each.name:<{width}} {each}" for each in fit.parameters]
    if isinstance(fit.algorithm, LinearisesPaths):
        return [*lines, "", *linearised_lines(fit, data)]
    if not fit.has_model and explaining(fit) is None:
        return lines
    if fit.algorithm.limited:
        return [
            *lines,
            "",
            "The matrices change from step to step: there is no one set of dynamics to tell of.",
        ]
    return [*lines, "", fit.identify(data).summary()]


def linearised_lines(fit: Fit, data: Any = None) -> list[str]:
    """What a summary says of the dynamics of a network, or why it cannot.

    Args:
        fit: whose filter can be linearised.
        data: what it was trained on, or None.
    """
    try:
        return ["Linearised where it rests:", fit.identify(data).summary()]
    except RekalError as why:
        return [f"There is no linear model of its dynamics: {why}."]


def _transform_lines(fit: Fit) -> list[str]:
    """What a summary says of the transform."""
    transform = fit.standardiser.transform
    if transform is None:
        return []
    described = transform.described(tuple(map(printable_line, fit.labels.names)))
    return [f"transform       the model describes {described}"]


def _scale_lines(panel: Panel, labels: Labels) -> list[str]:
    """Location and scale of the first series."""
    lines = []
    for i, name in enumerate(panel.names[:MOST_SERIES]):
        numbers = zip(
            labels.names, np.asarray(panel.location)[i], np.asarray(panel.scale)[i], strict=True
        )
        each = "; ".join(
            f"{printable_line(column)} about {mean:.4g}, scale {scale:.4g}"
            for column, mean, scale in numbers
        )
        lines.append(f"{'series ' + printable_line(name):<15} {each}")
    rest = len(panel.names) - len(lines)
    return [*lines, *([f"                and {rest} more series"] if rest > 0 else [])]
