"""constant-acceleration: a point whose acceleration is a random walk, its position observed with noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekal.methods.registry import register
from rekal.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekal.data import Sequences
    from rekal.models.structures.structures import Structure


@register("constant-acceleration")
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantAcceleration(StructureMethod):
    """A point whose acceleration is a random walk; each column is one axis of its position.

    Examples:
        >>> import rekal
        >>> rekal.methods.ConstantAcceleration().options
        {}
    """

    summary: ClassVar[str] = "tracking: a moving point whose acceleration wanders"
    needs: ClassVar[str] = "a column for each axis"

    def structure(self, data: Sequences) -> Structure:
        """Position and its derivatives along each axis."""
        from rekal.models.structures.structural import constant_acceleration

        return constant_acceleration(float(data.interval or 1.0), data.observations)
