"""Maximum likelihood of a structure of one's own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.own.base import OwnModel
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.panel import Panel
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.methods.request import TrainingRequest
    from rekalman.models.structures.structures import Structure


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnStructure(StructureMethod):
    """Maximum likelihood of a structure; frozen parameters keep their value in raw units.

    Attributes:
        model: the structure.
    """

    name: ClassVar[str] = "own"

    model: Any

    @classmethod
    def phrase(cls) -> str:
        """What the method is called in a refusal."""
        return OwnModel.phrase()

    @classmethod
    def check_option(cls, name: str) -> None:
        """Refuse every option: the model says all that there is to say.

        Raises:
            RekalError: there is one.
        """
        OwnModel.check_option(name)

    def check(self, data: Sequences) -> None:
        """Whether the data go with the structure is seen when it is trained."""

    def structure(self, data: Sequences) -> Structure:
        """The structure."""
        return self.model

    @property
    def holds_values(self) -> bool:
        """Whether the structure holds values, in raw units, that frozen parameters keep."""
        return True

    def standardiser(self, request: TrainingRequest) -> Standardiser | Panel:
        """Means and one scale for all columns of a series; one for all series where parameters are frozen.

        Raises:
            RekalError: the scale that is asked for is unknown or does not go with these data.
        """
        from rekalman.training.scales import standardiser_of

        frozen = bool(getattr(request.learner, "freeze", ()))
        made = standardiser_of(request.data, request.scale, request.transform, frozen=frozen)
        return made.with_one_scale()
