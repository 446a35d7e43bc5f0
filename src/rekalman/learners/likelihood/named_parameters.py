"""The free parameters of a structure, or of a model that is written as a function of them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from rekalman.models.bounds import Bounds
from rekalman.models.parametrised import Parametrised
from rekalman.numerics.placing import replaced, taken


class NamedParameters(eqx.Module):
    """The free parameters of a structure or of a parametric model.

    Attributes:
        base: where the search begins.
        chosen: which entries of its vector are free.
    """

    base: Parametrised
    chosen: tuple[int, ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.base.names[i] for i in self.chosen)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """Where the search begins."""
        return taken(self.base.vector, np.array(self.chosen, int))

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """Bounds of the parameters in natural units, within which their intervals lie."""
        return tuple(self.base.bounds[i] for i in self.chosen)

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which parameters may be zero as far as data can say."""
        return tuple(self.base.variances[i] for i in self.chosen)

    @property
    def logarithms(self) -> tuple[bool, ...]:
        """Which entries of the vector are logarithms of something that may be zero."""
        return self.variances

    def structure(self, vector: Float[Array, " parameters"]) -> Parametrised:
        """The structure or parametric model of a vector."""
        return self.base.replaced(replaced(self.base.vector, self.chosen, vector))

    def build(self, vector: Float[Array, " parameters"]) -> Any:
        """The state-space model of a vector."""
        return self.structure(vector).build()

    def natural(self, vector: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """The parameters in natural units."""
        return taken(self.structure(vector).natural, np.array(self.chosen, int))

    def scale_exponents(self) -> tuple[np.ndarray, np.ndarray] | None:
        """For covariances times `k`: what `log k` adds to each parameter, which power of `k` multiplies it.

        None where no such change is known, or one of the variances is not free.
        """
        every = {i for i, mark in enumerate(self.base.variances) if mark}
        if not self.base.additive or not every <= set(self.chosen):
            return None
        return np.array(self.variances, float), np.zeros(len(self.chosen))


def named_parameters(base: Parametrised, freeze: tuple[str, ...] = ()) -> NamedParameters:
    """The parameters but those frozen by name.

    Args:
        base: where the search begins.
        freeze: names of parameters that keep their value; that of an array stands for all its entries.

    Raises:
        RekalError: an unknown name, or nothing is left free.
    """
    return NamedParameters(base, base.free(freeze))
