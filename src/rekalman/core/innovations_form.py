r"""A linear model in innovations form, and the capability of a nonlinear one to be linearised to it.

$$
x_{t+1} = A x_t + B u_{t+1} + K e_t, \qquad y_t = \bar y + C x_t + e_t, \qquad e_t \sim \mathcal{N}(0, S).
$$

It has one noise, the innovations: those of the state and of the observation are $K e_t$ and $e_t$, fully
correlated. A settled Kalman filter is of this form, with the gain $K$ of its predictor (Ljung 1999, section
4.3). Written with the observations in place of the innovations it is the predictor,

$$
x_{t+1} = F x_t + B u_{t+1} + K (y_t - \bar y), \qquad F = A - K C,
$$

so that $F$ and $K$, which are what a predictor computes with, give the dynamics $A = F + K C$.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float


class InnovationsForm(NamedTuple):
    """The matrices of the text of the module.

    Attributes:
        A: transition `(states, states)`.
        B: input weights `(states, inputs)`, for inputs counted from where they are held.
        C: observation `(obs, states)`.
        K: gain of the predictor `(states, obs)`.
        S: covariance of the innovations `(obs, obs)`.
        output: observation where the state is zero `(obs,)`.
        inputs: where the inputs are held `(inputs,)`.
        rests: whether the predictor rests there; else it was linearised at a mean of states.

    Examples:
        >>> import numpy as np
        >>> from rekalman.core.innovations_form import InnovationsForm
        >>> one = np.eye(1)
        >>> form = InnovationsForm(0.9 * one, one[:, :0], one, 0.5 * one, one, np.zeros(1), np.zeros(0))
        >>> form.predictor.tolist()
        [[0.4]]
    """

    A: Float[np.ndarray, "states states"]
    B: Float[np.ndarray, "states inputs"]
    C: Float[np.ndarray, "obs states"]
    K: Float[np.ndarray, "states obs"]
    S: Float[np.ndarray, "obs obs"]
    output: Float[np.ndarray, " obs"]
    inputs: Float[np.ndarray, " inputs"]
    rests: bool = True

    @property
    def predictor(self) -> Float[np.ndarray, "states states"]:
        """`F = A - K C`, which carries the state from row to row."""
        return self.A - self.K @ self.C


class Linearises(eqx.Module):
    """What can be linearised to a model in innovations form, such as a predictor and its filter.

    Examples:
        >>> from rekalman.core.innovations_form import Linearises
        >>> from rekalman.filters.innovations import Innovations
        >>> issubclass(Innovations, Linearises)
        True
    """

    @abc.abstractmethod
    def innovations_form(
        self, u: Any = None, visited: Float[Any, "count states"] | None = None
    ) -> InnovationsForm:
        """The linear model near where it rests, in the units that it works in.

        Args:
            u: the inputs, held constant; default 0.
            visited: states that it visits, where it is linearised (at their mean) if it does not rest.

        Raises:
            RekalError: it does not rest, and no states are given.
        """


class LinearisesPaths(Linearises):
    """A filter of such a model, whose paths hold the states that the model visits.

    Examples:
        >>> from rekalman.core.innovations_form import LinearisesPaths
        >>> from rekalman.filters.innovations import Innovations
        >>> issubclass(Innovations, LinearisesPaths)
        True
    """

    @abc.abstractmethod
    def visited_states(self, path: Any) -> Float[Any, "batch steps states"]:
        """The state before each row.

        Args:
            path: what `run_batch` left of several series.
        """
