r"""Random recurrent weights of a reservoir, with a spectral radius of exactly one.

A sparse matrix is stored by cyclic diagonals: row $i$ holds its entries in the columns $i + o_k$ modulo the
number of units, so that

$$
(W x)_i = \sum_k d_{ki} x_{(i + o_k) \bmod N}
$$

is a sum of products of whole vectors, without an index for each entry. On a CPU that takes a third of the
time of a product with a compressed sparse matrix. The offsets $o_k$ are random, but the same for all networks
of a size, so that one compiled function serves them all; a cycle is the one offset $-1$.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix, issparse
from scipy.sparse.linalg import ArpackNoConvergence, eigs

from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

TOPOLOGIES = ("random", "cycle", "es2n")
"""Random weights; one ring (Rodan and Tino 2011); random weights beside an orthogonal matrix (Ceni and
Gallicchio 2023)."""
CONNECTIONS = 10
"""Entries of a row unless a density is given."""
DENSE_BELOW = 129
"""Matrices of fewer units are stored in full: their product takes less time than ten diagonals."""
DENSE_FROM = 0.5
"""From this density on a matrix is stored in full."""
FULL_SPECTRUM = 250
"""Up to so many units all eigenvalues are computed, which is exact for any matrix."""


class Recurrence(NamedTuple):
    """Recurrent weights.

    Attributes:
        weights: the matrix, `(units, units)`, or its cyclic diagonals, `(diagonals, units)`.
        offsets: of the diagonals, or None of a matrix that is stored in full.
    """

    weights: Float[np.ndarray, "rows units"]
    offsets: tuple[int, ...] | None

    @property
    def sparse(self) -> Any:
        """The matrix as SciPy's products take it: in full where it is small or stored so."""
        if self.offsets is None or self.weights.shape[1] <= FULL_SPECTRUM:
            return self.matrix
        units = self.weights.shape[1]
        columns = (np.arange(units) + np.array(self.offsets)[:, None]) % units
        rows = np.broadcast_to(np.arange(units), columns.shape)
        placed = self.weights.ravel(), (rows.ravel(), columns.ravel())
        return csr_matrix(placed, shape=(units, units))

    @property
    def matrix(self) -> Float[np.ndarray, "units units"]:
        """The matrix in full."""
        return self.weights if self.offsets is None else filled(self.weights, self.offsets)


def filled(
    diagonals: Float[np.ndarray, "diagonals units"], offsets: tuple[int, ...]
) -> Float[np.ndarray, "units units"]:
    """The matrix that has these cyclic diagonals.

    Examples:
        >>> import numpy as np
        >>> from rekalman.networks.predictors.reservoir_weights import filled
        >>> filled(np.array([[1.0, 2.0, 3.0]]), (2,)).tolist()
        [[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]
    """
    units = diagonals.shape[1]
    W, row = np.zeros((units, units)), np.arange(units)
    for diagonal, offset in zip(diagonals, offsets, strict=True):
        W[row, (row + offset) % units] = diagonal
    return W


def recurrence(
    units: int, topology: str, density: float | None, rng: np.random.Generator
) -> Recurrence:
    """Recurrent weights with a spectral radius of one.

    Args:
        units: their number.
        topology: one of `TOPOLOGIES`.
        density: share of the entries that are not zero; None = ten in each row.
        rng: draws the weights, uniform between -1 and 1.

    Raises:
        RekalError: the topology is unknown, or `density` is not above 0 and at most 1.
    """
    if topology not in TOPOLOGIES:
        raise RekalError(f"unknown topology {topology!r}: {choices(str(topology), TOPOLOGIES)}")
    if density is not None and not 0 < density <= 1:
        raise RekalError(f"density must be above 0 and at most 1, but is {density}")
    if topology == "cycle":
        return Recurrence(np.ones((1, units)), ((units - 1) % units,))
    share = min(1.0, CONNECTIONS / units) if density is None else density
    count = max(1, round(share * units))
    offsets = _offsets(units, count)
    made = Recurrence(rng.uniform(-1.0, 1.0, (count, units)), offsets)
    made = made._replace(weights=made.weights / spectral_radius(made.sparse))
    if units < DENSE_BELOW or share >= DENSE_FROM:
        return Recurrence(made.matrix, None)
    return made


def _offsets(units: int, count: int) -> tuple[int, ...]:
    """Offsets of the diagonals; one leads from each unit to its neighbour, so that no part stands alone."""
    if units == 1:
        return (0,)
    others = np.delete(np.arange(units), 1)
    drawn = np.random.default_rng([units, count]).choice(others, count - 1, replace=False)
    return tuple(sorted([1, *map(int, drawn)]))


def orthogonal(units: int, rng: np.random.Generator) -> Float[np.ndarray, "units units"]:
    """A random orthogonal matrix, uniform over all of them (Mezzadri 2007)."""
    Q, R = np.linalg.qr(rng.normal(size=(units, units)))
    return Q * np.sign(np.diagonal(R))


def spectral_radius(W: Any) -> float:
    """The largest absolute value of an eigenvalue.

    Args:
        W: a square matrix, of NumPy or sparse; above 250 units by the Arnoldi iteration, which falls
            back to all eigenvalues where it does not converge.

    Examples:
        >>> import numpy as np
        >>> from rekalman.networks.predictors.reservoir_weights import spectral_radius
        >>> round(spectral_radius(np.array([[0.0, 2.0], [-2.0, 0.0]])), 12)
        2.0
    """
    if W.shape[0] > FULL_SPECTRUM:
        start = np.random.default_rng(0).normal(size=W.shape[0])
        try:
            settings: Any = {"k": 4, "ncv": 60, "v0": start, "maxiter": 1000, "tol": 1e-11}
            fitted = eigs(W, return_eigenvectors=False, **settings)
            return float(np.abs(fitted).max())
        except ArpackNoConvergence:
            pass
    full = W.toarray() if issparse(W) else W
    return float(np.abs(np.linalg.eigvals(full)).max())
