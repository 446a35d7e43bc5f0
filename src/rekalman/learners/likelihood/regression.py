r"""The M-step for one block: a linear regression on expected moments, with priors and constraints.

With moments `S_xx` (features), `S_yx` (cross), `S_yy` (targets) over `N` steps, the expected complete
log-likelihood of `y = W x + e`, `e ~ N(0, V)` is, up to constants,

    -N/2 log|V| - 1/2 tr V^{-1} (S_yy - W S_yx' - S_yx W' + W S_xx W').

MAP (matrix-normal, inverse-Wishart; Gelman et al. 2013, section 3.6 and Murphy 2012, section 4.6):
`W | V ~ MN(W0, V, Lambda^{-1})` adds `Lambda` to `S_xx`, `W0 Lambda` to `S_yx` and `W0 Lambda W0'` to
`S_yy`; `V ~ IW(Psi, nu)`, parametrised here by a scale matrix `V0` and a weight `k` in pseudo-steps,
adds `k V0` to the residual and `k` to `N`: the mode is a weighted mean of `V0` and the residual
covariance, hence never singular. (`Psi = k V0` and `k = nu + p + q + 1`, all powers of `|V|` that the
two priors bring.)

Fixed entries. Entries of `W` that must keep their value are moved to the right-hand side. With a
diagonal `V` each row is a small system of its own; with a full `V` the rows that are partly fixed are
coupled through `V^{-1}`, so the stacked system `(S_xx kron V^{-1}) vec W` is solved with the current
`V` (a conditional maximisation, which keeps EM monotone).
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.learners.em.statistics import Regression

NoiseShape = Literal["diagonal", "full"]


class RegressionPrior(eqx.Module):
    """Matrix-normal inverse-Wishart prior of one block.

    Attributes:
        mean: prior mean of the weights `(p, q)`.
        precision: prior precision of each feature `(q,)`, in units of steps times feature variance.
        noise: prior mode `V0` of the noise covariance `(p, p)`.
        noise_weight: how many steps the prior of the noise counts for.
    """

    mean: Float[Array, "p q"]
    precision: Float[Array, " q"]
    noise: Float[Array, "p p"]
    noise_weight: Float[Array, ""]


def solve_weights(
    moments: Regression,
    prior: RegressionPrior,
    current: Float[Array, "p q"],
    noise: Float[Array, "p p"],
    fixed: Bool[Array, "p q"] | None,
    shape: NoiseShape,
) -> Float[Array, "p q"]:
    """The maximising weights, given the current noise covariance."""
    Lambda = jnp.diag(prior.precision)
    S_xx = moments.features + Lambda
    S_yx = moments.cross + prior.mean @ Lambda
    # A relative jitter keeps the system solvable when features are collinear.
    jitter = min(1e-7, float(jnp.finfo(S_xx.dtype).eps)) * jnp.trace(S_xx) / S_xx.shape[0]
    S_xx = S_xx + jitter * jnp.eye(S_xx.shape[0], dtype=S_xx.dtype)
    if fixed is None:
        return jax.scipy.linalg.solve(S_xx, S_yx.T, assume_a="pos").T
    if shape == "diagonal":
        return jax.vmap(_solve_row, in_axes=(None, 0, 0, 0))(S_xx, S_yx, current, fixed)
    p, q = current.shape
    inverse = jnp.linalg.inv(noise)
    system = jnp.kron(inverse, S_xx)
    right = (inverse @ S_yx).reshape(p * q)
    return _solve_row(system, right, current.reshape(-1), fixed.reshape(-1)).reshape(p, q)


def _solve_row(
    S_xx: Float[Array, "q q"],
    right: Float[Array, " q"],
    current: Float[Array, " q"],
    fixed: Bool[Array, " q"],
) -> Float[Array, " q"]:
    """Solve for the free entries; fixed ones keep `current`."""
    held = jnp.where(fixed, current, 0.0)
    free = ~fixed[:, None] & ~fixed[None, :]
    system = jnp.where(free, S_xx, jnp.eye(S_xx.shape[0], dtype=S_xx.dtype))
    right = jnp.where(fixed, current, right - S_xx @ held)
    return jax.scipy.linalg.solve(system, right, assume_a="pos")


def solve_noise(
    moments: Regression,
    prior: RegressionPrior,
    weights: Float[Array, "p q"],
    shape: NoiseShape,
) -> Float[Array, "p p"]:
    """The maximising noise covariance, given the weights."""
    change = weights - prior.mean
    W_cross = weights @ moments.cross.T
    residual = moments.targets - W_cross - W_cross.T + weights @ moments.features @ weights.T
    residual = residual + prior.noise_weight * prior.noise
    residual = residual + (change * prior.precision) @ change.T
    cov = residual / (moments.count + prior.noise_weight)
    if shape == "diagonal":
        return jnp.diag(jnp.diagonal(cov))
    return 0.5 * (cov + cov.T)
