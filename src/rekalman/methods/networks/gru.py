"""gru: gated recurrent units (Cho et al. 2014)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.networks.base import HiddenUnitsMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.networks.gru import GRU as Layer


@register("gru")
@dataclasses.dataclass(frozen=True, kw_only=True)
class GRU(HiddenUnitsMethod):
    """Gated recurrent units (Cho et al. 2014).

    Examples:
        >>> import rekalman
        >>> rekalman.methods.GRU(states=3, units=12).units
        12
    """

    summary: ClassVar[str] = "forecasts by a network, quicker than lstm"

    @staticmethod
    def layer_class() -> type[Layer]:
        """The layer of this method."""
        from rekalman.networks.gru import GRU as Layer

        return Layer
