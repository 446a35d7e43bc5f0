"""local-level: a random walk behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.models.structures.structures import Structure


@register("local-level")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalLevel(StructureMethod):
    """A random walk behind noise (Durbin and Koopman 2012, ch. 2).

    Examples:
        >>> import rekalman
        >>> rekalman.methods.LocalLevel().options
        {}
    """

    summary: ClassVar[str] = "a level that wanders, behind noise"

    def structure(self, data: Sequences) -> Structure:
        """The level."""
        from rekalman.models.structures.structural import local_level

        return local_level()
