"""adaptive: readouts that go on learning while data arrive, for series whose dynamics drift."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.em_rnn import MOST
from rekalman.methods.options import option
from rekalman.methods.registry import get, register
from rekalman.methods.train import train_on

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest

NETWORKS = "em-rnn"
"""Name of the method that trains networks by EM, over which the readouts are learned by default."""
PARTICLES = 300
MOST_STEPS = 200
"""Readouts of more horizons take longer than they are worth."""


@register("adaptive")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptive(Method):
    """A trained filter, usually of networks, with readouts filtered online, which follow dynamics that drift.

    What it is `over` is any other method: its filter stays as it was trained, and readouts of the mean of its
    state, or of its forecasts where it estimates no state, learn online what its forecasts miss.

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
    particles: int | None = option(
        None, help="Particles that follow each network.", at_least=2, by_default=str(PARTICLES)
    )
    forgetting: float = option(
        0.998, help="Forgetting factor of the readouts beside 1.", above=0, at_most=1
    )

    over: str = option(
        NETWORKS,
        help="The model whose filter the readouts are learned over, such as linear or gru.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.over != NETWORKS:
            self.under()

    @property
    def followed_by(self) -> int:
        """Number of particles that follow each network."""
        return PARTICLES if self.particles is None else self.particles

    def under(self) -> Method | None:
        """The method whose filter the readouts are learned over; None = networks trained by EM.

        Raises:
            RekalError: there is none of that name, it is adaptive itself, or has no such option.
        """
        if self.over == NETWORKS:
            return None
        method = get(self.over)
        if issubclass(method, Adaptive):
            raise RekalError(
                "the readouts of adaptive are learned over another model, such as linear: change over"
            )
        if self.particles is not None:
            raise RekalError(
                f"particles is of no use to adaptive over {self.over}: leave it out, or ask for a filter "
                "with particles by filtering"
            )
        options: dict[str, Any] = {} if self.states is None else {"states": self.states}
        return method(**options)

    def default_learner(self, **settings: Any) -> Any:
        """EM with full process noise and priors weak enough for precise sensors, or that of `over`.

        Raises:
            RekalError: a setting is of no use to it, or out of range.
        """
        under = self.under()
        if under is not None:
            return under.default_learner(**settings)
        from rekalman.learners.online.tracked import TRAINING

        usual = super().default_learner(**settings)
        asked = {name: getattr(usual, name) for name in (*self.learner_defaults, *settings)}
        return dataclasses.replace(TRAINING, **asked)

    def check_learner(self, learner: Any) -> None:
        """Refuse a learner that cannot train the networks, or the model that the readouts are over.

        Raises:
            RekalError: it cannot, or is none.
        """
        under = self.under()
        super().check_learner(learner) if under is None else under.check_learner(learner)

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
        under = self.under()
        if under is not None:
            under.check(data)

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of it."""
        from rekalman.methods.description import Description

        algorithm: Any = fit.algorithm
        size = f"{algorithm.size[0].upper()}{algorithm.size[1:]}"
        asked = (f'"{fit.kind}"', f"horizon={algorithm.horizons}")
        over, _ = algorithm.members[0].made_by
        if over != NETWORKS:
            facts = (("readouts over", over), ("horizons", algorithm.horizons))
            asked = (*asked, f'over="{over}"')
            return Description("an adaptive forecaster", f"{size}.", asked, facts)
        return Description(
            "an adaptive forecaster",
            f"{size}, after a training by expectation-maximisation.",
            asked,
            (("networks", len(algorithm.members)), ("horizons", algorithm.horizons)),
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Learn from one series.

        Raises:
            RekalError: a filter was asked for that the networks do not have, or as for `EM.run` or `over`.
        """
        from rekalman.training.adaptive import train_adaptive

        under = self.under()
        if under is not None:
            from rekalman.training.adaptive_over import train_adaptive_over

            began = time.perf_counter()
            return train_adaptive_over(self, train_on(under, request), request, began)
        if request.filtering is not None:
            raise RekalError("the adaptive forecaster is its own filter: leave filtering out")
        learner = self.default_learner() if request.learner is None else request.learner
        return train_adaptive(self, request, learner, self.standardiser(request))
