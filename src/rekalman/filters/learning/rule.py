r"""What a rule is that differentiates a recurrent network online.

Real-time recurrent learning carries the influence $M_t = d h_t / d \theta$ of the weights on the state
forward through time,

$$
M_{t+1} = J_{t+1} M_t + \bar M_{t+1}, \qquad
\frac{d \ell_t}{d \theta} = \frac{\partial \ell_t}{\partial h_t} M_t,
$$

with the Jacobian $J$ of a step and its immediate derivative $\bar M$ by the weights. All rules of this
folder are that recursion, exactly or in some approximation that costs less (Marschall, Cho and Savin 2020,
J. Machine Learning Research 21). Each works on lanes: streams that are learned from side by side.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.filters.learning.derivatives import StepDerivatives
from rekalman.networks.predictors.recurrent import RecurrentPredictor


class Rule(eqx.Module):
    """A way of following the derivatives of a recurrent network forward through time, lane by lane.

    Attributes:
        name: what it is called in options.
        long_name: what it is called in a sentence.
        exact_enough: whether an extended Kalman filter may take its derivatives: neither random nor learned.
    """

    name: ClassVar[str] = ""
    long_name: ClassVar[str] = ""
    exact_enough: ClassVar[bool] = True

    def check(self, predictor: RecurrentPredictor) -> None:
        """Refuse a network that the rule is not defined for.

        Raises:
            RekalError: it is not.
        """

    def suited(self, predictor: RecurrentPredictor) -> Rule:
        """The rule for the sizes and the zero weights of a network."""
        return self

    @property
    def every(self) -> int:
        """After how many steps the losses of these steps give a gradient."""
        return 1

    @abc.abstractmethod
    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Any:
        """What it remembers at the start of a lane, when the state depends on no weight."""

    @abc.abstractmethod
    def after(self, memory: Any, step: StepDerivatives) -> Any:
        """What it remembers after a step of the network.

        Args:
            memory: before the step.
            step: the derivatives of the step.
        """

    @abc.abstractmethod
    def gradient(
        self, memory: Any, cotangent: Float[Array, "kinds units"]
    ) -> Float[Array, "rows gates units"]:
        """The derivative of a loss by the weights of the units.

        Args:
            memory: at the step of the loss.
            cotangent: derivative of the loss by the states of that step, everything else being fixed.
        """

    def seen(self, memory: Any, cotangent: Float[Array, "kinds units"]) -> Any:
        """What it remembers once the loss of a step is known, before its gradient is asked for.

        Args:
            memory: at the step of the loss.
            cotangent: derivative of the loss by the states of that step.
        """
        return memory
