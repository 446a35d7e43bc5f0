"""What naive forecasts share: a linear model without a choice, whose only parameter is a variance."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest
    from rekalman.training.naive import NaiveModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class NaiveMethod(StateSpaceMethod):
    """A method whose forecast is a textbook rule, with the variance of its errors in the training data.

    Examples:
        >>> import rekalman
        >>> issubclass(rekalman.methods.Naive, rekalman.methods.NaiveMethod)
        True
    """

    needs: ClassVar[str] = "a few samples"
    irregular: ClassVar[bool] = True
    inputs: ClassVar[bool] = False
    baseline: ClassVar[bool] = True
    dynamics: ClassVar[str] = "naive"
    hidden: ClassVar[bool] = False
    cost: ClassVar[float] = 0.1

    @abstractmethod
    def naive(self, data: Sequences) -> NaiveModel:
        """The model of standardised data, whose columns each have a variance to be found.

        Raises:
            RekalError: the data do not go with the method.
        """

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description

        return Description(
            f"the naive method {fit.kind}",
            "A textbook rule; the variance is that of its errors in the training data.",
            (f'"{fit.kind}"',),
        )

    def diffuse_states(self, data: Sequences) -> int:
        """How many directions of the first state are diffuse, and take a first observation each."""
        return self.naive(data).states * data.observations

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Work out the variance of each column from standardised data.

        Raises:
            RekalError: a column has too few values.
        """
        from rekalman.training.naive import train_naive

        return train_naive(prepared, self.naive(prepared), self.filtering(request))

    def learn_with_scales(
        self, standardiser: Standardiser | Panel, request: TrainingRequest, report: Report | None
    ) -> tuple[Standardiser | Panel, Trained]:
        """The same; where each series has a scale of its own, it is that of its own errors."""
        from rekalman.data.scales.panel import Panel
        from rekalman.training.naive import error_scales

        if isinstance(standardiser, Panel):
            prepared = standardiser.rows(request.data).apply(request.data)
            factors = error_scales(prepared, self.naive(prepared))
            standardiser = dataclasses.replace(standardiser, scale=standardiser.scale * factors)
        return super().learn_with_scales(standardiser, request, report)
