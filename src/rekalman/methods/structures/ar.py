"""ar: a stationary autoregression behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.models.structures.structures import Structure


@register("ar")
@dataclasses.dataclass(frozen=True, kw_only=True)
class AR(StructureMethod):
    """A stationary autoregression behind noise.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.AR(states=3).options
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
        from rekalman.models.structures.structural import autoregression

        return autoregression(self.states)
