"""The recursion of an RKN as an associative scan: coordinates do not mix, and the encoder mixes the bases.

With bandwidth 0 every coordinate is a Kalman filter of its own with a state `[p_i; q_i]`, and where the
coefficients come from the frames, its transitions are known beforehand. A step is then the element
(A, b, C, eta, J) of Särkkä and García-Fernández (2021, "Temporal parallelization of Bayesian smoothers",
lemma 8), with two by two matrices for each coordinate, and steps combine in any order:

    M = (I + C_i J_j)^-1
    A = A_j M A_i                          b = A_j M (b_i + C_i eta_j) + b_j
    C = A_j M C_i A_j' + C_j
    eta = A_i' M' (eta_j - J_j b_i) + eta_i     J = A_i' M' J_j A_i + J_i

The belief after the first update, `N(m, P)`, enters as the element (0, m, P, 0, 0); the prefix up to `t` then
is the belief after `t`.
From it the next prior and posterior follow by the serial equations, which hold covariances positive definite.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.networks.rkn.banded import Moments
from rekalman.networks.rkn.cell import (
    Dynamics,
    Steps,
    gains,
    predict,
    process_noise,
    transition,
    update,
)

Matrix = Float[Array, "2 2 *shape"]
Vector = Float[Array, "2 *shape"]
Element = tuple[Matrix, Vector, Matrix, Vector, Matrix]


def scan_parallel(
    dynamics: Dynamics, first: Moments, steps: Steps, want_prior: bool
) -> tuple[Moments, Moments | None]:
    """Beliefs after and before every update, as `scan_rkn` gives them.

    Args:
        dynamics: bases of bandwidth 0, and no first layer for the state.
        first: the belief before the first update.
        steps: what enters.
        want_prior: whether the beliefs before the updates are wanted too.
    """
    start = update(first, steps.mean[0], steps.var[0], steps.seen[0])
    rest: Steps = jax.tree.map(lambda leaf: leaf[1:], steps)
    blocks = jax.vmap(lambda move: transition(dynamics, start, move)[0])(rest.move)
    A = jnp.moveaxis(blocks[:, :, :, 0], 2, 0).reshape(2, 2, *rest.mean.shape)
    zero = jnp.zeros((2, 2, 1, *start.p.shape), start.p.dtype)
    cov = jnp.stack([jnp.stack([start.u, start.s]), jnp.stack([start.s, start.l])])
    known = (zero, jnp.stack([start.p, start.q])[:, None], cov[:, :, None], zero[0], zero)
    element = _element(dynamics, A, rest)
    whole = [jnp.concatenate([a, b], -3) for a, b in zip(known, element, strict=True)]
    # The scanned axis comes first.
    moved = tuple(jnp.moveaxis(each, -3, 0) for each in whole)
    _, mean, cov, _, _ = jax.lax.associative_scan(jax.vmap(_combine), moved)
    after = Moments(mean[:, 0], mean[:, 1], cov[:, 0, 0], cov[:, 1, 1], cov[:, 0, 1])
    reached = jax.tree.map(lambda leaf: leaf[:-1], after)
    ahead = jax.vmap(lambda x, move: predict(dynamics, x, move)[0])(reached, rest.move)
    prior = jax.tree.map(lambda one, path: jnp.concatenate([one[None], path]), first, ahead)
    posterior = update(prior, steps.mean, steps.var, steps.seen)
    return posterior, prior if want_prior else None


def _element(dynamics: Dynamics, A: Matrix, steps: Steps) -> Element:
    """What each step does: predict, then update with the observation of `p`."""
    shape = steps.mean.shape
    upper, lower = (
        jnp.broadcast_to(each, shape) for each in process_noise(dynamics.noise, steps.move.length)
    )
    moved = jnp.zeros((2, *shape), steps.mean.dtype)
    if steps.move.control is not None:
        moved = jnp.moveaxis(steps.move.control, 2, 0)
    zero = jnp.zeros_like(upper)
    k, _, keep, d = gains(upper, zero, steps.var, steps.seen)
    weight, gap = steps.seen * d, steps.mean - moved[0]
    passed = jnp.stack([A[0] * keep, A[1]])
    b = jnp.stack([moved[0] + k * gap, moved[1]])
    C = jnp.stack([jnp.stack([keep * upper, zero]), jnp.stack([zero, lower])])
    return passed, b, C, A[0] * weight * gap, A[0][:, None] * A[0][None] * weight


def _combine(first: Element, second: Element) -> Element:
    """The element of two steps one after the other."""
    A1, b1, C1, eta1, J1 = first
    A2, b2, C2, eta2, J2 = second
    CJ = _product(C1, J2)
    # det(I + C J) without a difference of large products: C and J are positive semidefinite.
    det = 1 + CJ[0, 0] + CJ[1, 1] + _det(C1) * _det(J2)
    M = (
        jnp.stack([jnp.stack([1 + CJ[1, 1], -CJ[0, 1]]), jnp.stack([-CJ[1, 0], 1 + CJ[0, 0]])])
        / det
    )
    left = _product(A2, M)
    right = _product(A1.swapaxes(0, 1), M.swapaxes(0, 1))
    return (
        _product(left, A1),
        _applied(left, b1 + _applied(C1, eta2)) + b2,
        _product(_product(left, C1), A2.swapaxes(0, 1)) + C2,
        _applied(right, eta2 - _applied(J2, b1)) + eta1,
        _product(_product(right, J2), A1) + J1,
    )


def _product(X: Matrix, Y: Matrix) -> Matrix:
    return (X[:, :, None] * Y[None]).sum(1)


def _applied(X: Matrix, v: Vector) -> Vector:
    return (X * v[None]).sum(1)


def _det(X: Matrix) -> Float[Array, "*shape"]:
    return X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0]
