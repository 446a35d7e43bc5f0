"""rls: an autoregression whose weights are learned online, by recursive least squares."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.options import option
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@register("rls")
@dataclasses.dataclass(frozen=True, kw_only=True)
class RLS(Method):
    r"""The autoregression `y_t = c + sum_l W_l y_{t-l} + e_t`, whose weights follow the data as they arrive.

    Recursive least squares with a forgetting factor (Ljung and Soderstrom 1983): weights begin at a ridge
    regression on the training data, and each sample corrects them. Several columns predict each other. How
    the forecast and its variance come about says
    `rekalman.filters.recursive_least_squares.RecursiveLeastSquares`.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "rls", lags=1, forgetting=1.0, progress=False)
        >>> fit.forecast(nile, 2).mean.shape
        (1, 2, 1)
    """

    summary: ClassVar[str] = "baseline: an autoregression that learns with each sample"
    needs: ClassVar[str] = "some fifty samples"
    simulates: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    intervals_from_data: ClassVar[bool] = True
    baseline: ClassVar[bool] = True
    hidden: ClassVar[bool] = False
    cost: ClassVar[float] = 0.5

    lags: int | None = option(
        None, help="Number of lags.", by_default="the number that predicts held-out data best"
    )
    forgetting: int | float | None = option(
        None,
        help="Factor by which older samples count less, step by step; 1 forgets nothing.",
        above=0,
        at_most=1,
        by_default="of 1, 0.995, 0.98 and 0.95 the one that predicts held-out data best",
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description, counted

        chosen = dict(fit.history.criteria)
        size, factor = counted(int(chosen["lags"]), "lag"), chosen["forgetting factor"]
        return Description(
            "an autoregression learned online",
            f"{size}, learned by recursive least squares with the forgetting factor {factor:g}.",
            (f'"{fit.kind}"', f"lags={int(chosen['lags'])}", f"forgetting={factor:g}"),
        )

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from, or that are no longer than the lags.

        Raises:
            RekalError: they are.
        """
        super().check(data)
        longest = int(data.lengths.max())
        if self.lags is not None and self.lags + 3 > longest:
            raise RekalError(
                f"{self.lags} lags cannot be learned from {longest} samples: use fewer lags or more data"
            )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data.

        Raises:
            RekalError: a filter was asked for, or there are too few windows.
        """
        from rekalman.training.rls import train_rls

        if request.filtering is not None:
            raise RekalError("recursive least squares are their own filter: leave filtering out")
        standardiser: Any = self.standardiser(request)
        return train_rls(self, request, standardiser)
