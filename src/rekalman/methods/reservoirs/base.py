"""What methods share whose readout is learned in closed form."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest

AFTER_WASHOUT = 10
"""So many steps must follow the washout."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadoutMethod(Method):
    """A one-step predictor with a trained linear readout; a subclass says which, and how it trains."""

    dynamics: ClassVar[str] = "nonlinear"
    hidden: ClassVar[bool] = False
    needs: ClassVar[str] = "two hundred samples or more, precise ones"
    simulates: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    intervals_from_data: ClassVar[bool] = True
    cost: ClassVar[float] = 15.0

    def check_washout(self, data: Sequences, washout: int | None) -> None:
        """Refuse series that are too short for a washout.

        Raises:
            RekalError: the longest has not ten samples more.
        """
        longest = int(data.lengths.max())
        if washout is not None and longest < washout + AFTER_WASHOUT:
            raise RekalError(
                f"a washout of {washout} steps needs a series of {washout + AFTER_WASHOUT} samples at least, "
                f"but the longest has {longest}: give a shorter washout or longer series"
            )

    def refuse_filtering(self, request: TrainingRequest) -> None:
        """Refuse a filter beside the predictor's own.

        Raises:
            RekalError: one was asked for.
        """
        if request.filtering is not None:
            raise RekalError(f"{self.phrase()} is its own filter: leave filtering out")

    @classmethod
    def arguments(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        return ()

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description

        filtering: Any = fit.algorithm
        predictor = filtering.predictor
        chosen = dict(fit.history.criteria)
        return Description(
            f"a predictor with a trained readout ({fit.kind})",
            f"A {predictor.described}, its readout by ridge regression with the penalty "
            f"{chosen['penalty']:.2g}; settings chosen on held-out data.",
            (f'"{fit.kind}"', *cls.arguments(fit)),
            tuple((name, f"{value:.4g}") for name, value in fit.history.criteria),
        )
