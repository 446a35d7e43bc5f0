"""A predictor that was trained online: a filter whose weights stay, and one that goes on learning."""

from __future__ import annotations

from typing import Any

from rekalman.core.capabilities import LearnsOnline
from rekalman.core.serial import storable
from rekalman.filters.innovations import Innovations
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.step import WeightUpdate
from rekalman.numerics.precision import in_own_precision


@storable
class TrainedOnline(Innovations, LearnsOnline):
    """The filter of a recurrent predictor that remembers how it was trained.

    Attributes:
        rule: how the network was differentiated.
        update_rule: what was done with the derivatives.
        prior: what the update knew after the training (`LearningNetwork`).

    Examples:
        >>> import jax
        >>> import rekalman
        >>> from rekalman.filters.learning.adam import Adam
        >>> from rekalman.filters.learning.snap import RTRL
        >>> from rekalman.filters.learning.trained import TrainedOnline
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> network = RecurrentPredictor.create(rekalman.Elman, 1, units=4, key=jax.random.key(0))
        >>> TrainedOnline(network, rule=RTRL(), update_rule=Adam()).learning().rule.name
        'rtrl'
    """

    rule: Rule | None = None
    update_rule: WeightUpdate | None = None
    prior: tuple[Any, ...] | None = None

    @in_own_precision
    def learning(self) -> LearningNetwork:
        """The network that learns from each row, and begins where the training ended."""
        predictor: Any = self.predictor
        assert self.rule is not None and self.update_rule is not None
        return LearningNetwork.create(predictor, self.rule, self.update_rule, self.prior)
