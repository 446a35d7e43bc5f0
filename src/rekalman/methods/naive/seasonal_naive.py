"""seasonal-naive: the last value of the same season is held."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.foundation.errors import RekalError
from rekalman.methods.naive.base import NaiveMethod
from rekalman.methods.options import option
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.training.naive import NaiveModel


@register("seasonal-naive")
@dataclasses.dataclass(frozen=True, kw_only=True)
class SeasonalNaive(NaiveMethod):
    """The last value of the same season is held.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.SeasonalNaive(period=12).season
        12
    """

    summary: ClassVar[str] = "baseline: the last value of the same season is held"
    needs: ClassVar[str] = "two seasons"
    irregular: ClassVar[bool] = False

    period: int | None = option(
        None,
        help="Number of steps after which the series repeats.",
        at_least=2,
        by_default="that of the calendar, or what repeats itself in the data",
    )

    @property
    def season(self) -> int | None:
        """Steps after which the series repeats, where the options say so."""
        return self.period

    def check(self, data: Sequences) -> None:
        """Refuse data that are shorter than two seasons.

        Raises:
            RekalError: they are, no season is found in them, or as for `Method.check`.
        """
        super().check(data)
        period, longest = self.naive(data).states, int(data.lengths.max())
        if 2 * period > longest:
            raise RekalError(
                f"a period of {period} steps needs {2 * period} samples, but there are {longest}"
            )

    def naive(self, data: Sequences) -> NaiveModel:
        """A state for each step of the season and column: its last value.

        Raises:
            RekalError: no period is given, and none is found.
        """
        from rekalman.data.time.seasons import season_of
        from rekalman.training.naive import seasonal_walk

        period = season_of(data) if self.period is None else self.period
        if period is None:
            raise RekalError(
                "seasonal-naive needs period, the number of steps after which the series repeats: none is "
                "found in the data"
            )
        return seasonal_walk(period)
