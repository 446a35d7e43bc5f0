"""The free parameters of a model that is written as a function of them."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.models.bounds import Bounds
from rekalman.models.parametric import Made, ParametricModel


class ParametricParameters(eqx.Module):
    """The free parameters of a parametric model.

    Attributes:
        base: the parametric model where the search begins.
        chosen: which entries of its vector are free.
    """

    base: ParametricModel
    chosen: tuple[int, ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.base.names[i] for i in self.chosen)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """Where the search begins."""
        return self.base.vector[np.array(self.chosen, int)]

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """Bounds of the parameters in natural units."""
        return tuple(self.base.bounds[i] for i in self.chosen)

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which parameters may be zero as far as data can say: those that are positive."""
        return tuple(each.positive for each in self.bounds)

    @property
    def logarithms(self) -> tuple[bool, ...]:
        """Which entries of the vector are logarithms of something that may be zero."""
        return self.variances

    def structure(self, vector: Float[Array, " parameters"]) -> ParametricModel:
        """The parametric model of a vector."""
        return self.base.replaced(self.base.vector.at[np.array(self.chosen, int)].set(vector))

    def build(self, vector: Float[Array, " parameters"]) -> Made:
        """The model of a vector."""
        return self.structure(vector).build()

    def natural(self, vector: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """The parameters in natural units."""
        return self.structure(vector).natural[jnp.array(self.chosen, int)]


def parametric_parameters(
    model: ParametricModel, freeze: tuple[str, ...] = ()
) -> ParametricParameters:
    """The parameters of a parametric model but those frozen by name.

    Args:
        model: where the search begins.
        freeze: names of parameters that keep their value; that of an array stands for all its entries.

    Raises:
        RekalError: an unknown name, or nothing is left free.
    """
    known = (*model.keys, *model.names)
    for name in freeze:
        if name not in known:
            raise RekalError(
                f"the model has no parameter {name!r}: use one of {', '.join(model.names)}"
            )
    owners = [
        key
        for key, shape in zip(model.keys, model.shapes, strict=True)
        for _ in range(math.prod(shape))
    ]
    both = zip(owners, model.names, strict=True)
    chosen = tuple(i for i, pair in enumerate(both) if not set(pair) & set(freeze))
    if not chosen:
        raise RekalError("nothing is left to learn: every parameter is frozen")
    return ParametricParameters(model, chosen)
