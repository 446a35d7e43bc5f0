r"""Rules that look at one step only: RFLO with its fixed leak, and decoupled interfaces.

Random feedback local online learning (Murray 2019, eLife 8) replaces the Jacobian by a leak,
$E_{t+1} = (1 - 1/\tau) E_t + \bar M_{t+1}$; the error goes back through the readout itself here.

A decoupled neural interface (Jaderberg et al. 2017, ICML; online: Marschall, Cho and Savin 2020) does not
look back at all: a linear map $S$ predicts what all later losses will say of the state,
$\hat c_t = S [h_t; 1]$, and the gradient is $(\partial \ell_t / \partial h_t + \hat c_t)^\top \bar M_t$. The
map learns by least mean squares from its own prediction one step later,
$\hat c_{t-1} \to J_t^\top (\partial \ell_t / \partial h_t + \hat c_t)$.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.serial import storable
from rekalman.filters.learning.derivatives import StepDerivatives
from rekalman.filters.learning.random_rules import refuse_gates
from rekalman.filters.learning.rule import Rule
from rekalman.foundation.arguments import real
from rekalman.networks.predictors.recurrent import RecurrentPredictor


@storable
class RFLO(Rule):
    """Random feedback local online learning, of Elman networks: an eligibility trace for each weight.

    Attributes:
        memory_steps: time constant of the trace, in steps.

    Examples:
        >>> from rekalman.filters.learning.local_rules import RFLO
        >>> RFLO(20.0).memory_steps
        20.0
    """

    name: ClassVar[str] = "rflo"
    long_name: ClassVar[str] = "random feedback local online learning"

    memory_steps: float = eqx.field(static=True, default=10.0)

    def __check_init__(self) -> None:
        real("memory_steps", self.memory_steps, least=1)

    def check(self, predictor: RecurrentPredictor) -> None:
        """Refuse gated units, which have leaks of their own.

        Raises:
            RekalError: they are.
        """
        refuse_gates(self, predictor)

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Array:
        """No trace yet, `(rows, gates, units)` (`key` is not used)."""
        units = predictor.layer.units
        return jnp.zeros((predictor.row + units + 1, 1, units), predictor.readout.dtype)

    def after(self, memory: Array, step: StepDerivatives) -> Array:
        """The trace, leaked, and the immediate derivative."""
        return (1 - 1 / self.memory_steps) * memory + step.immediate[0]

    def gradient(self, memory: Array, cotangent: Float[Array, "kinds units"]) -> Array:
        """The loss derivative of each unit times the traces of its weights."""
        return cotangent[0] * memory


class Interface(NamedTuple):
    """What a decoupled interface remembers.

    Attributes:
        map: `S` above, `(states, states + 1)`.
        before: `[h; 1]` of the step before.
        step: derivatives of the step to here.
    """

    map: Float[Array, "states features"]
    before: Float[Array, " features"]
    step: StepDerivatives


@storable
class SyntheticGradient(Rule):
    """A decoupled neural interface: gradients of the future are predicted from the state.

    Attributes:
        rate: of the least mean squares that learn the prediction, normalised by the length of the features.

    Examples:
        >>> from rekalman.filters.learning.local_rules import SyntheticGradient
        >>> SyntheticGradient().name
        'dni'
    """

    name: ClassVar[str] = "dni"
    long_name: ClassVar[str] = "a decoupled neural interface"
    exact_enough: ClassVar[bool] = False

    rate: float = eqx.field(static=True, default=0.01)

    def __check_init__(self) -> None:
        real("rate", self.rate, above=0, most=1)

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Interface:
        """A prediction of zero (`key` is not used)."""
        step, size = StepDerivatives.nothing(predictor), predictor.recurrent
        start = jnp.zeros((size, size + 1), predictor.readout.dtype)
        return Interface(start, _features(step.after), step)

    def after(self, memory: Interface, step: StepDerivatives) -> Interface:
        """The step to here is the one that counts now."""
        return Interface(memory.map, _features(memory.step.after), step)

    def seen(self, memory: Interface, cotangent: Float[Array, "kinds units"]) -> Interface:
        """The map after it has learned what it should have predicted at the step before."""
        target = memory.step.backward(cotangent + self._predicted(memory)).ravel()
        error = target - memory.map @ memory.before
        gain = self.rate * memory.before / jnp.square(memory.before).sum()
        return memory._replace(map=memory.map + jnp.outer(error, gain))

    def gradient(self, memory: Interface, cotangent: Float[Array, "kinds units"]) -> Array:
        """What this loss and the predicted later ones say, through the last step alone."""
        return memory.step.of_weights(cotangent + self._predicted(memory))

    def _predicted(self, memory: Interface) -> Array:
        after = memory.step.after
        return (memory.map @ _features(after)).reshape(after.shape)


def _features(states: Float[Array, "kinds units"]) -> Array:
    return jnp.concatenate([states.ravel(), jnp.ones(1, states.dtype)])
