"""Training of structural models: starting values from the data, then maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rekal.errors import RekalError
from rekal.filters.choice import Filtering, chosen
from rekal.learning.batch import as_batch, check_moments_memory
from rekal.learning.em import EMResult, Progress
from rekal.learning.estimate import Estimate
from rekal.learning.likelihood import MaximumLikelihood
from rekal.learning.uncertainty import estimated
from rekal.models.linear_model import LinearModel
from rekal.models.structural import (
    autoregression,
    constant_acceleration,
    constant_velocity,
    local_level,
    local_linear_trend,
    oscillator,
    seasonal,
)
from rekal.models.structure_units import raw_parameters, standardised
from rekal.models.structures import Structure
from rekal.progress import Report
from rekal.sequences import Sequences
from rekal.sequences.standardiser import Standardiser
from rekal.sequences.volume import log_volume
from rekal.trained import Parameter, Trained

STRUCTURES = (
    "local-level",
    "local-linear-trend",
    "seasonal",
    "oscillator",
    "constant-velocity",
    "constant-acceleration",
    "ar",
)


class StructureOptions(NamedTuple):
    """What the training of a structure by name can be told.

    Attributes:
        states: number of lags of "ar"; default 2.
        period: steps per season of "seasonal" (default: those of a year where dates are monthly or
            quarterly, else needed), or where the search of "oscillator" begins.
    """

    states: int | None = None
    period: float | None = None


def structure_of(name: str, data: Sequences, options: StructureOptions) -> Structure:
    """The structure that a name stands for.

    Raises:
        RekalError: an option is missing, or of no use to this structure.
    """
    if options.states is not None and name != "ar":
        raise RekalError(f"states is of no use to {name}, whose structure says how many there are")
    if options.period is not None and name not in ("seasonal", "oscillator"):
        raise RekalError(f"period is of no use to {name}: leave it out")
    if name == "seasonal":
        period = _period_of_year(data) if options.period is None else options.period
        if period is None:
            raise RekalError("seasonal needs period, the number of steps after which it repeats")
        if period != int(period):
            raise RekalError(f"seasonal needs a whole number of steps, not {period:g}")
        return local_level() + seasonal(int(period))
    if name in ("constant-velocity", "constant-acceleration"):
        make = constant_velocity if name == "constant-velocity" else constant_acceleration
        return make(float(data.interval or 1.0), data.observations)
    if name == "oscillator":
        return oscillator(options.period)
    if name == "ar":
        return autoregression(2 if options.states is None else options.states)
    return local_level() if name == "local-level" else local_linear_trend()


def _period_of_year(data: Sequences) -> int | None:
    """Steps per year of monthly or quarterly dates, else None."""
    step = data.interval if data.time_kind == "date" and data.time_unit == "month" else None
    return {1.0: 12, 3.0: 4}.get(step or 0.0)


def train_structure(
    prepared: Sequences,
    structure: Structure,
    learner: MaximumLikelihood | None,
    standardiser: Standardiser,
    filtering: str | Filtering | None,
    report: Report | None,
    own: bool = False,
) -> Trained:
    """Find the parameters that make the data most likely.

    Args:
        prepared: the data in standardised units.
        structure: what is fitted.
        learner: how; default `MaximumLikelihood()`.
        standardiser: how they were standardised.
        filtering: what filters the fitted model; default the Kalman filter.
        report: told after each iteration.
        own: whether the structure holds values, in raw units, that frozen parameters keep.

    Raises:
        RekalError: the series are sampled irregularly and the structure has no form in continuous time;
            the data have other inputs than the structure or too few samples, or the likelihood is not finite.
    """
    structure = _driven(prepared, structure)
    if prepared.dt is not None and structure.interval is None:
        structure = structure.continuous(prepared.interval or 1.0)
    learner = MaximumLikelihood() if learner is None else learner
    start = _start(prepared, structure)
    if own and learner.freeze:
        held = np.isin(np.array(structure.names), learner.freeze)
        given = standardised(structure, standardiser).vector
        start = start.replaced(jnp.where(held, given, start.vector))
    following = chosen(filtering, Filtering("kalman"))
    built = start.build()
    following.of(built)  # refused before the work, not after
    batch = as_batch(prepared, built)
    check_moments_memory(built.states, batch)

    def told(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    found = learner.run(start, batch, told)
    assert isinstance(found.model, LinearModel)
    diffuse = len(found.model.diffuse)
    volume = float(
        log_volume(np.asarray(prepared.mask), np.asarray(standardiser.scale), diffuse).sum()
    )
    result = EMResult(found.model, np.asarray(found.log_likelihood), found.stopped, found.seconds)
    criteria = tuple(
        (name, value + 2 * volume)
        for name, value in (("AIC", found.aic), ("AICc", found.aicc), ("BIC", found.bic))
    )
    parameters = _parameters(found, standardiser)
    return Trained(result, following, (), parameters, criteria, estimated(found, prepared.interval))


def _driven(data: Sequences, structure: Structure) -> Structure:
    """The structure with the inputs of the data."""
    if not structure.inputs and data.n_inputs:
        structure = structure.with_inputs(data.input_names)
    if structure.inputs != tuple(data.input_names):
        raise RekalError(
            f"the structure takes the inputs {', '.join(structure.inputs) or '(none)'}, but the data have "
            f"{', '.join(data.input_names) or '(none)'}"
        )
    if data.inputs is not None:
        _check_inputs(np.asarray(data.inputs)[np.asarray(data.mask).any(-1)], data.input_names)
    return structure


def _check_inputs(at_work: np.ndarray, names: tuple[str, ...]) -> None:
    """The effect of every input can be seen: they act on the observation alone.

    Args:
        at_work: the inputs of all steps with an observation `(steps, inputs)`.
        names: of the inputs.

    Raises:
        RekalError: an input never changes at these steps, or is a linear combination of the others.
    """
    for name, column in zip(names, at_work.T, strict=True):
        if np.ptp(column) == 0:
            raise RekalError(
                f"input '{name}' is always {column[0]:g} where something was observed, so that its effect "
                "cannot be learned: leave it out"
            )
    scaled = (at_work - at_work.mean(0)) / at_work.std(0)
    if np.linalg.matrix_rank(scaled, tol=1e-9 * np.sqrt(scaled.size)) < len(names):
        raise RekalError(
            f"the inputs {', '.join(names)} are linearly dependent, so that their effects cannot be told "
            "apart: leave one of them out"
        )


def _start(data: Sequences, structure: Structure) -> Structure:
    """Parameters from which to search, from the longest series."""
    longest = int(np.argmax(np.asarray(data.lengths)))
    length = int(data.lengths[longest])
    values, mask = np.asarray(data.values)[longest], np.asarray(data.mask)[longest]
    inputs = None if data.inputs is None else np.asarray(data.inputs)[longest][:length]
    return structure.start(np.where(mask, values, np.nan)[:length], inputs)


def _parameters(found: Estimate, standardiser: Standardiser) -> tuple[Parameter, ...]:
    """The estimates and their standard errors in raw units."""
    structure = found.structure
    assert isinstance(structure, Structure)
    free = [structure.names.index(name) for name in found.names]
    M, b = raw_parameters(structure, standardiser)
    values = (M @ np.asarray(structure.natural, float) + b)[free]
    errors = found.standard_errors
    if found.information is not None:
        natural = found.parameters.natural
        with jax.enable_x64(True):
            slopes = np.asarray(jax.jit(jax.jacfwd(natural))(jnp.asarray(found.vector)))
        jacobian = M[np.ix_(free, free)] @ slopes
        largest = np.abs(jacobian).max(1)
        size = np.where(largest > 0, largest, 1.0)  # the square of a row may be beyond all numbers
        errors = size * found.information.standard_errors(jacobian / size[:, None])
        errors = np.where(np.isnan(found.standard_errors), np.nan, errors)
    rows = zip(found.names, values, errors, strict=True)
    return tuple(
        Parameter(name, float(value), float(error), name in found.boundary)
        for name, value, error in rows
    )
