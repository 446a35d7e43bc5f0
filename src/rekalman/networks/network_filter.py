"""What networks have in common as filters, whatever a step brings them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.filter import Filter
from rekalman.networks.network import Network
from rekalman.networks.recurrent import count_parameters


class NetworkFilter(Filter):
    """A filter whose belief is that of a network; a subclass says what a step brings.

    Attributes:
        network: encoder, layer and decoder; its time step of 1 is the `interval` of the filter.
    """

    network: eqx.AbstractVar[Network]

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.network.layer.n_inputs

    @property
    def continuous(self) -> bool:
        """Whether series may be sampled at any times."""
        return self.interval is not None

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return count_parameters(self.network)

    @property
    def size(self) -> str:
        """The size of the network in words."""
        return self.network.described

    def size_lines(self) -> tuple[str, ...]:
        """The size of the network in words."""
        return (f"{'network':<15} {self.size}",)

    def init(self, key: PRNGKeyArray | None = None) -> Any:
        """The belief before the first step (`key` is not used)."""
        return self.network.init()

    def predict(
        self,
        belief: Any,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Any:
        """One step through time; `dt` is by default the interval."""
        return self.network.predict(belief, u, self.in_steps((), dt))

    def in_steps(self, shape: tuple[int, ...], dt: Any) -> Any:
        """Lengths of steps in units of the interval, by default 1; as they are where there is none.

        Args:
            shape: of the steps.
            dt: their lengths, or None.
        """
        if self.interval is None:
            return dt
        return jnp.ones(shape) if dt is None else dt / self.interval
