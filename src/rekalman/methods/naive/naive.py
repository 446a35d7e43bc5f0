"""naive: the last value is held."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.naive.base import NaiveMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.training.naive import NaiveModel


@register("naive")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Naive(NaiveMethod):
    """A random walk seen without noise: the last value is held, with a variance that grows with time.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "naive", progress=False)
        >>> fit.forecast(nile, 2).mean.ravel().tolist()
        [740.0, 740.0]
    """

    summary: ClassVar[str] = "baseline: the last value is held"

    def naive(self, data: Sequences) -> NaiveModel:
        """One state for each column: its last value."""
        from rekalman.training.naive import random_walk

        return random_walk()
