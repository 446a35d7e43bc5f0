"""Which transform observations pass through before a model sees them, and advice where one fits better."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from rekalman.data import Sequences
from rekalman.data.scales.box_cox import BoxCox, transform_named
from rekalman.data.scales.likeliest_power import positive_columns
from rekalman.foundation.errors import RekalError


class TransformChoice(NamedTuple):
    """How the transform of a fit is chosen, on all data and on parts of them alike.

    Attributes:
        argument: a name or a power, see `transform_named`.
        columns: those that may be transformed: of a backtest, too, the ones that are positive throughout.
        period: steps of a season, or None.
        advise: whether the user left the choice open, and the model takes no transform by default.
    """

    argument: Any
    columns: Bool[np.ndarray, " obs"]
    period: int | None
    advise: bool

    @classmethod
    def of(
        cls, given: Any, default: str, advises: bool, data: Sequences, season: float | None
    ) -> TransformChoice:
        """The choice of a fit.

        Args:
            given: what the user asked for; None = the default.
            default: of the method.
            advises: whether the method wants a likelier transform to be mentioned.
            data: in raw units.
            season: steps of a season as the user gave it, or None.

        Raises:
            RekalError: a transform of targets is asked for.
        """
        if not data.measured:
            if given not in (None, "none"):
                raise RekalError(
                    "targets that are told from frames are not transformed: leave transform out"
                )
            default, advises = "none", False
        return cls(
            argument=default if given is None else given,
            columns=positive_columns(data),
            period=None if season is None else round(season),
            advise=given is None and default == "none" and advises,
        )

    def transform(self, data: Sequences) -> BoxCox | None:
        """The transform for these data, or None.

        Raises:
            RekalError: the argument is no transform.
        """
        return transform_named(self.argument, data, self.columns, self.period)

    def advice(self, data: Sequences) -> tuple[str, ...]:
        """A sentence for the columns whose noise grows with their level, where nothing was decided."""
        if not self.advise:
            return ()
        likeliest = transform_named("auto", data, self.columns, self.period)
        if likeliest is None:
            return ()
        growing = [
            name for name, power in zip(data.names, likeliest.power, strict=True) if power < 1
        ]
        return (
            f"the noise of {', '.join(growing)} grows with its level, which makes intervals too narrow where "
            "it is high: a transform is clearly likelier (transform='auto', --transform auto)",
        )
