"""EM or maximum likelihood from a linear model of one's own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.linear import Linear
from rekalman.methods.own.base import OwnModel

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnLinear(OwnModel):
    """Exact EM, or maximum likelihood, from a linear model; covariances keep their shape."""

    intervals_from_data: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = Linear.learners
    learner_defaults: ClassVar[dict[str, Any]] = {
        **Linear.learner_defaults,
        "process_noise": None,
        "observation_noise": None,
    }

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """As of a linear model by name, unless it was written as functions."""
        if fit.parameters:
            return super().describe(fit)
        return Linear.describe(fit)._replace(arguments=("model",))

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn from the model on.

        Raises:
            RekalError: as for the learner, or the data have other columns than the model.
        """
        from rekalman.training.linear import train_linear

        learner = self.default_learner() if request.learner is None else request.learner
        return train_linear(prepared, self.model, learner, None, self.filtering(request), report)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnContinuous(OwnLinear):
    """Maximum likelihood from a linear model in continuous time."""

    irregular: ClassVar[bool] = True
    intervals_from_data: ClassVar[bool] = False
    learners: ClassVar[tuple[str | type, ...]] = ("MaximumLikelihood",)
    learner_defaults: ClassVar[dict[str, Any]] = {}
    learner_refusals: ClassVar[dict[str, str]] = {
        "EM": "a model in continuous time has no closed-form M-step: use MaximumLikelihood"
    }
