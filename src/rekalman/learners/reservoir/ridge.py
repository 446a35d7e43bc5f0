r"""Ridge regression of a readout in closed form, its penalty by generalised cross-validation.

With features $X$ and targets $Y$ of $n$ rows, both less their means, so that the constant is not penalised,

$$
W = (X^\top X / n + k I)^{-1} X^\top Y / n = V (g + k)^{-1} c,
$$

with $X^\top X / n = V g V^\top$ and $c = V^\top X^\top Y / n$. Either comes from the singular values of $X$
(exact to rounding for any $k$) or from the eigenvalues of the Gram matrix (faster, but directions with
$g < 10^{-16} g_1$ are lost in rounding). Generalised cross-validation (Golub, Heath and Wahba 1979) takes the
$k$ with the least

$$
\frac{\operatorname{RSS}(k) / n}{(1 - \nu(k) / n)^2}, \qquad \nu(k) = 1 + \sum_j g_j / (g_j + k),
$$

of several columns the least mean of its logarithm. Where the penalty is given, $W$ comes by the Cholesky
factor of the Gram matrix, unless the penalty would be lost in its rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import namespace

PENALTIES = tuple(10.0 ** (half / 2) for half in range(-40, 3))
"""Penalties that generalised cross-validation compares, as shares of the number of rows."""
SINGULAR_VALUES_BELOW = 700
"""Up to so many features singular values are computed, with more the eigenvalues of the Gram matrix."""
GRAM_PRECISION = 1e-13
"""Share of the largest variance of a feature below which a penalty is lost in rounding the Gram matrix."""
FEWEST = 3
"""Rows with fewer of which nothing is regressed."""


class Spectrum(NamedTuple):
    """A regression in the directions of its features, NumPy's or JAX's arrays.

    Attributes:
        vectors: `V`, `(features, directions)`, the constant left out.
        values: `g`, variances of these directions.
        projections: `c`, `(directions, obs)`.
        mean: of the features.
        level: mean of the targets.
        rows: number of rows that count.
    """

    vectors: Any
    values: Any
    projections: Any
    mean: Any
    level: Any
    rows: Any

    def weights(self, penalty: Any) -> Any:
        """Weights of the features under a penalty, the constant last, `(features + 1, obs)`."""
        xp = namespace(self.vectors)
        W = self.vectors @ (self.projections / (self.values + penalty)[:, None])
        return xp.concatenate([W, (self.level - self.mean @ W)[None]])

    def freedom(self, penalty: Any) -> Any:
        """Effective number of weights of one column, the constant included."""
        return 1.0 + (self.values / (self.values + penalty)).sum()


class Ridge(NamedTuple):
    """A readout that was learned.

    Attributes:
        weights: of the features, the constant last.
        penalty: as a share of the number of rows.
        freedom: effective number of weights of each column; NaN where the penalty was given.
        criterion: generalised cross-validation of each column; NaN where the penalty was given.
    """

    weights: Float[np.ndarray, "features obs"]
    penalty: float
    freedom: Float[np.ndarray, " obs"]
    criterion: Float[np.ndarray, " obs"]


def spectrum_of(features: Any, targets: Any, count: Any, singular: bool) -> Spectrum:
    """The directions of a regression.

    Args:
        features: the constant last, `(rows, features)`.
        targets: `(rows, obs)`.
        count: 1 for rows that count, 0 for others, whose numbers must be finite.
        singular: whether by singular values; else by the Gram matrix.
    """
    xp = namespace(features)
    X, weight, rows = features[:, :-1], count[:, None], count.sum()
    mean, level = (weight * X).sum(0) / rows, (weight * targets).sum(0) / rows
    X, Y = weight * (X - mean), weight * (targets - level)
    if singular:
        U, s, Vt = xp.linalg.svd(X / xp.sqrt(rows), full_matrices=False)
        return Spectrum(Vt.T, s * s, s[:, None] * (U.T @ Y) / xp.sqrt(rows), mean, level, rows)
    values, vectors = xp.linalg.eigh(X.T @ X / rows)
    values = xp.maximum(values, 0.0)
    return Spectrum(vectors, values, vectors.T @ (X.T @ Y) / rows, mean, level, rows)


def ridge(
    features: Float[np.ndarray, "rows features"],
    targets: Float[np.ndarray, "rows obs"],
    counted: Bool[np.ndarray, "rows obs"] | None = None,
    penalty: float | None = None,
) -> Ridge:
    """Learn a readout.

    Args:
        features: the constant last, in double precision.
        targets: what is predicted; what stands where it does not count does not matter.
        counted: entries that count; None = all. Columns that miss different rows are regressed apart.
        penalty: as a share of the number of rows, or None for generalised cross-validation.

    Raises:
        RekalError: fewer than three rows count of a column, or the penalty is negative.

    Examples:
        >>> import numpy as np
        >>> from rekalman.learners.reservoir.ridge import ridge
        >>> x = np.linspace(0, 1, 50)
        >>> found = ridge(np.stack([x, np.ones(50)], 1), (2 * x + 1)[:, None], penalty=0.0)
        >>> found.weights.round(6).ravel().tolist()
        [2.0, 1.0]
    """
    if penalty is not None and not penalty >= 0:
        raise RekalError(f"penalty must be at least 0, but is {penalty}")
    seen = np.ones(targets.shape, bool) if counted is None else np.asarray(counted)
    groups: dict[bytes, list[int]] = {}
    for column in range(targets.shape[1]):
        groups.setdefault(seen[:, column].tobytes(), []).append(column)
    parts = []
    for columns in groups.values():
        rows = seen[:, columns[0]]
        if rows.sum() < FEWEST:
            raise RekalError(
                f"column {columns[0]} has {int(rows.sum())} rows for a regression, and {FEWEST} are needed: "
                "give longer series or a shorter washout"
            )
        parts.append(_complete(features[rows], targets[rows][:, columns], penalty))
    p = targets.shape[1]
    weights, freedom, criterion = np.empty((features.shape[1], p)), np.empty(p), np.empty(p)
    for columns, part in zip(groups.values(), parts, strict=True):
        weights[:, columns], freedom[columns], criterion[columns] = (
            part.weights,
            part.freedom,
            part.criterion,
        )
    return Ridge(weights, float(np.max([part.penalty for part in parts])), freedom, criterion)


def _complete(X: np.ndarray, Y: np.ndarray, penalty: float | None) -> Ridge:
    """The regression of columns whose every row counts."""
    n, p = Y.shape
    if penalty is not None:
        lost = penalty < 1e-10 and penalty < GRAM_PRECISION * float(
            X[:, :-1].var(0).max(initial=0.0)
        )
        W, freedom = (_by_singular_values if lost else _by_cholesky)(X, Y, penalty)
        return Ridge(W, penalty, np.full(p, freedom), np.full(p, np.nan))
    fitted = spectrum_of(X, Y, np.ones(n), X.shape[1] <= SINGULAR_VALUES_BELOW)
    best: Ridge | None = None
    for each in PENALTIES:
        W, freedom = fitted.weights(each), float(fitted.freedom(each))
        spare = max(1.0 - freedom / n, 1e-12)
        criterion = np.square(Y - X @ W).mean(0) / spare**2
        if best is None or _logarithm(criterion) < _logarithm(best.criterion):
            best = Ridge(W, each, np.full(p, freedom), criterion)
    assert best is not None
    return best


def _logarithm(criterion: np.ndarray) -> float:
    """The mean logarithm of a criterion; no column is fitted better than to rounding."""
    return float(np.log(criterion + 1e-32).mean())


def _by_cholesky(X: np.ndarray, Y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Weights, and no number of weights; by singular values where the Gram matrix is singular."""
    mean, level = X[:, :-1].mean(0), Y.mean(0)
    Z = X[:, :-1] - mean
    # A symmetric product is half the work of a general one; the transpose is in the order of Fortran.
    product: Any = scipy.linalg.get_blas_funcs("syrk", (Z,))
    gram = product(1.0 / len(Y), Z.T, lower=1)
    gram[np.diag_indices_from(gram)] += penalty
    try:
        factor = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return _by_singular_values(X, Y, penalty)
    W = scipy.linalg.cho_solve(factor, Z.T @ (Y - level) / len(Y), check_finite=False)
    return np.concatenate([W, (level - mean @ W)[None]]), float("nan")


def _by_singular_values(X: np.ndarray, Y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Weights, and no number of weights, for penalties however small."""
    fitted = spectrum_of(X, Y, np.ones(len(Y)), True)
    least = max(penalty, 1e-30 * float(fitted.values.max(initial=1.0)))
    return fitted.weights(least), float("nan")
