r"""Predictors whose only trained weights are those of a linear readout.

$$
g(x) = \operatorname{last}(x) + W^\top \phi(x),
$$

with features $\phi$ of the state. `last`, the row observed before, stands there only where the increment is
what the readout learns. Since the features do not depend on $W$, it is a linear regression, in closed form.

A series begins before its first row, and what came then is not known: the first predictions are worse. The
last entry of the state counts the steps, and the deviation of the innovations is multiplied by `opening` at
that step, which is 1 from some step on.

Rows enter no larger than `bound`: what a readout makes of rows far from those that it was learned from may be
anything, and a forecast that feeds on itself must not escape.
"""

import abc
from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.predictor import Predictor
from rekalman.numerics.precision import precision_of

Self = TypeVar("Self", bound="LinearReadout")
LARGEST_ROW = 20.0
"""Rows enter no larger than so many standard deviations unless another bound is given."""


class LinearReadout(Predictor):
    """A predictor that is linear in its trained weights; a subclass says what the features are.

    Attributes:
        readout: weights of the features, `(features, obs)`.
        noise_factor: factor of the covariance of the innovations, `(obs, obs)`.
        opening: multiplies the deviation of the innovations at the first steps; its last entry is 1, which
            holds from there on.
        bound: largest absolute value of an observed row that enters, in standardised units.
        increment: whether the readout gives the change from the row before.
    """

    readout: eqx.AbstractVar[Float[Array, "features obs"]]
    noise_factor: eqx.AbstractVar[Float[Array, "obs obs"]]
    opening: eqx.AbstractVar[Float[Array, " steps"]]
    bound: eqx.AbstractVar[Float[Array, ""]]
    increment: eqx.AbstractVar[bool]

    @property
    @abc.abstractmethod
    def memory(self) -> int:
        """Length of the state without the counter of the steps."""

    @abc.abstractmethod
    def step(
        self,
        memory: Float[Array, " memory"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " memory"]:
        """What `advance` does to the state without the counter."""

    @property
    @abc.abstractmethod
    def features(self) -> int:
        """Number of features, the constant among them."""

    @abc.abstractmethod
    def features_of(self, state: Float[Array, " states"]) -> Float[Array, " features"]:
        """What the readout multiplies; the constant 1 is the last."""

    @abc.abstractmethod
    def last_row(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The row that was observed before the step of a state."""

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.readout.shape[1]

    @property
    def states(self) -> int:
        """Length of the state."""
        return self.memory + 1

    def advance(
        self,
        state: Float[Array, " states"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " states"]:
        """The state at the next step, see `Predictor.advance`."""
        counted = jnp.minimum(state[-1:] + 1, self.opening.shape[-1] - 1)
        held = jnp.clip(y, -self.bound, self.bound)
        return jnp.concatenate([self.step(state[:-1], held, u), counted])

    def start(self) -> Float[Array, " states"]:
        """Zero: all that came before was at its mean."""
        with precision_of(self):
            return jnp.zeros(self.states, self.readout.dtype)

    def anchor(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """What the readout adds to: the row before where it learns increments, else zero."""
        row = self.last_row(state)
        return row if self.increment else jnp.zeros_like(row)

    def output(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The mean of the row at the step of a state."""
        return self.anchor(state) + self.features_of(state) @ self.readout

    def noise(self, state: Float[Array, " states"]) -> Float[Array, "obs obs"]:
        """The factor of the covariance of the innovations, which depends on the number of the step alone."""
        return self.noise_factor * self.opening[state[-1].astype(int)]

    def with_readout(
        self: Self,
        readout: Float[Array, "features obs"],
        noise_factor: Float[Array, "obs obs"] | None = None,
        opening: Float[Array, " steps"] | None = None,
    ) -> Self:
        """The same with trained weights.

        Args:
            readout: weights of the features.
            noise_factor: of the innovations; None leaves it as it is.
            opening: how much larger they are at the first steps; None leaves it as it is.
        """
        made = eqx.tree_at(lambda each: each.readout, self, readout)
        if noise_factor is not None:
            made = eqx.tree_at(lambda each: each.noise_factor, made, noise_factor)
        return made if opening is None else eqx.tree_at(lambda each: each.opening, made, opening)

    def check_shapes(self) -> None:
        """Refuse a readout that does not fit the features, or a factor that does not fit the readout.

        Raises:
            RekalError: it does not.
        """
        shape = self.readout.shape
        if len(shape) != 2 or shape[0] != self.features:
            raise RekalError(
                f"a readout of {self.features} features is wanted, not of shape {shape}"
            )
        square = (self.observations, self.observations)
        if self.noise_factor.shape != square:
            raise RekalError(
                f"noise_factor has shape {self.noise_factor.shape}, but {square} would fit the readout"
            )
