"""elman: a simple recurrent network (Elman 1990)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from rekalman.methods.networks.base import HiddenUnitsMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.networks.elman import Elman as Layer


@register("elman")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Elman(HiddenUnitsMethod):
    """A simple recurrent network (Elman 1990).

    Examples:
        >>> import rekalman
        >>> rekalman.methods.Elman(states=3, units=12).units
        12
    """

    summary: ClassVar[str] = "forecasts by the simplest recurrent network"

    @staticmethod
    def layer_class() -> type[Layer]:
        """The layer of this method."""
        from rekalman.networks.elman import Elman as Layer

        return Layer
