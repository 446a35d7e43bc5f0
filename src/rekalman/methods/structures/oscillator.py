"""oscillator: a damped cycle behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.models.structures.structures import Structure


@register("oscillator")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Oscillator(StructureMethod):
    """A damped cycle behind noise.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Oscillator(period=11).season
        11.0
    """

    summary: ClassVar[str] = "a damped cycle whose period is found, behind noise"

    period: int | float | None = option(
        None,
        help="Steps of the cycle where the search begins.",
        above=2,
        by_default="the strongest in the data",
    )

    @property
    def season(self) -> float | None:
        """Steps after which the series repeats, where the options say so."""
        return self.period

    def structure(self, data: Sequences) -> Structure:
        """The cycle."""
        from rekalman.models.structures.structural import oscillator

        return oscillator(self.period)
