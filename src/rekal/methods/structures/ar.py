"""ar: a stationary autoregression behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekal.methods.options import option
from rekal.methods.registry import register
from rekal.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekal.data import Sequences
    from rekal.fitting.result import Fit
    from rekal.models.structures.structures import Structure


@register("ar")
@dataclasses.dataclass(frozen=True, kw_only=True)
class AR(StructureMethod):
    """A stationary autoregression behind noise.

    Examples:
        >>> import rekal
        >>> rekal.methods.AR(states=3).options
        {'states': 3}
    """

    summary: ClassVar[str] = "a stationary series that remembers its last values"
    irregular: ClassVar[bool] = False

    states: int = option(2, help="Number of lags.")

    @classmethod
    def repeated(cls, fit: Fit) -> tuple[str, ...]:
        """The number of lags."""
        return (f"states={fit.model.states}",)

    def structure(self, data: Sequences) -> Structure:
        """The autoregression."""
        from rekal.models.structures.structural import autoregression

        return autoregression(self.states)
