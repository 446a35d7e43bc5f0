"""What methods share that begin with a model of one's own, in the raw units of the data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.state_space import StateSpaceMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.methods.request import TrainingRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnModel(StateSpaceMethod):
    """A method that begins with a model in the raw units of the data.

    Attributes:
        model: where the learning begins.
    """

    name: ClassVar[str] = "own"
    advises_transform: ClassVar[bool] = False

    model: Any

    @classmethod
    def phrase(cls) -> str:
        """What the method is called in a refusal."""
        return "a model of your own"

    @classmethod
    def check_option(cls, name: str) -> None:
        """Refuse every option: the model says all that there is to say.

        Raises:
            RekalError: there is one.
        """
        if name != "model":
            raise RekalError(f"{name} is of no use to {cls.phrase()}: leave it out")

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of a model of one's own."""
        from rekalman.methods.description import Description, counted

        size, by = counted(fit.model.states, "state"), fit.algorithm.long_name
        training = f"{size}, fitted by maximum likelihood and followed by {by}."
        return Description("a model of your own", training, ("model",))

    def standardiser(self, request: TrainingRequest) -> Standardiser | Panel:
        """The raw units of the data, or of their transform.

        Raises:
            RekalError: a scale for each series is asked for, or the data do not take the transform.
        """
        from rekalman.training.scales import raw_units

        return raw_units(request.data, request.scale, request.transform)

    def check(self, data: Sequences) -> None:
        """Whether the data go with the model is seen when it is trained."""
