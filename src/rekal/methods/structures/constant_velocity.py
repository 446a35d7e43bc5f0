"""constant-velocity: a point whose velocity is a random walk, its position observed with noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekal.methods.registry import register
from rekal.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekal.data import Sequences
    from rekal.models.structures.structures import Structure


@register("constant-velocity")
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantVelocity(StructureMethod):
    """A point whose velocity is a random walk; each column is one axis of its position.

    Examples:
        >>> import rekal
        >>> rekal.methods.ConstantVelocity().options
        {}
    """

    summary: ClassVar[str] = "tracking: a moving point whose velocity wanders"
    needs: ClassVar[str] = "a column for each axis"

    def structure(self, data: Sequences) -> Structure:
        """Position and its derivatives along each axis."""
        from rekal.models.structures.structural import constant_velocity

        return constant_velocity(float(data.interval or 1.0), data.observations)
