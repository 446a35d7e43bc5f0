"""drift: the last value and the mean slope so far."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.naive.base import NaiveMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.training.naive import NaiveModel


@register("drift")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift(NaiveMethod):
    """A random walk with drift: the line through the first and the last value goes on.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "drift", progress=False)
        >>> fit.forecast(nile, 1).mean.ravel().round(2).tolist()  # 740 + (740 - 1120) / 99
        [736.16]
    """

    summary: ClassVar[str] = "baseline: the last value and the mean slope so far"

    def naive(self, data: Sequences) -> NaiveModel:
        """Two states for each column: its last value and its slope."""
        from rekalman.training.naive import random_walk_with_drift

        return random_walk_with_drift()
