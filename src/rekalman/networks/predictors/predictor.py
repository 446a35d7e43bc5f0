r"""A one-step predictor, which is a nonlinear model in innovations form.

$$
y_t = g(x_t) + e_t, \quad e_t \sim \mathcal{N}(0, S(x_t)), \qquad x_{t+1} = f(x_t, y_t, u_{t+1}).
$$

The state $x_t$ is a function of what was observed before $t$, so that there is one noise, that of the
innovations $e_t$, and the likelihood of a complete series is the product of its one-step densities (Ljung
1999, System Identification, section 4.3; of a linear model: its steady-state Kalman filter). A recurrent
network that was trained to predict its next input, an echo state network and a nonlinear autoregression are
of this form. How it filters series with gaps, and how it forecasts, is written once
(`filters/innovations.py`).
"""

from __future__ import annotations

import abc
from typing import Any

from jaxtyping import Array, Float

from rekalman.core.innovations_form import InnovationsForm, Linearises
from rekalman.networks.predictors.linearise import linearise


class Predictor(Linearises):
    """A model in innovations form, in standardised units: mean 0 and variance 1 of each column."""

    @property
    @abc.abstractmethod
    def observations(self) -> int:
        """Number of observed columns."""

    @property
    @abc.abstractmethod
    def n_inputs(self) -> int:
        """Number of known inputs, 0 without any."""

    @property
    @abc.abstractmethod
    def states(self) -> int:
        """Length of the state."""

    @property
    @abc.abstractmethod
    def described(self) -> str:
        """The size of the predictor in words."""

    @abc.abstractmethod
    def start(self) -> Float[Array, " states"]:
        """The state at the first step, before anything was observed."""

    @abc.abstractmethod
    def advance(
        self,
        state: Float[Array, " states"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " states"]:
        """The state at the next step.

        Args:
            state: of the step before.
            y: what was observed at that step.
            u: inputs that drive the step, those of the next row.
        """

    @abc.abstractmethod
    def output(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The mean of the observation at the step of a state."""

    @abc.abstractmethod
    def noise(self, state: Float[Array, " states"]) -> Float[Array, "obs obs"]:
        """A factor `N` of the covariance of the innovation, `S = N N'`."""

    def innovations_form(self, u: Any = None, visited: Any = None) -> InnovationsForm:
        """The linear model near where it rests, or at the mean of visited states (`linearise`)."""
        return linearise(self, u, visited)
