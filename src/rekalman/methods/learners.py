"""Learners by name, so that a method can say who trains it without importing them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

LEARNERS = {
    "EM": "rekalman.learners.em.em",
    "MaximumLikelihood": "rekalman.learners.likelihood.likelihood",
    "SimulationError": "rekalman.learners.driven.simulation_error",
    "Backprop": "rekalman.learners.gradient.backprop",
    "Evolino": "rekalman.learners.evolution.evolino",
}
"""The learners of the library and the modules in which they stand."""


def learner_class(learner: str | type) -> Any:
    """The class of a learner: a name of `LEARNERS`, or a class as it is."""
    return (
        learner if isinstance(learner, type) else getattr(import_module(LEARNERS[learner]), learner)
    )


def learner_name(learner: str | type) -> str:
    """The name of a learner, of which nothing is imported."""
    return learner.__name__ if isinstance(learner, type) else learner
