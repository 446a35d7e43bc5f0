"""local-level: a random walk behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekal.methods.registry import register
from rekal.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekal.data import Sequences
    from rekal.models.structures.structures import Structure


@register("local-level")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalLevel(StructureMethod):
    """A random walk behind noise (Durbin and Koopman 2012, ch. 2).

    Examples:
        >>> import rekal
        >>> rekal.methods.LocalLevel().options
        {}
    """

    summary: ClassVar[str] = "a level that wanders, behind noise"

    def structure(self, data: Sequences) -> Structure:
        """The level."""
        from rekal.models.structures.structural import local_level

        return local_level()
