r"""Exact real-time recurrent learning, and its sparse approximations SnAp-n.

RTRL (Williams and Zipser 1989) carries the whole influence matrix. SnAp-n (Menick et al. 2021, ICLR) keeps of
it the entries that a weight reaches within `n` steps: with SnAp-1 the states of its own unit, with more steps
those of the units that the unit feeds, and so on. Where the recurrent weights are sparse that is little;
where they are dense SnAp-2 is exact already.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rekalman.core.serial import storable
from rekalman.filters.learning.derivatives import StepDerivatives
from rekalman.filters.learning.rule import Rule
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor


@storable
class RTRL(Rule):
    """Exact derivatives: a step costs `units^2` times the number of weights.

    Examples:
        >>> from rekalman.filters.learning.snap import RTRL
        >>> RTRL().long_name
        'real-time recurrent learning'
    """

    name: ClassVar[str] = "rtrl"
    long_name: ClassVar[str] = "real-time recurrent learning"

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Array:
        """No influence yet, `(kinds, units, rows, gates, units)` (`key` is not used)."""
        layer = predictor.layer
        shape = (1 + layer.has_memory, layer.units, predictor.row + layer.units + 1, layer.gates)
        return jnp.zeros((*shape, layer.units), predictor.readout.dtype)

    def after(self, memory: Array, step: StepDerivatives) -> Array:
        """The influence after a step: that of the state before, carried on, and that of the step itself."""
        own = jnp.eye(memory.shape[1], dtype=memory.dtype)  # a weight touches its own unit alone
        return step.forward(memory) + step.immediate[:, None] * own[:, None, None]

    def gradient(self, memory: Array, cotangent: Float[Array, "kinds units"]) -> Array:
        """The loss derivative times the influence."""
        return jnp.tensordot(cotangent, memory, 2)


@storable
class SnAp(Rule):
    """The influence of each weight on the units that it reaches within some steps.

    Attributes:
        reach: number of steps `n`; 1 = the unit itself alone.

    Examples:
        >>> from rekalman.filters.learning.snap import SnAp
        >>> SnAp(2).long_name
        'SnAp-2'
    """

    name: ClassVar[str] = "snap"

    reach: int = eqx.field(static=True, default=1)
    support: tuple[tuple[int, ...], ...] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        whole("reach", self.reach)

    @property
    def long_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is called in a sentence."""
        return f"SnAp-{self.reach}"

    def suited(self, predictor: RecurrentPredictor) -> SnAp:
        """The rule for a network whose weights across units are zero where those of `predictor` are."""
        feeds = np.asarray(predictor.layer.across).reshape(
            -1, predictor.layer.gates, len(predictor.layer.across)
        )
        feeds = (feeds != 0).any(1)
        reached = np.eye(len(feeds), dtype=bool)
        for _ in range(min(self.reach, len(feeds)) - 1):
            reached = reached | (reached @ feeds)
        most = int(reached.sum(1).max())
        support = []
        for unit, row in enumerate(reached):
            others = [int(i) for i in np.flatnonzero(row) if i != unit]
            support.append((unit, *others, *[-1] * (most - 1 - len(others))))
        return SnAp(self.reach, tuple(support))

    def _index(self) -> tuple[Int[np.ndarray, "units reached"], np.ndarray]:
        """The units that the weights of each unit reach, itself first, and which of these are there."""
        if self.support is None:
            raise RekalError(
                "SnAp needs the network that it is for: take SnAp(n).suited(predictor)"
            )
        index = np.array(self.support)
        return np.maximum(index, 0), index >= 0

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Array:
        """No influence yet, `(kinds, reached, rows, gates, units)` (`key` is not used)."""
        layer, reached = predictor.layer, self._index()[0].shape[1]
        shape = (1 + layer.has_memory, reached, predictor.row + layer.units + 1, layer.gates)
        return jnp.zeros((*shape, layer.units), predictor.readout.dtype)

    def after(self, memory: Array, step: StepDerivatives) -> Array:
        """The kept influence after a step.

        The weights of unit j reach the units a of its support: `M'_aj = sum_b J_ab M_bj` over the b of the
        same support.
        """
        index, there = self._index()
        at = index.T  # reached, units
        # J_ab of the support of unit j, by the gates g of a: carried[s, g, a] U[b, g, a].
        across = step.across[at[None], :, at[:, None]]  # a, b, units, gates
        carried = jnp.moveaxis(step.carried[:, :, at], 1, -1)  # kinds, a, units, gates
        jacobian = jnp.einsum("kaug,abug->kabu", carried, across)
        own = step.own[:, :, at]  # kinds, kinds, a, units
        through = jnp.einsum("kabu,brgu->kargu", jacobian, memory[0])
        through += jnp.einsum("klau,largu->kargu", own, memory)
        retained = jnp.where(there.T[:, None, None], through, 0.0)
        return retained.at[:, 0].add(step.immediate)

    def gradient(self, memory: Array, cotangent: Float[Array, "kinds units"]) -> Array:
        """The loss derivative times the kept influence."""
        return jnp.einsum("kau,kargu->rgu", cotangent[:, self._index()[0].T], memory)
