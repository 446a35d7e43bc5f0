"""What is built of a vector of named parameters: sums of components, and functions of parameters."""

import abc
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.models.bounds import Bounds
from rekalman.numerics.precision import in_own_precision


class Parametrised(eqx.Module):
    """A state-space model behind parameters that have names, such as variances and damping factors.

    Attributes:
        vector: all parameters without bounds, in the order of `names`.
        bounds: of each parameter in natural units.
        priors: for each parameter centre and standard deviation of a normal prior of its free number, or
            None; None instead of the whole where data give them.
    """

    if TYPE_CHECKING:  # a subclass has each as a field or as a property

        @property
        def vector(self) -> Float[Array, " parameters"]:
            """All parameters without bounds."""
            ...

        @property
        def bounds(self) -> tuple[Bounds, ...]:
            """Bounds of each parameter."""
            ...

        @property
        def priors(self) -> tuple[tuple[float, float] | None, ...] | None:
            """Normal priors of the parameters."""
            ...

    else:
        vector: eqx.AbstractVar[Float[Array, " parameters"]]
        bounds: eqx.AbstractVar[tuple[Bounds, ...]]
        priors: eqx.AbstractVar[tuple[tuple[float, float] | None, ...] | None]

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Of each parameter the name of the array that it is an entry of, else its own."""
        return self.names

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which parameters may be zero as far as data can say: those that are positive."""
        return tuple(each.positive for each in self.bounds)

    @property
    def additive(self) -> bool:
        """Whether it is a sum of components: `k` times all variances is `k` times every covariance."""
        return False

    @property
    @abc.abstractmethod
    def natural(self) -> Float[Array, " parameters"]:
        """All parameters in natural units, in the order of `names`."""

    @abc.abstractmethod
    def replaced(self, vector: Float[Array, " parameters"]) -> "Parametrised":
        """The same with other parameters, given without bounds."""

    @abc.abstractmethod
    def build(self) -> Any:
        """The state-space model of these parameters."""

    @in_own_precision
    def values(self) -> dict[str, float]:
        """The parameters by name, in natural units."""
        return dict(zip(self.names, np.asarray(self.natural, float).tolist(), strict=True))

    def free(self, freeze: tuple[str, ...]) -> tuple[int, ...]:
        """Places of the parameters but those frozen by name.

        Args:
            freeze: names of parameters; that of an array stands for all its entries.

        Raises:
            RekalError: an unknown name, or nothing is left free.
        """
        pairs = list(zip(self.owners, self.names, strict=True))
        for name in freeze:
            if not any(name in pair for pair in pairs):
                raise RekalError(
                    f"the model has no parameter {name!r}: use one of {', '.join(self.names)}"
                )
        chosen = tuple(i for i, pair in enumerate(pairs) if not set(pair) & set(freeze))
        if not chosen:
            raise RekalError("nothing is left to learn: every parameter is frozen")
        return chosen
