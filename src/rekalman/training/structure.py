"""Training of structural models: starting values from the data, then maximum likelihood."""

from __future__ import annotations

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.scales.volume import log_volume
from rekalman.filters.choice import Filtering
from rekalman.fitting.progress import Report
from rekalman.fitting.trained import Parameter, Trained
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch, check_batch_memory
from rekalman.learners.likelihood.estimate import Estimate
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.parameters import natural_and_slopes
from rekalman.learners.likelihood.uncertainty import estimated
from rekalman.learners.protocol import Progress
from rekalman.models.structures.structure_units import raw_parameters, standardised
from rekalman.models.structures.structures import Structure
from rekalman.numerics.placing import placed


def train_structure(
    data: Sequences,
    structure: Structure,
    learner: MaximumLikelihood,
    standardiser: Standardiser,
    following: Filtering,
    report: Report | None,
    own: bool = False,
) -> Trained:
    """Find the parameters that make the data most likely.

    Args:
        data: in raw units.
        structure: what is fitted.
        learner: how.
        standardiser: how they are to be standardised, all alike or each on a scale of its own (`Panel.rows`).
        following: what filters the fitted model.
        report: called after each iteration.
        own: whether the structure holds values, in raw units, that frozen parameters keep.

    Raises:
        RekalError: the series are sampled irregularly and the structure has no form in continuous time;
            the data have other inputs than the structure or too few samples, or the likelihood is not finite.
    """
    prepared = standardiser.apply(data)
    _check_columns(prepared, structure)
    structure = _driven(prepared, structure)
    if prepared.dt is not None and structure.interval is None:
        structure = structure.continuous(prepared.interval or 1.0)
    start = _start(prepared, structure)
    if own and learner.freeze:
        held = np.isin(np.array(structure.names), learner.freeze)
        given = standardised(structure, standardiser).vector
        start = start.replaced(jnp.where(held, given, start.vector))
    built = start.build()
    following.of(built)  # refused before the work, not after
    batch = as_batch(prepared, built)
    check_batch_memory(built.states, batch)

    def notify(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    result = learner.run(start, batch, callback=notify)
    diffuse = len(result.model.diffuse)
    volume = float(log_volume(standardiser, data, diffuse).sum())
    criteria = tuple((name, value + 2 * volume) for name, value in _criteria(result, standardiser))
    parameters = _parameters(result, standardiser)
    uncertainty = estimated(result, prepared.interval)
    return Trained(result, following, (), parameters, criteria, uncertainty, result.starts)


def _check_columns(data: Sequences, structure: Structure) -> None:
    """Refuse more or fewer columns than the structure describes, with what to do about it."""
    described, given = structure.observations, data.observations
    if described == given:
        return
    names, first = ", ".join(data.names), data.names[0]
    cure = "give it as many"
    if described == 1:
        cure = (
            f"fit each column by itself (data.select(['{first}']), --columns {first}), or take the model "
            "linear, which learns how they move together"
        )
    raise RekalError(
        f"the structure describes {described} column{'s' if described > 1 else ''}, but the data have "
        f"{given} ({names}): {cure}"
    )


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


def _criteria(result: Estimate, standardiser: Standardiser) -> tuple[tuple[str, float], ...]:
    """Information criteria; the scales of several series, but for one, are parameters as well."""
    own = np.asarray(standardiser.scale)
    more = len(own) - 1 if own.ndim > 1 else 0
    if not more:
        return (("AIC", result.aic), ("AICc", result.aicc), ("BIC", result.bic))
    k, n = result.counted + more, result.steps
    aic = -2 * result.value + 2 * k
    aicc = aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("inf")
    return (("AIC", aic), ("AICc", aicc), ("BIC", -2 * result.value + k * float(np.log(n))))


def _parameters(result: Estimate, standardiser: Standardiser) -> tuple[Parameter, ...]:
    """The estimates and their standard errors in raw units."""
    structure = cast(Structure, result.structure)
    free = [structure.names.index(name) for name in result.names]
    M, b = raw_parameters(structure, standardiser)
    values = (M @ np.asarray(structure.natural, float) + b)[free]
    errors = result.standard_errors
    if result.information is not None:
        with jax.enable_x64(True):
            slopes = np.asarray(natural_and_slopes(result.parameters, placed(result.vector))[1])
        jacobian = M[np.ix_(free, free)] @ slopes
        largest = np.abs(jacobian).max(1)
        size = np.where(largest > 0, largest, 1.0)  # the square of a row may be beyond all numbers
        errors = size * result.information.standard_errors(jacobian / size[:, None])
        errors = np.where(np.isnan(result.standard_errors), np.nan, errors)
    rows = zip(result.names, values, errors, strict=True)
    return tuple(
        Parameter(name, float(value), float(error), name in result.boundary)
        for name, value, error in rows
    )
