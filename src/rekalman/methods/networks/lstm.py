"""lstm: a long short-term memory (Hochreiter and Schmidhuber 1997)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.networks.base import HiddenUnitsMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.networks.lstm import LSTM as Layer


@register("lstm")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LSTM(HiddenUnitsMethod):
    """A long short-term memory (Hochreiter and Schmidhuber 1997).

    Examples:
        >>> import rekalman
        >>> rekalman.methods.LSTM(states=3, units=12).units
        12
    """

    summary: ClassVar[str] = "forecasts by a network with a long memory"

    @staticmethod
    def layer_class() -> type[Layer]:
        """The layer of this method."""
        from rekalman.networks.lstm import LSTM as Layer

        return Layer
