"""ridge-ar: a vector autoregression by ridge regression, in closed form."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.progress import Report
    from rekalman.fitting.result import Fit
    from rekalman.fitting.trained import Trained
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@register("ridge-ar")
@dataclasses.dataclass(frozen=True, kw_only=True)
class RidgeAR(StateSpaceMethod):
    r"""The model `y_t = c + sum_l W_l y_{t-l} + sum_l G_l u_{t-l} + e_t`, `e_t ~ N(0, S)`.

    The coefficients are those of a ridge regression (Hoerl and Kennard 1970), whose penalty grows with the
    square of the lag (Litterman 1986) and is chosen by the predictions of rows left out; the number of lags
    is the one that predicts the last fifth of the data best. The state holds the last outputs, without
    observation noise, so that missing entries are filtered exactly.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.RidgeAR(lags=4).options
        {'lags': 4, 'penalty': None}
    """

    summary: ClassVar[str] = "precise columns that remember their last values, in closed form"
    hidden: ClassVar[bool] = False
    cost: ClassVar[float] = 1.0
    needs: ClassVar[str] = "some fifty samples"
    intervals_from_data: ClassVar[bool] = True

    lags: int | None = option(
        None, help="Number of lags.", by_default="the number that predicts held-out data best"
    )
    penalty: float | None = option(
        None,
        help="Penalty on the squares of the coefficients of lag 1, as a share of the number of rows.",
        at_least=0,
        by_default="the one that predicts rows left out best",
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description, counted

        chosen = dict(fit.history.criteria)
        size, by = counted(int(chosen["lags"]), "lag"), fit.algorithm.long_name
        return Description(
            "a vector autoregression",
            f"{size}, fitted by ridge regression (penalty {chosen['penalty']:.2g}) and followed by {by}.",
            (f'"{fit.kind}"', f"lags={int(chosen['lags'])}"),
        )

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from, or that are no longer than the lags.

        Raises:
            RekalError: they are.
        """
        from rekalman.foundation.errors import RekalError

        super().check(data)
        longest = int(data.lengths.max())
        if self.lags is not None and self.lags + 3 > longest:
            raise RekalError(
                f"{self.lags} lags cannot be learned from {longest} samples: use fewer lags or more data"
            )

    def learn(
        self,
        prepared: Sequences,
        request: TrainingRequest,
        scales: Standardiser,
        report: Report | None,
    ) -> Trained:
        """Learn an autoregression from standardised data.

        Raises:
            RekalError: there are too few windows, or the filter cannot filter the model.
        """
        from rekalman.training.ridge_ar import train_ridge_ar

        return train_ridge_ar(prepared, self.lags, self.penalty, self.filtering(request))
