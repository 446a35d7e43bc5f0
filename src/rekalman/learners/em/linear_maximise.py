r"""The M-step of a linear model, relative to its current parameters.

Each of the three regressions (transition, observation, first state) has residuals `e = y - W phi` under the
current weights, whose moments the E-step sums directly: sums of small numbers, where differences of second
moments would leave nothing but rounding of a small variance. With `T = sum E[e e']`, `X = sum E[e phi']` and
`F = sum E[phi phi']`, weights `W + D` leave the residual moments

    T - D X' - X D' + D F D',

the best `D` without constraints is `X F^{-1}`, and the new covariance their mean. The priors are those of
`regression.py`.

A singular covariance stays so (`support.py`): `V = G S G'`. The combinations of `y` that have no noise hold
exactly, which leaves their weights no freedom, hence `D = G Z`. `S` and `Z` follow from the pivot rows alone.
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.learners.em.maximise import Priors, split
from rekalman.learners.em.statistics import (
    Regression,
    Statistics,
    observation_weights,
    transition_weights,
)
from rekalman.learners.likelihood.regression import RegressionPrior
from rekalman.learners.support import Support
from rekalman.models.linear import LinearGaussian

LinearNoise = Literal["diagonal", "full", "scaled"]


class Freedom(eqx.Module):
    """What of one regression may move.

    Attributes:
        support: range of its covariance.
        fixed: True where a weight keeps its value; None where none does.
        directions: basis of the moves of the weights of the pivot rows, where they depend on the covariance;
            else None.
        shape: "diagonal", "full" or "scaled", which keeps the covariance but for a factor.
        frozen: whether the covariance keeps its value.
    """

    support: Support
    fixed: Bool[Array, "p q"] | None
    directions: Float[Array, "moves free"] | None
    shape: LinearNoise = eqx.field(static=True)
    frozen: bool = eqx.field(static=True)


class LinearConstraints(eqx.Module):
    """What may move in each of the three regressions."""

    transition: Freedom
    observation: Freedom
    initial: Freedom


def freedom(
    support: Support, fixed: np.ndarray | None, shape: LinearNoise, frozen: bool
) -> Freedom:
    """What of one regression may move.

    Args:
        support: range of its covariance.
        fixed: True where a weight keeps its value, or None.
        shape: of the covariance.
        frozen: whether the covariance keeps its value.
    """
    mask = None if fixed is None or not np.any(fixed) else np.asarray(fixed, bool)
    if mask is None or mask.all():
        return Freedom(support, None if mask is None else jnp.asarray(mask), None, shape, frozen)
    axes = support.axes
    rows = mask[list(support.pivots)]
    same = axes and bool((rows == rows[:1]).all())
    if same or (axes and shape == "diagonal"):
        return Freedom(support, jnp.asarray(mask), None, shape, frozen)
    return Freedom(support, jnp.asarray(mask), _directions(support, mask), shape, frozen)


def _directions(support: Support, fixed: np.ndarray) -> Float[Array, "moves free"]:
    """Moves `Z` of the pivot rows, flattened, that leave all fixed entries of `W + G Z` alone."""
    G, (r, q) = np.asarray(support.basis, float), (support.rank, fixed.shape[1])
    columns = []
    for j in range(q):
        held = G[fixed[:, j]]
        _, s, Vt = np.linalg.svd(held) if len(held) else (None, np.zeros(0), np.eye(r))
        rank = int((s > 1e-12 * s.max(initial=0.0)).sum())
        for direction in Vt[rank:]:
            move = np.zeros((r, q))
            move[:, j] = direction
            columns.append(move.reshape(-1))
    basis = np.stack(columns, 1) if columns else np.zeros((r * q, 0))
    return jnp.asarray(basis, support.basis.dtype)


def maximise_linear(
    model: LinearGaussian, statistics: Statistics, priors: Priors, constraints: LinearConstraints
) -> LinearGaussian:
    """The parameters that maximise the expected complete log-likelihood plus the log prior."""
    inner, outer = model.transition_blocks, model.observation_blocks
    W, Q = _improved(
        statistics.transition, priors.transition, transition_weights(model), model.Q,
        constraints.transition,
    )  # fmt: skip
    V, R = _improved(
        statistics.observation, priors.observation, observation_weights(model), model.R,
        constraints.observation,
    )  # fmt: skip
    m, P = _improved(
        statistics.initial, priors.initial, model.m[:, None], model.P, constraints.initial
    )
    new = {
        **dict(zip(inner, split(model, inner, W), strict=True)),
        **dict(zip(outer, split(model, outer, V), strict=True)),
        "Q": Q, "R": R, "m": m[:, 0], "P": P,
    }  # fmt: skip
    return eqx.tree_at(
        lambda t: tuple(getattr(t, name) for name in new), model, tuple(new.values())
    )


def _improved(
    moments: Regression,
    prior: RegressionPrior,
    weights: Float[Array, "p q"],
    cov: Float[Array, "p p"],
    freedom: Freedom,
) -> tuple[Float[Array, "p q"], Float[Array, "p p"]]:
    """New weights and covariance of one regression."""
    support, residual = freedom.support, moments.residual
    assert residual is not None
    if not support.rank:
        return weights, cov
    pivots = np.array(support.pivots, int)
    S = support.inner(cov)
    Z = _moves(moments, prior, weights, S, freedom)
    new = weights if Z is None else weights + support.basis @ Z
    if freedom.frozen:
        return new, cov
    T, X = residual.targets[pivots[:, None], pivots[None, :]], residual.cross[pivots]
    if Z is not None:
        both = Z @ X.T
        T = T - both - both.T + Z @ moments.features @ Z.T
    change = (new - prior.mean)[pivots]
    T = T + prior.noise_weight * support.inner(prior.noise) + (change * prior.precision) @ change.T
    count = moments.count + prior.noise_weight
    if freedom.shape == "scaled":
        factor = jnp.trace(inverse_covariance(S) @ T) / (support.rank * count)
        return new, jnp.maximum(factor, 0.0) * cov
    if freedom.shape == "diagonal":
        return new, support.outer(jnp.diag(jnp.maximum(jnp.diagonal(T), 0.0)) / count)
    made = support.outer(semidefinite(T / count))
    return new, 0.5 * (made + made.T)


def _moves(
    moments: Regression,
    prior: RegressionPrior,
    weights: Float[Array, "p q"],
    S: Float[Array, "r r"],
    freedom: Freedom,
) -> Float[Array, "r q"] | None:
    """How the weights of the pivot rows move; None where nothing is free."""
    residual, fixed = moments.residual, freedom.fixed
    assert residual is not None
    pivots = np.array(freedom.support.pivots, int)
    F = moments.features + jnp.diag(prior.precision)
    X = (residual.cross + (prior.mean - weights) * prior.precision)[pivots]
    # Features of a diagonal of one. What is added slows a move down where features are collinear, and moves
    # none away from a maximum.
    scale = jnp.sqrt(jnp.diagonal(F))
    scale = jnp.where(scale > 0, scale, 1.0)
    q = F.shape[0]
    F = F / (scale[:, None] * scale[None, :]) + jnp.finfo(F.dtype).eps ** 0.7 * jnp.eye(q)
    X = X / scale
    if fixed is None:
        return jax.scipy.linalg.solve(F, X.T, assume_a="pos").T / scale
    if freedom.directions is None:
        free = ~fixed[pivots]

        def row(x: Array, free: Array) -> Array:
            system = jnp.where(free[:, None] & free[None, :], F, jnp.eye(q, dtype=F.dtype))
            return jax.scipy.linalg.solve(system, jnp.where(free, x, 0.0), assume_a="pos")

        return jax.vmap(row)(X, free) / scale
    if not freedom.directions.shape[1]:
        return None
    # Moves are in units of 1 / scale of their columns, which leaves each direction within its column.
    K, B = inverse_covariance(S), freedom.directions
    system = B.T @ jnp.kron(K, F) @ B
    z = jax.scipy.linalg.solve(system, B.T @ (K @ X).reshape(-1), assume_a="pos")
    return (B @ z).reshape(X.shape) / scale


def inverse_covariance(S: Float[Array, "r r"]) -> Float[Array, "r r"]:
    """Inverse of a covariance, where it has become singular as good as possible."""
    scale = jnp.sqrt(jnp.diagonal(S))
    scale = jnp.where(scale > 0, scale, 1.0)
    eye = jnp.eye(S.shape[0], dtype=S.dtype)
    inverse = jnp.linalg.inv(S / (scale[:, None] * scale[None, :]) + jnp.finfo(S.dtype).eps * eye)
    return inverse / (scale[:, None] * scale[None, :])


def semidefinite(S: Float[Array, "r r"]) -> Float[Array, "r r"]:
    """A symmetric matrix, with eigenvalues that rounding made negative at zero."""
    S = 0.5 * (S + S.T)
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(S), 0.0))
    scale = jnp.where(scale > 0, scale, 1.0)
    values, vectors = jnp.linalg.eigh(S / (scale[:, None] * scale[None, :]))
    lifted = (vectors * jnp.maximum(values, 0.0)) @ vectors.T * (scale[:, None] * scale[None, :])
    return jnp.where(values[0] < 0, lifted, S)
