"""local-linear-trend: a level with a slope, behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.models.structures.structures import Structure


@register("local-linear-trend")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalLinearTrend(StructureMethod):
    """A level with a slope, both random walks, behind noise.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.LocalLinearTrend().options
        {}
    """

    summary: ClassVar[str] = "a trend whose slope wanders, behind noise"

    def structure(self, data: Sequences) -> Structure:
        """Level and slope."""
        from rekalman.models.structures.structural import local_linear_trend

        return local_linear_trend()
