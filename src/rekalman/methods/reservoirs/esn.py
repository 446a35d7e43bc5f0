"""esn: an echo state network, whose readout is learned in closed form."""

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

SCALES = ("spectral_radius", "leak", "input_scale", "bias_scale")


@register("esn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class ESN(ReadoutMethod):
    r"""Random recurrent units that are given each row, and a readout of the next one by ridge regression.

    Jaeger (2001). What of its scales is not given is searched for: those under which the last fifth of each
    series is most likely, over the next `horizon` steps. Equations:
    `rekalman.networks.predictors.reservoir`.

    Examples:
        >>> import rekalman
        >>> sunspots = rekalman.load_example("sunspots")
        >>> fit = rekalman.fit(sunspots, "esn", units=30, search_seconds=0.1, progress=False)
        >>> fit.forecast(sunspots, 5).mean.shape
        (1, 5, 1)
    """

    summary: ClassVar[str] = (
        "nonlinear dynamics learned in closed form: random units, a trained readout"
    )

    units: int | None = option(
        None, help="Number of units.", by_default="a quarter of the samples, from 20 to 300"
    )
    spectral_radius: int | float | None = option(
        None,
        help="Largest absolute eigenvalue of the recurrent weights.",
        above=0,
        at_most=2,
        by_default="searched for",
    )
    leak: int | float | None = option(
        None,
        help="Share of the state that is new at each step.",
        above=0,
        at_most=1,
        by_default="searched for",
    )
    input_scale: int | float | None = option(
        None, help="Size of the input weights.", above=0, by_default="searched for"
    )
    bias_scale: int | float | None = option(
        None, help="Size of the biases.", at_least=0, by_default="searched for"
    )
    density: int | float | None = option(
        None,
        help="Share of the recurrent weights that are not zero.",
        above=0,
        at_most=1,
        by_default="ten weights for each unit",
    )
    topology: str = option(
        "random",
        help="Recurrent weights: random, one ring, or random beside a rotation.",
        choices=("random", "cycle", "es2n"),
    )
    squares: bool = option(False, help="Whether the readout sees the squares of the units, too.")
    penalty: int | float | None = option(
        None,
        help="Penalty on the squares of the readout's weights, as a share of the number of rows.",
        at_least=0,
        by_default="the one that predicts held-out data best",
    )
    washout: int | None = option(
        None,
        help="First steps of each series that nothing is learned from.",
        at_least=0,
        by_default="a tenth of the longest series, at most 100",
    )
    horizon: int = option(
        10, help="Steps ahead over which held-out data are scored in the search.", at_most=1000
    )
    search_seconds: int | float = option(
        10.0, help="CPU seconds for the search, compiled already.", above=0
    )

    @property
    def fixed(self) -> dict[str, float]:
        """The scales that are given, by name."""
        given: dict[str, Any] = {name: getattr(self, name) for name in SCALES}
        return {name: float(value) for name, value in given.items() if value is not None}

    @classmethod
    def arguments(cls, fit: Fit) -> tuple[str, ...]:
        """The options that a fit shows, as arguments."""
        filtering: Any = fit.algorithm
        return (f"units={filtering.predictor.units}",)

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from, or that are too short for the washout.

        Raises:
            RekalError: they are.
        """
        super().check(data)
        self.check_washout(data, self.washout)

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data.

        Raises:
            RekalError: a filter was asked for, or too few rows remain after the washout.
        """
        from rekalman.training.reservoirs.esn import train_esn

        self.refuse_filtering(request)
        return train_esn(self, request, self.standardiser(request))
