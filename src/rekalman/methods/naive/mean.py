"""mean: the mean of all values so far."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.naive.base import NaiveMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.training.naive import NaiveModel


@register("mean")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean(NaiveMethod):
    """Independent values around a constant: the mean of all values so far.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "mean", progress=False)
        >>> fit.forecast(nile, 1).mean.ravel().round(2).tolist()
        [919.35]
    """

    summary: ClassVar[str] = "baseline: the mean of all values so far"

    def naive(self, data: Sequences) -> NaiveModel:
        """One state for each column: its mean."""
        from rekalman.training.naive import constant

        return constant()
