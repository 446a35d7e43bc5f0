"""nvar: a nonlinear vector autoregression, or next-generation reservoir, learned in closed form."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.reservoirs.base import ReadoutMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.request import TrainingRequest

FORM = ("taps", "stride", "order")


@register("nvar")
@dataclasses.dataclass(frozen=True, kw_only=True)
class NVAR(ReadoutMethod):
    r"""The row after some delayed rows as a polynomial of them, its weights by ridge regression.

    Gauthier, Bollt, Griffith and Barbosa (2021). What of its form is not given is searched for: that under
    which the last fifth of each series is most likely, over the next `horizon` steps. Equations:
    `rekalman.networks.predictors.nvar`.

    Examples:
        >>> import rekalman
        >>> lynx = rekalman.load_example("lynx")
        >>> fit = rekalman.fit(lynx, "nvar", taps=2, stride=1, order=2, transform="log", progress=False)
        >>> fit.forecast(lynx, 5).mean.shape
        (1, 5, 1)
    """

    summary: ClassVar[str] = (
        "nonlinear dynamics learned in closed form: polynomials of delayed rows"
    )

    taps: int | None = option(
        None, help="Number of delayed rows.", by_default="the one that predicts held-out data best"
    )
    stride: int | None = option(
        None,
        help="Steps between delayed rows.",
        by_default="the one that predicts held-out data best",
    )
    order: int | None = option(
        None,
        help="Largest order of a monomial.",
        at_most=5,
        by_default="the one that predicts held-out data best",
    )
    increment: bool | None = option(
        None,
        help="Whether the change from the row before is learned, and not the row.",
        by_default="where neighbouring rows are alike",
    )
    penalty: int | float | None = option(
        None,
        help="Penalty on the squares of the weights, as a share of the number of rows.",
        at_least=0,
        by_default="the one that predicts held-out data best",
    )
    horizon: int = option(
        10, help="Steps ahead over which held-out data are scored in the search.", at_most=1000
    )
    search_seconds: int | float = option(10.0, help="CPU seconds for the search.", above=0)

    @property
    def given(self) -> dict[str, int]:
        """What of the form is given, by name."""
        values: dict[str, Any] = {name: getattr(self, name) for name in FORM}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def reach(self) -> int:
        """Number of the rows before a step that the features look at, as far as that is given."""
        return ((self.taps or 1) - 1) * (self.stride or 1) + 1

    @classmethod
    def arguments(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        filtering: Any = fit.algorithm
        return tuple(f"{name}={getattr(filtering.predictor, name)}" for name in FORM)

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from, or that are too short for the delays.

        Raises:
            RekalError: they are; or there are too many monomials.
        """
        super().check(data)
        self.check_washout(data, self.reach)
        if self.taps is not None and self.order is not None:
            from rekalman.networks.predictors.nvar import NVAR as Predictor

            Predictor.create(
                data.observations, taps=self.taps, order=self.order, inputs=data.n_inputs
            )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data.

        Raises:
            RekalError: a filter was asked for, or there are too few rows.
        """
        from rekalman.training.reservoirs.nvar import train_nvar

        self.refuse_filtering(request)
        return train_nvar(self, request, self.standardiser(request))
