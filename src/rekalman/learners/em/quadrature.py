r"""Moments of elementwise functions of a Gaussian, by Gauss-Hermite quadrature.

For `x ~ N(m, S)` and `f` applied to each element, `E f(x_i)` is an integral over a line and `E f(x_i) f(x_j)`
one over a plane, however many dimensions `x` has:

    x_i = m_i + s_i a,   x_j = m_j + (S_ij / s_i) a + (S_jj - S_ij^2 / S_ii)^{1/2} b,   a, b ~ N(0, 1).

Covariances with `f` need no more than its expected slope: `Cov(y, f(x_j)) = Cov(y, x_j) E f'(x_j)` for any
`y` jointly Gaussian with `x` (Stein 1981). With 12 nodes on a line the moments of tanh are off by
less than 2e-6 for a standard deviation of 0.5, and less than 2e-3 for 1.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

NODES = 12


def elementwise_moments(
    f: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    mean: Float[Array, " n"],
    cov: Float[Array, "n n"],
) -> tuple[Float[Array, " n"], Float[Array, "n n"], Float[Array, " n"]]:
    """`E f(x)`, `E f(x) f(x)'` and `E f'(x)`.

    Args:
        f: an elementwise function, which may differ from element to element of the last axis.
        slope: its derivative.
        mean: mean of `x`.
        cov: covariance of `x`, singular or not.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(NODES)
    a = jnp.asarray(points, mean.dtype)
    w = jnp.asarray(weights / weights.sum(), mean.dtype)
    var = jnp.maximum(jnp.diagonal(cov), 0.0)
    there = var > 0
    s = jnp.where(there, jnp.sqrt(jnp.where(there, var, 1.0)), 0.0)
    line = mean[:, None] + s[:, None] * a
    on_line = f(line.T).T
    along = jnp.where(there[:, None], cov / jnp.where(there, s, 1.0)[:, None], 0.0)
    left = jnp.maximum(var[None, :] - along**2, 0.0) * (1 - jnp.eye(mean.size, dtype=mean.dtype))
    aside = jnp.where(left > 0, jnp.sqrt(jnp.where(left > 0, left, 1.0)), 0.0)
    plane = mean[None, :, None] + along[:, :, None] * a
    points_j = plane[..., None] + aside[:, :, None, None] * a
    inner = jnp.moveaxis(f(jnp.moveaxis(points_j, 1, -1)), -1, 1) @ w
    second = ((on_line * w)[:, None, :] * inner).sum(-1)
    return on_line @ w, 0.5 * (second + second.T), slope(line.T).T @ w
