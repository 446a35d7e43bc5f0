"""What methods share that end in a state-space model and a filter for it."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.base import Method

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.filters.choice import Filtering
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateSpaceMethod(Method):
    """A method that leaves a `rekalman.Fit`: a subclass says how a model is learned from standardised data.

    `docs/extending.md` has a method in full.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Linear.smooths, rekalman.methods.Linear.default_filter
        (True, 'kalman')
    """

    smooths: ClassVar[bool] = True
    simulates: ClassVar[bool] = True
    identifies: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    default_filter: ClassVar[str] = "kalman"

    @abstractmethod
    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn a model.

        Args:
            prepared: the data in the units of the model.
            request: the data in raw units, and what else was asked for.
            scales: from raw units to those of the model, in effect one row for each series.
            report: called after each iteration with the name of the stage, or None.
        """

    def usual_filter(self, learner: Any) -> Filtering:
        """The filter of a model that this learner trained, where no other is asked for."""
        from rekalman.filters.choice import Filtering

        return Filtering(self.default_filter)  # pyright: ignore[reportArgumentType]

    def filtering(self, request: TrainingRequest, learner: Any = None) -> Filtering:
        """The filter of the trained model: what was asked for, else the usual one.

        Raises:
            RekalError: there is no filter of that name.
        """
        from rekalman.filters.choice import chosen

        return chosen(request.filtering, self.usual_filter(learner))

    def diffuse_states(self, data: Sequences) -> int:
        """How many directions of the first state are diffuse, and take a first observation each."""
        return 0

    def learn_with_scales(
        self, standardiser: Standardiser | Panel, request: TrainingRequest, report: Report | None
    ) -> tuple[Standardiser | Panel, Trained]:
        """Learn a model from data on these scales; the scales, if they are learned too, are handed back."""
        scales = standardiser.rows(request.data)
        return standardiser, self.learn(scales.apply(request.data), request, scales, report)

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description, counted

        size, by = counted(fit.model.states, "state"), fit.algorithm.long_name
        return Description(
            f"the model {fit.kind}", f"{size}, followed by {by}.", (f'"{fit.kind}"',)
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data; what is learned is not judged yet.

        Raises:
            RekalError: the data cannot be learned from, or what was asked for does not go with them.
        """
        from rekalman.fitting.progress import progress_bar
        from rekalman.training.as_fit import as_fit, nats_of_scales

        standardiser = self.standardiser(request)
        diffuse = self.diffuse_states(request.data)
        shift = nats_of_scales(standardiser, request.data, diffuse)
        with progress_bar(request.progress, shift, request.prefix) as report:
            standardiser, trained = self.learn_with_scales(standardiser, request, report)
        return as_fit(trained, request.data, standardiser, diffuse, request.seed, self.title())
