"""What is asked of all registered methods at once; `registry.py` fills them in."""

from __future__ import annotations

from typing import Any

from rekalman.methods.learners import learner_name
from rekalman.methods.options import options_of

METHODS: dict[str, Any] = {}
"""The classes of the registered methods by name, in the order in which they were registered."""


def methods_that(capability: str) -> str:
    """The names of the methods with a capability, such as "irregular", as a list in words."""
    return ", ".join(name for name, method in METHODS.items() if getattr(method, capability))


def methods_with(option: str) -> tuple[str, ...]:
    """The names of the methods that have an option."""
    return tuple(name for name, method in METHODS.items() if option in options_of(method))


def methods_trained_by(learner: str) -> str:
    """The names of the methods that a learner trains, or what to say of one that trains none of them."""
    trained = [
        name for name, method in METHODS.items() if learner in map(learner_name, method.learners)
    ]
    return ", ".join(trained) or "models of your own"


def known_options() -> frozenset[str]:
    """The names of the options of all methods."""
    return frozenset(each for method in METHODS.values() for each in options_of(method))
