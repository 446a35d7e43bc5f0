"""Maximum likelihood from a model that is written as functions."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.own.base import OwnModel

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.filters.choice import Filtering
    from rekalman.fitting.progress import Report
    from rekalman.fitting.trained import Trained
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFunctions(OwnModel):
    """Maximum likelihood from a model that is written as functions."""

    learners: ClassVar[tuple[str | type, ...]] = ("MaximumLikelihood",)

    def check_learner(self, learner: Any) -> None:
        """Refuse a learner that cannot train this model; None stands for the default.

        Raises:
            RekalError: it cannot, or is none.
        """
        if type(learner).__name__ == "EM":
            raise RekalError(
                f"a {type(self.model).__name__} has no closed-form M-step: use MaximumLikelihood"
            )
        super().check_learner(learner)

    @property
    @abstractmethod
    def start(self) -> Any:
        """The state-space model with the parameters with which the search begins."""

    def usual_filter(self, learner: Any) -> Filtering:
        """That of the learner; else the Kalman filter where the model is linear, and the unscented one."""
        from rekalman.filters.choice import Filtering

        if learner is not None and learner.filtering is not None:
            return learner.filtering
        return Filtering("kalman" if self.start.linear else "unscented")

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Find the parameters that make the data most likely.

        Raises:
            RekalError: as for `MaximumLikelihood.run`, or the filter has no gradient.
        """
        from rekalman.training.own import train_own

        following = self.filtering(request, request.learner)
        return train_own(prepared, self.model, self.start, request.learner, following, report)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnNonlinear(OwnFunctions):
    """Maximum likelihood from a model of two functions."""

    default_filter: ClassVar[str] = "unscented"

    @property
    def start(self) -> Any:
        """The model itself."""
        return self.model


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnParametric(OwnFunctions):
    """Maximum likelihood from a function of parameters."""

    @property
    def start(self) -> Any:
        """What the function makes of the start values."""
        return self.model.build()
