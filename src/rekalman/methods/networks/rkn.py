"""rkn: a recurrent Kalman network (Becker et al. 2019)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from rekalman.methods.networks.base import RecurrentMethod
from rekalman.methods.registry import register

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.fitting.result import Fit
    from rekalman.methods.description import Description
    from rekalman.networks.rkn.layer import RKN as Layer


@register("rkn")
@dataclasses.dataclass(frozen=True, kw_only=True)
class RKN(RecurrentMethod):
    """A network whose memory is a Kalman filter in a latent space: it holds a mean and a covariance.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.RKN(states=4).hold_out
        0.2
    """

    summary: ClassVar[str] = "forecasts by a network with a Kalman filter inside"

    @classmethod
    def describe(cls, fit: Fit) -> Description:
        """What a report says of a fit of this method."""
        return super().describe(fit)._replace(name="a recurrent Kalman network")

    def layer(self, data: Sequences, key: Any) -> Layer:
        """The recurrent Kalman layer with fresh weights.

        Args:
            data: whose rows, inputs and time steps it takes.
            key: randomness of the weights.
        """
        from rekalman.networks.rkn.layer import RKN as Layer

        timed = "coefficients" if data.dt is not None else "ignored"
        return Layer.create(self.states, inputs=data.n_inputs, key=key, timed=timed)
