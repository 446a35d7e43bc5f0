r"""The directions in which a covariance has any noise, and how it moves within them.

A singular covariance says that some combinations of the noise are exactly zero: the shift register of a
seasonal component, a point that is driven by its acceleration alone. What learns a covariance must leave
these combinations alone, or it changes the structure of the model. With `r` pivots, coordinates whose noises
are linearly independent, every covariance of the same range is

    V = G S G',    S = V[pivots, pivots],    G[pivots] = I,

so that the free directions are the entries of `S`, and rows of `G` are zero where the noise is.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Support(eqx.Module):
    """The range of a covariance.

    Attributes:
        pivots: coordinates whose noises are independent.
        basis: `G` (see the module text).
    """

    pivots: tuple[int, ...] = eqx.field(static=True)
    basis: Float[Array, "n r"]

    @property
    def rank(self) -> int:
        """Number of free directions."""
        return len(self.pivots)

    @property
    def axes(self) -> bool:
        """Whether the range is spanned by coordinate axes: all other coordinates have no noise at all."""
        return bool((np.count_nonzero(np.asarray(self.basis), axis=1) <= 1).all()) and not (
            np.any(np.delete(np.asarray(self.basis), self.pivots, 0))
        )

    def inner(self, V: Float[Array, "n n"]) -> Float[Array, "r r"]:
        """`S` of a covariance with this range."""
        at = np.array(self.pivots, int)
        return V[at[:, None], at[None, :]]

    def outer(self, S: Float[Array, "r r"]) -> Float[Array, "n n"]:
        """The covariance of an `S`."""
        return self.basis @ S @ self.basis.T


def support_of(V: Float[Array, "n n"] | Float[np.ndarray, "n n"]) -> Support:
    """The range of a covariance, by its pivoted Cholesky factor.

    What counts as zero are the roundings of the precision in which its entries can be written down.
    """
    dtype = jnp.asarray(V).dtype
    matrix = np.asarray(V, np.float64)
    n = len(matrix)
    size = np.sqrt(np.maximum(np.diagonal(matrix), 0.0))
    single = (matrix == matrix.astype(np.float32)).all()
    tolerance = 8 * n * float(np.finfo(np.float32 if single else np.float64).eps)
    scale = np.where(size > 0, size, 1.0)
    rest = matrix / (scale[:, None] * scale[None, :])
    pivots: list[int] = []
    while len(pivots) < n:
        left = np.diagonal(rest).copy()
        left[pivots] = 0.0
        if left.max(initial=0.0) <= tolerance:
            break
        # The first of those that are about equal: coordinates keep their order.
        j = int(np.flatnonzero(left > 0.5 * left.max())[0])
        rest = rest - np.outer(rest[:, j], rest[j]) / rest[j, j]
        pivots.append(j)
    pivots = sorted(pivots)
    inner = matrix[np.ix_(pivots, pivots)] / np.outer(scale[pivots], scale[pivots])
    columns = matrix[:, pivots] / np.outer(scale, scale[pivots])
    basis = np.linalg.solve(inner, columns.T).T * scale[:, None] / scale[pivots][None, :]
    basis[pivots] = np.eye(len(pivots))
    basis[np.abs(matrix[:, pivots]).max(1, initial=0.0) == 0] = 0.0
    return Support(tuple(pivots), jnp.asarray(basis, dtype))
