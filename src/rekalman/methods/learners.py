"""Learners by name, so that a method can say who trains it without importing them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

LEARNERS = {
    "EM": "rekalman.learners.em.em",
    "MaximumLikelihood": "rekalman.learners.likelihood.likelihood",
    "SimulationError": "rekalman.learners.driven.simulation_error",
    "Backprop": "rekalman.learners.gradient.backprop",
    "Online": "rekalman.learners.online.learner",
    "Evolino": "rekalman.learners.evolution.evolino",
}
"""The learners of the library and the modules in which they stand."""

ONLINE = ("ekf", "dekf", "rtrl", "snap1", "snap2", "uoro", "kf-rtrl", "rflo", "dni", "tbptt")
"""Names of rules that learn a recurrent network online (`learners/online/learner.py`)."""


def learner_class(learner: str | type) -> Any:
    """The class of a learner: a name of `LEARNERS`, or a class as it is."""
    return (
        learner if isinstance(learner, type) else getattr(import_module(LEARNERS[learner]), learner)
    )


def learner_name(learner: str | type) -> str:
    """The name of a learner, of which nothing is imported."""
    return learner.__name__ if isinstance(learner, type) else learner


def learner_of(learner: Any) -> Any:
    """A learner as it is, or the one of a name: a rule that learns online, such as "rtrl" or "ekf".

    Raises:
        RekalError: there is no such name.
    """
    return learner_class("Online").named(learner) if isinstance(learner, str) else learner
