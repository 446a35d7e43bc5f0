"""adaptive: networks whose readouts go on learning while data arrive, for series whose dynamics drift."""

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

MOST_STEPS = 200
"""Readouts of more horizons take longer than they are worth."""


@register("adaptive")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptive(Method):
    """Networks trained by EM, whose readouts are filtered online, so that they follow dynamics that drift.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Adaptive(horizon=4).horizon
        4
    """

    summary: ClassVar[str] = "dynamics that drift, such as breathing; goes on learning in a stream"
    dynamics: ClassVar[str] = "nonlinear"
    cost: ClassVar[float] = 60.0
    needs: ClassVar[str] = "one series of a hundred samples or more"
    simulates: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ("EM",)
    learner_defaults: ClassVar[dict[str, Any]] = {"iterations": 30, "tolerance": 0.0}

    horizon: int = option(10, help="Number of steps ahead that are forecast.", at_most=MOST_STEPS)
    states: int | None = option(
        None,
        help="Number of states; several networks are averaged where nothing is said.",
        at_most=MOST,
        by_default="8, 12, 16 and 24, as far as the data carry them",
    )
    particles: int = option(300, help="Particles that follow each network.", at_least=2)
    forgetting: float = option(
        0.998, help="Forgetting factor of the readouts beside 1.", above=0, at_most=1
    )

    def default_learner(self, **settings: Any) -> Any:
        """EM with full process noise and priors weak enough for precise sensors.

        Raises:
            RekalError: a setting is of no use to EM, or out of range.
        """
        from rekalman.learners.online.tracked import TRAINING

        usual = super().default_learner(**settings)
        asked = {name: getattr(usual, name) for name in (*self.learner_defaults, *settings)}
        return dataclasses.replace(TRAINING, **asked)

    def check(self, data: Sequences) -> None:
        """Refuse several series, and what every method refuses.

        Raises:
            RekalError: there are several series, or as for `Method.check`.
        """
        super().check(data)
        if data.batch > 1:
            raise RekalError(
                f"the model adaptive follows one series, but there are {data.batch}: fit each by itself"
            )

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of it."""
        from rekalman.methods.description import Description

        algorithm: Any = fit.algorithm
        return Description(
            "an adaptive forecaster",
            f"{algorithm.size[0].upper()}{algorithm.size[1:]}, after a training by expectation-maximisation.",
            (f'"{fit.kind}"', f"horizon={algorithm.horizons}"),
            (("networks", len(algorithm.members)), ("horizons", algorithm.horizons)),
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from one series.

        Raises:
            RekalError: a filter was asked for, or as for `EM.run`.
        """
        from rekalman.training.adaptive import train_adaptive

        if request.filtering is not None:
            raise RekalError("the adaptive forecaster is its own filter: leave filtering out")
        learner = self.default_learner() if request.learner is None else request.learner
        return train_adaptive(self, request, learner, self.standardiser(request))
