r"""A nonlinear vector autoregression, also called next-generation reservoir (Gauthier et al. 2021).

With the rows $r_t = [y_t; u_{t+1}]$ and the delayed rows $d_t = [r_{t-1}; r_{t-1-s}; \dots;
r_{t-1-(k-1)s}]$, `k` taps with a stride of `s` steps, the features are all monomials of the entries of $d_t$
up to an order, and 1:

$$
g(x_t) = \operatorname{last}(x_t) + R^\top [\text{monomials of } d_t; 1].
$$

The state is the buffer of the last $(k - 1) s + 1$ rows, the newest first.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.linear_readout import LARGEST_ROW, LinearReadout
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_dtype, modelling_precision

MOST_FEATURES = 5000
"""With more features a regression is refused."""


class NVAR(LinearReadout):
    """A nonlinear vector autoregression, see the text of the module.

    Attributes:
        readout: weights of the features, `(features, obs)`.
        noise_factor: factor of the covariance of the innovations, `(obs, obs)`.
        opening: how much larger their deviation is at the first steps.
        bound: largest absolute value of an observed row that enters, in standardised units.
        taps: number of delayed rows among the features.
        stride: steps between them.
        order: largest order of a monomial.
        driven_by: number of known inputs.
        increment: whether the readout gives the change from the row before.

    Examples:
        >>> from rekalman.networks.predictors.nvar import NVAR
        >>> made = NVAR.create(3, taps=2, order=2)
        >>> made.features, made.states
        (28, 7)
    """

    readout: Float[Array, "features obs"]
    noise_factor: Float[Array, "_ _"]
    opening: Float[Array, " steps"]
    bound: Float[Array, ""]
    taps: int = eqx.field(static=True, default=2)
    stride: int = eqx.field(static=True, default=1)
    order: int = eqx.field(static=True, default=2)
    driven_by: int = eqx.field(static=True, default=0)
    increment: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        self.check_shapes()

    @classmethod
    def create(
        cls,
        observations: int,
        *,
        taps: int = 2,
        stride: int = 1,
        order: int = 2,
        inputs: int = 0,
        increment: bool = True,
        bound: float = LARGEST_ROW,
    ) -> NVAR:
        """An autoregression with a readout of zeros.

        Args:
            observations: number of columns.
            taps: number of delayed rows among the features.
            stride: steps between them.
            order: largest order of a monomial, at most 5.
            inputs: number of known inputs.
            increment: whether the readout gives the change from the row before.
            bound: largest absolute value of an observed row that enters, in standardised units.

        Raises:
            RekalError: an argument is out of range, or there are more than 5,000 features.
        """
        for name, value in (("taps", taps), ("stride", stride)):
            whole(name, value)
        whole("order", order, most=5)
        features = number_of_features(taps * (observations + inputs), order)
        if features > MOST_FEATURES:
            raise RekalError(
                f"{taps} taps of {observations + inputs} columns make {features} monomials up to order "
                f"{order}, and {MOST_FEATURES} are taken at most: use fewer taps or a lower order"
            )
        with modelling_precision():
            dtype = modelling_dtype()
            return cls(
                readout=placed(np.zeros((features, observations)), dtype),
                noise_factor=placed(np.eye(observations), dtype),
                opening=placed(np.ones(1), dtype),
                bound=placed(np.asarray(bound), dtype),
                taps=taps,
                stride=stride,
                order=order,
                driven_by=inputs,
                increment=increment,
            )

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.driven_by

    @property
    def row(self) -> int:
        """Length of a row: observations and inputs."""
        return self.observations + self.n_inputs

    @property
    def memory(self) -> int:
        """Length of the buffer of delayed rows."""
        return ((self.taps - 1) * self.stride + 1) * self.row

    @property
    def features(self) -> int:
        """Number of monomials, the constant among them."""
        return number_of_features(self.taps * self.row, self.order)

    @property
    def described(self) -> str:
        """The size of the autoregression in words."""
        every = "" if self.stride == 1 else f", every {self.stride} steps"
        return (
            f"nonlinear autoregression of {self.taps} taps{every}, {self.features} monomials up to order "
            f"{self.order}"
        )

    def step(
        self,
        memory: Float[Array, " memory"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " memory"]:
        """The newest row enters the buffer, the oldest leaves it."""
        row = [y] if u is None else [y, u]
        return jnp.concatenate([*row, memory[: self.memory - self.row]])

    def features_of(self, state: Float[Array, " states"]) -> Float[Array, " features"]:
        """The monomials of the delayed rows, and 1."""
        delayed = state[:-1].reshape(-1, self.row)[:: self.stride].reshape(-1)
        one = jnp.ones(1, state.dtype)
        which = monomials(len(delayed), self.order)
        return jnp.concatenate([jnp.concatenate([delayed, one])[which].prod(1), one])

    def last_row(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The newest row of the buffer."""
        return state[: self.observations]


def monomials(variables: int, order: int) -> Int[np.ndarray, "monomials order"]:
    """The factors of each monomial of order 1 and more, by index; `variables` stands for the factor 1.

    Examples:
        >>> from rekalman.networks.predictors.nvar import monomials
        >>> monomials(2, 2).tolist()  # x, y, x^2, x y, y^2
        [[0, 2], [1, 2], [0, 0], [0, 1], [1, 1]]
    """
    rows = [
        (*which, *[variables] * (order - degree))
        for degree in range(1, order + 1)
        for which in combinations_with_replacement(range(variables), degree)
    ]
    return np.array(rows, int)


def number_of_features(variables: int, order: int) -> int:
    """Number of monomials of order 0 to `order`."""
    count = 1
    for degree in range(1, order + 1):
        count = count * (variables + degree) // degree
    return count
