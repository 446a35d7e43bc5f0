"""evolino: an LSTM whose units are evolved, and whose readout is a linear regression."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.em_rnn import MOST
from rekalman.methods.options import option
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest

SHORTEST = 40
"""Samples of the longest series, at least."""


@register("evolino")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Evolino(Method):
    """LSTM units bred by evolution, each network with the linear readout that fits it best.

    Schmidhuber, Wierstra, Gagliolo and Gomez (2007). Networks are judged by free runs over held-out rows, so
    that they are good at forecasting on their own. How says `rekalman.Evolino`, which can be given as the
    learner.

    Examples:
        >>> import rekalman
        >>> lynx = rekalman.load_example("lynx")
        >>> fit = rekalman.fit(lynx, "evolino", units=4, generations=5, progress=False)
        >>> fit.forecast(lynx, 3).mean.shape
        (1, 3, 1)
    """

    summary: ClassVar[str] = "long free runs of smooth series, by evolved LSTM units"
    needs: ClassVar[str] = "hundreds of samples"
    simulates: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    dynamics: ClassVar[str] = "nonlinear"
    hidden: ClassVar[bool] = False
    cost: ClassVar[float] = 20.0
    learners: ClassVar[tuple[str | type, ...]] = ("Evolino",)
    learner_defaults: ClassVar[dict[str, Any]] = {"horizon": 20, "washout": 0}

    units: int = option(12, help="LSTM units.", at_most=MOST)
    population: int = option(40, help="Vectors of weights that are bred for each unit.", at_least=4)
    generations: int | None = option(
        None, help="Generations at most.", by_default="30 to 100, fewer for more samples"
    )
    hold_out: int | float = option(
        0.2,
        help="Share of each series, at its end, that is not bred on: it tells the noise.",
        above=0,
        below=1,
    )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        from rekalman.methods.description import Description

        predictor: Any = fit.algorithm
        network = predictor.predictor
        count = int(dict(fit.history.criteria)["generations"])
        return Description(
            "an evolved recurrent network",
            f"{network.described}; its units were bred for {count} generations, its readout is a ridge "
            "regression.",
            (f'"{fit.kind}"', f"units={network.layer.units}"),
        )

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from.

        Raises:
            RekalError: they are such, or too short.
        """
        super().check(data)
        longest = int(data.lengths.max())
        if longest < SHORTEST:
            raise RekalError(
                f"{self.phrase()} needs a series of {SHORTEST} samples at least, but the longest has "
                f"{longest}: give longer ones, or use linear"
            )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from data; what is learned is not judged yet.

        Raises:
            RekalError: a filter was asked for, or the data are too short.
        """
        from rekalman.training.predictors.evolino import train_evolino

        if request.filtering is not None:
            raise RekalError("a network is its own filter: leave filtering out")
        if request.learner is not None and (self.generations is not None or self.population != 40):
            raise RekalError("give population and generations to the learner, not beside it")
        standardiser: Any = self.standardiser(request)
        return train_evolino(self, request, standardiser)
