"""Back-propagation from a network of one's own that watches films."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.own.base import OwnModel

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFilm(Method):
    """Gradient training of a `Network` on films, in the raw units of their targets.

    Attributes:
        model: the network, whose weights are where the training begins.
    """

    name: ClassVar[str] = "own"
    irregular: ClassVar[bool] = True
    inputs: ClassVar[bool] = True
    missing: ClassVar[bool] = True
    films: ClassVar[bool] = True
    checkpoints: ClassVar[bool] = True
    learners: ClassVar[tuple[str | type, ...]] = ("Backprop",)

    model: Any

    @classmethod
    def phrase(cls) -> str:
        """What the method is called in a refusal."""
        return "a network of your own"

    @classmethod
    def check_option(cls, name: str) -> None:
        """Refuse every option: the network says all that there is to say.

        Raises:
            RekalError: there is one.
        """
        OwnModel.check_option(name)

    def check(self, data: Sequences) -> None:
        """Refuse rows of numbers.

        Raises:
            RekalError: the data are no films.
        """
        if data.measured:
            raise RekalError(
                "a Network of your own learns from Frames; a network on rows of numbers is made by name, "
                "such as 'gru'"
            )

    def standardiser(self, request: TrainingRequest) -> Standardiser:
        """The raw units of the targets.

        Raises:
            RekalError: a scale for each series is asked for.
        """
        from rekalman.training.scales import raw_units

        return raw_units(request.data, request.scale, request.transform)

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of it."""
        from rekalman.methods.description import Description

        network: Any = fit.algorithm
        return Description(
            "a network of your own",
            f"A {network.size}, trained by back-propagation through time to tell the targets of each step.",
            ("network",),
            (("network", network.size), ("epochs", len(fit.history.trained))),
        )

    def train(self, request: TrainingRequest) -> Fit:
        """Train the network from the weights it has.

        Raises:
            RekalError: a filter was asked for, or as for `Backprop.run`.
        """
        from rekalman.training.own_film import train_own_film

        if request.filtering is not None:
            raise RekalError("a network is its own filter: leave filtering out")
        learner = request.learner or self.default_learner(seed=request.seed)
        return train_own_film(self.model, request, learner, self.standardiser(request))
