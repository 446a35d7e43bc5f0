"""Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid
from jaxtyping import Array, Float

from rekalman.networks.beliefs import Hidden
from rekalman.networks.recurrent import Recurrent


class LSTM(Recurrent):
    r"""An LSTM that is a filter.

    $$
    \begin{aligned}
    (i, f, g, o) &= W x_t + U h_{t-1} + b, \\
    c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g), \\
    h_t &= \sigma(o) \odot \tanh(c_t),
    \end{aligned}
    $$

    with the logistic function $\sigma$.

    The bias of the forget gate starts at 1, so that the cell remembers before training.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.LSTM.create(3, units=8, key=jax.random.key(0))
        >>> layer.init().hidden.shape
        (8,)
    """

    gates: ClassVar[int] = 4
    has_memory: ClassVar[bool] = True

    @classmethod
    def start_bias(cls, units: int) -> Float[Array, " rows"]:
        """Zero, but 1 at the forget gate."""
        return jnp.zeros(4 * units, jnp.float32).at[units : 2 * units].set(1)

    def units_after(
        self,
        given: Float[Array, "*batch rows"],
        carried: Float[Array, "*batch rows"],
        belief: Hidden,
    ) -> Hidden:
        """The equations above."""
        assert belief.memory is not None
        i, f, g, o = jnp.split(given + carried, 4, -1)
        memory = sigmoid(f) * belief.memory + sigmoid(i) * jnp.tanh(g)
        return Hidden(sigmoid(o) * jnp.tanh(memory), memory)
