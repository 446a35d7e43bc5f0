"""Training of models of one's own that are written as functions: of parameters, or of the state."""

from __future__ import annotations

from dataclasses import replace

import jax

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.fitting.progress import Report
from rekalman.fitting.trained import Parameter, Trained
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch, check_batch_memory
from rekalman.learners.likelihood.estimate import Estimate
from rekalman.learners.likelihood.function_arrays import FUNCTIONS
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.likelihood.uncertainty import MOST, estimated
from rekalman.learners.protocol import Progress
from rekalman.models.base import StateSpaceModel
from rekalman.models.nonlinear import NonlinearGaussian
from rekalman.models.parametric import ParametricModel


def train_own(
    prepared: Sequences,
    model: ParametricModel | NonlinearGaussian,
    built: StateSpaceModel,
    learner: MaximumLikelihood | None,
    following: Filtering,
    report: Report | None,
) -> Trained:
    """Find the parameters that make the data most likely, in the units of the model.

    Args:
        prepared: the data.
        model: where the search begins.
        built: the state-space model with the parameters where it begins.
        learner: how; default `MaximumLikelihood`, with standard errors of up to 150 parameters.
        following: what filters the fitted model, and whose likelihood is climbed.
        report: called after each iteration.

    Raises:
        RekalError: the filter has no likelihood with a gradient, or cannot filter the model; the data do not
            fit; or as for `MaximumLikelihood.run`.
    """
    linear = built.linear
    if not linear and following.kind == "particles":
        raise RekalError(
            "the likelihood of a particle filter has no gradient to climb: learn with filtering='unscented' "
            "or 'extended', and give the trained model to a ParticleFilter"
        )
    following.of(built)  # refused before the work, not after
    with jax.enable_x64(True):
        batch = as_batch(prepared, built)
        if learner is None:
            count = len(MaximumLikelihood().parameters(model).names)
            learner = MaximumLikelihood(errors=count <= MOST)
    check_batch_memory(built.states, batch)

    def notify(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    if not linear:
        learner = replace(learner, filtering=following)
    result = learner.run(model, batch, callback=notify)
    criteria: tuple[tuple[str, float], ...] = ()
    if result.structure is not None or result.information is not None:
        criteria = (("AIC", result.aic), ("AICc", result.aicc), ("BIC", result.bic))
    uncertainty = estimated(result, prepared.interval)
    return Trained(
        result, following, (), _parameters_of(result), criteria, uncertainty, result.starts
    )


def _parameters_of(result: Estimate) -> tuple[Parameter, ...]:
    """The estimates with their standard errors; of very many, those that are no arrays of a function."""
    rows = zip(result.names, result.estimates, result.standard_errors, strict=True)
    few = len(result.names) <= MOST
    return tuple(
        Parameter(name, float(value), float(error), name in result.boundary)
        for name, value, error in rows
        if few or "[" not in name or not name.startswith(tuple(f"{each}." for each in FUNCTIONS))
    )
