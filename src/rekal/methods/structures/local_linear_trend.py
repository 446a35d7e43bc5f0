"""local-linear-trend: a level with a slope, behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekal.methods.registry import register
from rekal.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekal.data import Sequences
    from rekal.models.structures.structures import Structure


@register("local-linear-trend")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalLinearTrend(StructureMethod):
    """A level with a slope, both random walks, behind noise.

    Examples:
        >>> import rekal
        >>> rekal.methods.LocalLinearTrend().options
        {}
    """

    summary: ClassVar[str] = "a trend whose slope wanders, behind noise"

    def structure(self, data: Sequences) -> Structure:
        """Level and slope."""
        from rekal.models.structures.structural import local_linear_trend

        return local_linear_trend()
