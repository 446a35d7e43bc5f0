"""EM from a network of one's own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.em_rnn import EMRNN
from rekalman.methods.own.base import OwnModel
from rekalman.methods.rbf import RBF

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.filters.choice import Filtering
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnNetwork(OwnModel):
    """EM from a network; what is not said of a learner is as for the network by name.

    Attributes:
        bounded_units: whether held-out data are asked for what they say against bounded units.
    """

    learners: ClassVar[tuple[str | type, ...]] = EMRNN.learners
    learner_refusals: ClassVar[dict[str, str]] = EMRNN.learner_refusals
    default_filter: ClassVar[str] = EMRNN.default_filter
    by_name: ClassVar[type[EMRNN | RBF]] = EMRNN
    bounded_units: ClassVar[bool] = True

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """As of the network by name."""
        return cls.by_name.describe(fit)._replace(arguments=("model",))

    def usual_filter(self, learner: Any) -> Filtering:
        """As for the network by name."""
        return self.by_name().usual_filter(learner)

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn from the model on.

        Raises:
            RekalError: as for `EM.run`, or the data have other columns than the model.
        """
        from rekalman.data.scales.volume import log_volume
        from rekalman.training.stochastic.network import train_network

        named = self.by_name()
        em = named.default_learner() if request.learner is None else request.learner
        return train_network(
            prepared,
            lambda *_: [("own", self.model)],
            em,
            hold_out=named.hold_out,
            trial_iterations=named.trial_iterations,
            volume=log_volume(scales, request.data),
            following=self.filtering(request, em),
            seed=request.seed,
            report=report,
            advise=request.advise and self.bounded_units,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnRBF(OwnNetwork):
    """EM from a network of radial basis functions."""

    learners: ClassVar[tuple[str | type, ...]] = RBF.learners
    learner_refusals: ClassVar[dict[str, str]] = RBF.learner_refusals
    default_filter: ClassVar[str] = RBF.default_filter
    by_name: ClassVar[type[EMRNN | RBF]] = RBF
    bounded_units: ClassVar[bool] = False
