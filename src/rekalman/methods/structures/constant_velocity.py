"""constant-velocity: a point whose velocity is a random walk, its position observed with noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.models.structures.structures import Structure


@register("constant-velocity")
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantVelocity(StructureMethod):
    """A point whose velocity is a random walk; each column is one axis of its position.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.ConstantVelocity().options
        {}
    """

    summary: ClassVar[str] = "tracking: a moving point whose velocity wanders"
    needs: ClassVar[str] = "a column for each axis"
    multivariate: ClassVar[bool] = True

    def structure(self, data: Sequences) -> Structure:
        """Position and its derivatives along each axis."""
        from rekalman.models.structures.structural import constant_velocity

        return constant_velocity(float(data.interval or 1.0), data.observations)
