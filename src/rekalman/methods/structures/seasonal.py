"""seasonal: a level and the effects of seasons, behind noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.options import option
from rekalman.methods.registry import register
from rekalman.methods.structures.base import StructureMethod

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.models.structures.structures import Structure


@register("seasonal")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Seasonal(StructureMethod):
    """A level and effects of the seasons that add up to noise over a period; with a slope, where asked for.

    With `trend` it is the basic structural model (Harvey 1989, section 2.3.4).

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Seasonal(period=12).season
        12.0
    """

    summary: ClassVar[str] = "a level, or a trend, and seasons of a known period, behind noise"
    needs: ClassVar[str] = "one column, a known period"
    irregular: ClassVar[bool] = False

    period: int | float | None = option(
        None,
        help="Steps per season, a whole number.",
        at_least=2,
        by_default="that of a year where dates are monthly or quarterly, else it is needed",
    )

    trend: bool = option(False, help="The level has a slope, which is a random walk, too.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period is not None and self.period != int(self.period):
            raise RekalError(f"seasonal needs a whole number of steps, not {self.period:g}")

    @classmethod
    def repeated(cls, fit: Fit) -> tuple[str, ...]:
        """The period: there are a level, perhaps a slope, and an effect of all seasons but one."""
        trend = any(each.name == "slope variance" for each in fit.parameters)
        period = fit.model.states - trend
        return (f"period={period}", "trend=True") if trend else (f"period={period}",)

    @property
    def season(self) -> float | None:
        """Steps after which the series repeats, where the options say so."""
        return self.period

    def structure(self, data: Sequences) -> Structure:
        """The level and the seasons.

        Raises:
            RekalError: no period was given, and dates say none.
        """
        from rekalman.data.time.seasons import season_of_year
        from rekalman.models.structures.structural import (
            local_level,
            local_linear_trend,
            seasonal,
        )

        period = season_of_year(data) if self.period is None else self.period
        if period is None:
            raise RekalError("seasonal needs period, the number of steps after which it repeats")
        return (local_linear_trend() if self.trend else local_level()) + seasonal(int(period))
