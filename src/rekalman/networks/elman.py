"""The simple recurrent network (Elman 1990)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.networks.beliefs import Hidden
from rekalman.networks.recurrent import Recurrent


class Elman(Recurrent):
    r"""An Elman network that is a filter: $h_t = \tanh(W x_t + U h_{t-1} + b)$.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.Elman.create(3, units=8, key=jax.random.key(0))
        >>> layer.init().hidden.shape
        (8,)
    """

    gates: ClassVar[int] = 1

    def units_after(
        self,
        given: Float[Array, "*batch rows"],
        carried: Float[Array, "*batch rows"],
        belief: Hidden,
    ) -> Hidden:
        """The equation above."""
        return Hidden(jnp.tanh(given + carried))
