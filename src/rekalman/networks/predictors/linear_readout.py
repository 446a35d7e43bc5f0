r"""Predictors whose only trained weights are those of a linear readout.

$$
g(x) = \operatorname{last}(x) + W^\top \phi(x),
$$

with features $\phi$ of the state. `last`, the row observed before, stands there only where the increment is
what the readout learns. Since the features do not depend on $W$, it is a linear regression, in closed form.
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


class LinearReadout(Predictor):
    """A predictor that is linear in its trained weights; a subclass says what the features are.

    Attributes:
        readout: weights of the features, `(features, obs)`.
        noise_factor: factor of the covariance of the innovations, `(obs, obs)`.
        increment: whether the readout gives the change from the row before.
    """

    readout: eqx.AbstractVar[Float[Array, "features obs"]]
    noise_factor: eqx.AbstractVar[Float[Array, "obs obs"]]
    increment: eqx.AbstractVar[bool]

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
        """The factor of the covariance of the innovations, the same at every state."""
        return self.noise_factor

    def with_readout(
        self: Self,
        readout: Float[Array, "features obs"],
        noise_factor: Float[Array, "obs obs"] | None = None,
    ) -> Self:
        """The same with trained weights.

        Args:
            readout: weights of the features.
            noise_factor: of the innovations; None leaves it as it is.
        """
        made = eqx.tree_at(lambda each: each.readout, self, readout)
        if noise_factor is None:
            return made
        return eqx.tree_at(lambda each: each.noise_factor, made, noise_factor)

    def check_shapes(self) -> None:
        """Refuse a readout that does not fit the features, or a factor that does not fit the readout.

        Raises:
            RekalError: it does not.
        """
        shape = self.readout.shape
        if len(shape) != 2 or shape[0] != self.features:
            raise RekalError(f"a readout of {self.features} features is wanted, not of shape {shape}")
        square = (self.observations, self.observations)
        if self.noise_factor.shape != square:
            raise RekalError(
                f"noise_factor has shape {self.noise_factor.shape}, but {square} would fit the readout"
            )
