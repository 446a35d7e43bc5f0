r"""How sure a maximum-likelihood estimate is: the observed information and the delta method.

The information is minus the Hessian of the log-likelihood, by central differences of its exact gradient. Some
directions may not be identified (the basis of the states, a variance that has gone to zero): scaled to a unit
diagonal, the information has eigenvalues there that are zero to rounding. They are left out, and whatever
depends on them has no standard error (NaN). What does not, such as the poles, has one.

A variance at zero is at the boundary of what it may be: its logarithm has neither slope nor curvature, and
the others are as sure as if it were not there. It is taken out.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

SMALLEST = 1e-7  # share of the largest eigenvalue below which a direction counts as not identified
LEAK = 1e-3  # share of a gradient that may point into such directions
STEP = 1e-4  # of the differences
LONGEST = 2.0  # a Newton step moves no parameter by more
EDGE = (
    0.01  # information of a logarithm, below which its parameter is zero as far as the data can say
)


class Information(eqx.Module):
    """The observed information of the free parameters, decomposed.

    Attributes:
        matrix: minus the Hessian of the log-likelihood `(parameters, parameters)`.
        cov: its inverse on the directions that are identified.
        values: eigenvalues of the scaled information, those of the lost directions first.
        vectors: its eigenvectors, as columns.
        lost: orthonormal directions that are not, in scaled parameters `(lost, parameters)`.
        scale: what a parameter is divided by before.
    """

    matrix: Float[np.ndarray, "parameters parameters"]
    cov: Float[np.ndarray, "parameters parameters"]
    values: Float[np.ndarray, " parameters"]
    vectors: Float[np.ndarray, "parameters parameters"]
    lost: Float[np.ndarray, "lost parameters"]
    scale: Float[np.ndarray, " parameters"]

    @property
    def rank(self) -> int:
        """Number of directions that the data determine."""
        return self.matrix.shape[0] - self.lost.shape[0]

    def newton(self, slope: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " parameters"]:
        """The step to the top of the parabola, upwards also where the likelihood is hollow."""
        significant = np.abs(self.values) > SMALLEST * np.abs(self.values).max(initial=0.0)
        ways = self.scale[:, None] * self.vectors[:, significant]
        step = ways @ ((ways.T @ slope) / np.abs(self.values[significant]))
        return step / max(1.0, float(np.abs(step).max(initial=0.0)) / LONGEST)

    def standard_errors(
        self, jacobian: Float[np.ndarray, "functions parameters"]
    ) -> Float[np.ndarray, " functions"]:
        """Of functions with that Jacobian (delta method); NaN where one depends on a lost direction."""
        variance = np.einsum("fi,ij,fj->f", jacobian, self.cov, jacobian)
        scaled = jacobian * self.scale
        size = np.linalg.norm(scaled, axis=1)
        leak = np.linalg.norm(scaled @ self.lost.T, axis=1)
        errors = np.sqrt(np.maximum(variance, 0.0))
        return np.where(leak > LEAK * size, np.nan, errors)


def observed_information(
    gradient: Callable[[np.ndarray], np.ndarray], at: Float[np.ndarray, " parameters"]
) -> Information:
    """The information at a point, from the exact gradient of the log-likelihood."""
    size = at.size
    hessian = np.zeros((size, size))
    for i in range(size):
        step = STEP * max(1.0, abs(at[i]))
        shift = np.zeros(size)
        shift[i] = step
        hessian[i] = (gradient(at + shift) - gradient(at - shift)) / (2 * step)
    # At the edge of what has a likelihood, such as that of stability, a direction is not identified. It takes
    # its row and its column with it, and leaves the others as they are.
    wrong = ~np.isfinite(hessian)
    while wrong.any():
        worst = int(np.argmax(wrong.sum(0) + wrong.sum(1)))
        hessian[worst] = hessian[:, worst] = 0.0
        wrong = ~np.isfinite(hessian)
    return decomposed(-0.5 * (hessian + hessian.T))


def at_the_boundary(
    information: Information, logarithms: Bool[np.ndarray, " parameters"]
) -> Bool[np.ndarray, " parameters"]:
    """Which parameters are zero: those whose logarithm, a free parameter, the data say nothing of."""
    return logarithms & (np.abs(np.diagonal(information.matrix)) < EDGE)


def without(information: Information, gone: Bool[np.ndarray, " parameters"]) -> Information:
    """The information on the other parameters, those that are `gone` being known."""
    matrix = np.where(gone[:, None] | gone[None, :], 0.0, information.matrix)
    return decomposed(matrix) if gone.any() else information


def decomposed(matrix: Float[np.ndarray, "parameters parameters"]) -> Information:
    """Invert an information matrix on the directions that it determines."""
    diagonal = np.diagonal(matrix)
    floor = SMALLEST * max(float(diagonal.max(initial=0.0)), np.finfo(float).tiny)
    scale = 1 / np.sqrt(np.maximum(diagonal, floor))
    values, vectors = np.linalg.eigh(matrix * scale[:, None] * scale[None, :])
    significant = values > SMALLEST * values[-1]
    half = scale[:, None] * vectors[:, significant] / np.sqrt(values[significant])
    return Information(matrix, half @ half.T, values, vectors, vectors[:, ~significant].T, scale)
