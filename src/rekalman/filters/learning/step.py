"""What is done with derivatives: an update of the weights after each observation."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, PyTree

from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.weights import Weights
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class Lanes(NamedTuple):
    """What was observed in each lane, and what the network knew before it.

    Attributes:
        state: of the network, which predicted the row, `(lanes, states)`.
        y: the row.
        seen: which of its entries were observed.
        memory: of the rule, leaves `(lanes, ...)`.
    """

    state: Float[Array, "lanes states"]
    y: Float[Array, "lanes obs"]
    seen: Bool[Array, "lanes obs"]
    memory: PyTree


class WeightUpdate(eqx.Module):
    """A way of changing the weights after each observation.

    Attributes:
        name: what it is called in options.
        long_name: what it is called in a sentence.
    """

    name: ClassVar[str] = ""
    long_name: ClassVar[str] = ""

    def check(self, rule: Rule) -> None:
        """Refuse a rule whose derivatives it cannot take.

        Raises:
            RekalError: it cannot.
        """

    @abc.abstractmethod
    def start(self, weights: Weights, rule: Rule) -> Any:
        """What it knows before the first observation."""

    @abc.abstractmethod
    def after(
        self, known: Any, rule: Rule, predictor: RecurrentPredictor, weights: Weights, lanes: Lanes
    ) -> tuple[Weights, Any, PyTree]:
        """The weights after an observation.

        Args:
            known: what it knew before.
            rule: how the network was differentiated.
            predictor: the network, of whatever weights.
            weights: those before the observation.
            lanes: what was observed.

        Returns:
            The weights, what it knows now, and the memory of the rule.
        """

    def parameter_cov(
        self,
        known: Any,
        rule: Rule,
        predictor: RecurrentPredictor,
        weights: Weights,
        state: Float[Array, " states"],
        memory: PyTree,
    ) -> Float[Array, "obs obs"] | None:
        """What not knowing the weights adds to the covariance of a prediction; None = it is not known."""
        return None
