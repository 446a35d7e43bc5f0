r"""The Rauch-Tung-Striebel recursion for Gaussian beliefs, whatever linearised the transition.

Given the filtered law of `x_t` and a joint Gaussian of `x_t` and `x_{t+1}` with cross covariance
`C = Cov(x_t, x_{t+1})` and prediction `N(m^-, P^-)` (Särkkä 2013, section 9.1),

    G = C (P^-)^{-1},   D = Cov(x_t | x_{t+1}) = P - G P^- G',
    m_t^s = m_t + G r(m_{t+1}^s, m^-),   P_t^s = D + G P_{t+1}^s G',   Cov(x_{t+1}, x_t | all) = P_{t+1}^s G'.

`G` and `D` need no smoothed quantity and are found for all steps at once; only the recursion runs in time.

Square roots. With `P = S S'`, the slope of the transition times the root `O = A S`, and a root `Z` of all
other uncertainty of `x_{t+1}` (process noise, curvature), `[[O, Z], [S, 0]]` is a root of the joint
covariance; turned so that its first
rows are triangular it reads

    [[L, 0], [M, W]],   L L' = P^-,   G = M L^{-1},   D = W W',

and `[G S_{t+1}^s, W]` is a root of `P_t^s`: no covariance is ever subtracted from another. A direction of
`x_{t+1}` without any uncertainty of its own is passed over.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekalman.core.beliefs import SmoothedPath
from rekalman.filters.kalman.forms import Form, RootForm
from rekalman.filters.kalman.system import UNROLLED, decorrelate
from rekalman.models.products import rows_times
from rekalman.models.residuals import Residual
from rekalman.models.roots import triangular


class Backward(NamedTuple):
    """One step back: the gain `G`, and `D` or a (wide) root of it."""

    gain: Float[Array, "*steps n n"]
    rest: Float[Array, "*steps n k"]


def backward_covariance(
    P: Float[Array, "n n"], cross: Float[Array, "n n"], predicted: Float[Array, "n n"]
) -> Backward:
    """Gain and conditional covariance; a prediction that is singular in a direction says nothing there."""
    rows, pivots = decorrelate(predicted)
    there = pivots > 0
    half = rows_times(cross, rows) * jnp.where(there, jax.lax.rsqrt(jnp.where(there, pivots, 1)), 0)
    scaled = half * jnp.where(there, jax.lax.rsqrt(jnp.where(there, pivots, 1)), 0)
    rest = P - rows_times(half, half)
    return Backward(rows_times(scaled, rows.T), 0.5 * (rest + rest.T))


def backward_roots(
    S: Float[Array, "n n"], slope: Float[Array, "n n"], other: Float[Array, "n k"]
) -> Backward:
    """Gain and a root of the conditional covariance, from `S`, `O = A S` and `Z`.

    The joint root is made triangular row by row (modified Gram-Schmidt), which can pass over a row of
    which nothing new is left.
    """
    n = S.shape[0]
    top = jnp.concatenate([slope, other], 1)
    joint = jnp.concatenate([top, jnp.concatenate([S, jnp.zeros_like(other)], 1)])
    floor = (4 * n * jnp.finfo(S.dtype).eps) ** 2 * (top * top).sum(1)

    def remove(j: int | Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, columns = state
        square = (rest[j] * rest[j]).sum()
        there = square > floor[j]
        way = jnp.where(there, rest[j] * jax.lax.rsqrt(jnp.where(there, square, 1.0)), 0.0)
        along = (rest * way).sum(1)
        return rest - along[:, None] * way[None, :], columns.at[:, j].set(along)

    state = joint, jnp.zeros((2 * n, n), S.dtype)
    if n <= UNROLLED:
        for j in range(n):
            state = remove(j, state)
    else:
        state = jax.lax.fori_loop(0, n, remove, state)
    rest, columns = state
    L, M = jnp.tril(columns[:n]), columns[n:]
    eye = jnp.eye(n, dtype=S.dtype)
    whole = jnp.where((jnp.diagonal(L) > 0)[None, :], L, eye)
    return Backward(jax.scipy.linalg.solve_triangular(whole, M.T, lower=True, trans=1).T, rest[n:])


def smooth_backwards(
    sweep: Any,
    back: Backward,
    residual: Residual,
    form: Form,
    length: Int[Array, ""] | int | None = None,
) -> SmoothedPath:
    """Run the recursion from the end of a series to its beginning.

    Args:
        sweep: beliefs `prior` and `posterior` of all steps.
        back: gains and conditional covariances of all steps but the last.
        residual: how states are subtracted.
        form: how covariances are carried.
        length: number of real steps; from there on the smoothed moments are the filtered ones.
    """
    mean, carry = sweep.posterior.mean, sweep.posterior.carry
    predicted = sweep.prior.mean[1:]
    steps = mean.shape[0]
    live = jnp.arange(1, steps) < (steps if length is None else length)
    root = form is RootForm

    def step(after: tuple[Array, Array], row: tuple[Any, ...]) -> tuple[Any, Any]:
        m_after, P_after = after
        m, P, m_minus, (G, rest), live = row
        smoothed = m + rows_times(residual(m_after, m_minus)[None], G)[0]
        spread = rows_times(P_after.T, G).T
        if root:
            whole = triangular(jnp.concatenate([spread, rest], 1))
            lag = rows_times(P_after @ P_after.T, G)
        else:
            whole = rest + rows_times(spread, G)
            whole = 0.5 * (whole + whole.T)
            lag = rows_times(P_after, G)
        new = jnp.where(live, smoothed, m), jnp.where(live, whole, P)
        return new, (*new, jnp.where(live, lag, 0.0))

    rows = (mean[:-1], carry[:-1], predicted, tuple(back), live)
    _, (means, carries, lag) = jax.lax.scan(step, (mean[-1], carry[-1]), rows, reverse=True)
    carries = jnp.concatenate([carries, carry[-1:]])
    return SmoothedPath(
        mean=jnp.concatenate([means, mean[-1:]]),
        cov=carries @ carries.mT if root else carries,
        lag=jnp.concatenate([jnp.zeros_like(carry[:1]), lag]),
    )
