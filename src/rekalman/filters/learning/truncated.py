r"""Truncated back-propagation through time (Williams and Peng 1990): the last steps, backwards.

The derivatives of the last `window` steps are remembered as they were. Every `every` steps the losses of
these steps go back through them,

$$
c_\tau = \frac{\partial \ell_\tau}{\partial h_\tau} + J_{\tau + 1}^\top c_{\tau + 1}, \qquad
g = \sum_{\tau} c_\tau^\top \bar M_\tau .
$$
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.serial import storable
from rekalman.filters.learning.derivatives import StepDerivatives
from rekalman.filters.learning.rule import Rule
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class Window(NamedTuple):
    """The last steps, the newest last.

    Attributes:
        steps: their derivatives, each with a leading axis `window`.
        losses: derivatives of their losses by the states, `(window, kinds, units)`.
    """

    steps: StepDerivatives
    losses: Float[Array, "window kinds units"]


@storable
class TBPTT(Rule):
    """Back-propagation through the last steps, with the state carried on.

    Attributes:
        window: number of steps that are gone through backwards.
        every: after how many steps that is done; their losses are summed up.

    Examples:
        >>> from rekalman.filters.learning.truncated import TBPTT
        >>> TBPTT(window=50, every=10).long_name
        'back-propagation through 50 steps'
    """

    name: ClassVar[str] = "tbptt"

    window: int = eqx.field(static=True, default=25)
    every: int = eqx.field(static=True, default=1)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __check_init__(self) -> None:
        whole("window", self.window)
        whole("every", self.every)
        if self.every > self.window:
            raise RekalError(
                f"every={self.every} steps cannot go back through a window of {self.window}: make the window "
                "as long at least"
            )

    @property
    def long_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is called in a sentence."""
        return f"back-propagation through {self.window} steps"

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Window:
        """No step yet: derivatives of zero (`key` is not used)."""
        nothing = StepDerivatives.nothing(predictor)
        steps = jax.tree.map(lambda leaf: jnp.tile(leaf, (self.window, *[1] * leaf.ndim)), nothing)
        return Window(steps, jnp.zeros_like(steps.after))

    def after(self, memory: Window, step: StepDerivatives) -> Window:
        """The window moves on by a step whose loss is not known yet."""
        push = lambda old, new: jnp.concatenate([old[1:], new[None]])  # noqa: E731
        return Window(
            jax.tree.map(push, memory.steps, step),
            push(memory.losses, jnp.zeros_like(memory.losses[0])),
        )

    def seen(self, memory: Window, cotangent: Float[Array, "kinds units"]) -> Window:
        """The loss of the newest step."""
        return memory._replace(losses=memory.losses.at[-1].set(cotangent))

    def gradient(self, memory: Window, cotangent: Float[Array, "kinds units"]) -> Array:
        """The losses of the last `every` steps, back through the window.

        Args:
            memory: at the newest step.
            cotangent: derivative of its loss; those of the steps before it were `seen`.
        """
        recent = jnp.arange(self.window) >= self.window - self.every
        losses = jnp.where(recent[:, None, None], memory.losses, 0.0).at[-1].set(cotangent)

        def back(carry: tuple[Array, Array], row: Any) -> tuple[tuple[Array, Array], None]:
            step, loss = row
            later, total = carry
            c = later + loss
            return (step.backward(c), total + step.of_weights(c)), None

        nothing = jnp.zeros_like(cotangent)
        start = (nothing, _newest(memory).of_weights(nothing))
        return jax.lax.scan(back, start, (memory.steps, losses), reverse=True)[0][1]


def _newest(memory: Window) -> StepDerivatives:
    return jax.tree.map(lambda leaf: leaf[-1], memory.steps)
