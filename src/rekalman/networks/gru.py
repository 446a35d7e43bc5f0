"""Gated recurrent unit (Cho et al. 2014)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid
from jaxtyping import Array, Float

from rekalman.networks.beliefs import Hidden
from rekalman.networks.recurrent import Recurrent


class GRU(Recurrent):
    r"""A GRU that is a filter.

    $$
    \begin{aligned}
    r &= \sigma(W_r x_t + U_r h_{t-1} + b_r), \\
    z &= \sigma(W_z x_t + U_z h_{t-1} + b_z), \\
    n &= \tanh(W_n x_t + r \odot (U_n h_{t-1}) + b_n), \\
    h_t &= (1 - z) \odot n + z \odot h_{t-1},
    \end{aligned}
    $$

    with the logistic function $\sigma$. The reset gate acts after the product with $U_n$, as in cuDNN and in
    Keras: a step has one product.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.GRU.create(3, units=8, key=jax.random.key(0))
        >>> layer.init().hidden.shape
        (8,)
    """

    gates: ClassVar[int] = 3

    def units_after(
        self,
        given: Float[Array, "*batch rows"],
        carried: Float[Array, "*batch rows"],
        belief: Hidden,
    ) -> Hidden:
        """The equations above."""
        gates, new = given[..., : 2 * self.units], given[..., 2 * self.units :]
        r, z = jnp.split(sigmoid(gates + carried[..., : 2 * self.units]), 2, -1)
        new = jnp.tanh(new + r * carried[..., 2 * self.units :])
        return Hidden(new + z * (belief.hidden - new))
