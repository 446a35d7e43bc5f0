r"""The Rauch-Tung-Striebel smoother with square roots: no covariance is ever subtracted from another.

With `P_t = S S'` filtered and `Q = W W'`, an orthogonal transform makes the joint root of `x_{t+1}` and `x_t`
triangular (Park and Kailath 1995),

    [[A S, W], [S, 0]] Theta = [[X, 0], [Y, Z]],    X X' = P_{t+1}^-,   Y X' = P_t A',

so that the smoother's gain is `G = Y X^+`, and for the law of `x_t` given `x_{t+1}` and all data

    P_t|T = G D D' G' + Z Z' + (Y - G X)(Y - G X)',   D D' = P_{t+1}|T.

The last term vanishes where the predicted covariance is regular; where it is singular, or nearly so, it
keeps the sum exact for whatever gain the pseudo-inverse gives (the rows of `X` are brought to unit length
before, so that the units of the states do not matter). The sum is formed as a QR factor of
`[G D, Z, Y - G X]`. The adjoint form subtracts, which in single precision can leave a covariance with a
negative eigenvalue.

While the gains are settled the factors are used again, and so is `D` once it has settled.

The means come from the adjoint (`adjoint.py`), which inverts nothing: a gain is not unique where the
predicted covariance is singular. Going back in time by gains can also be unstable (a moving average seen
without
noise: the gain undoes the transition), which the adjoint never is; but it subtracts, and is exact only where
the data leave a good part of the variance. So it has the covariances, too, of the steps at which every
smoothed variance is above the root of the machine epsilon times the predicted one (or zero), and of those of
a diffuse start.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekal.filters.forms import RootForm
from rekal.filters.gains import ROUNDING, Gains
from rekal.filters.means import Means, small
from rekal.filters.system import LinearSystem, at
from rekal.models.roots import square_root, triangular
from rekal.smoothers.adjoint import LinearSmoothed, smooth_linear


def smooth_root(
    system: LinearSystem,
    found: Gains,
    run: Means,
    length: Int[Array, ""] | int | None = None,
) -> LinearSmoothed:
    """Smoothed moments of one series from its filtered square roots.

    Args:
        system: the model and the data.
        found: gains whose carries are square roots.
        run: the means.
        length: number of real steps; from there on the smoothed moments are the filtered ones.
    """
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    last = jnp.asarray(steps if length is None else length, jnp.int32) - 1
    W = square_root(system.Q)
    constant = system.A.shape[0] == 1 and system.Q.shape[0] == 1
    tolerance = ROUNDING * jnp.finfo(dtype).eps
    filtered = lambda t: found.posterior[found.where[t]]  # noqa: E731

    def step(carry: tuple[Array, ...], row: Array) -> tuple[tuple[Array, ...], tuple]:
        D, G, rest, still = carry
        t = row
        same = constant & (found.where[t] == found.where[t + 1]) & (t + 1 < last)
        G, rest = jax.lax.cond(
            same,
            lambda: (G, rest),
            lambda: back_step(filtered(t), at(system.A, t + 1), at(W, t + 1)),
        )
        still = still & same
        new = jax.lax.cond(still, lambda: D, lambda: triangular(jnp.concatenate([G @ D, rest], 1)))
        moved = jnp.max(jnp.abs(new - D), 1, initial=0.0)
        still = same & (moved <= tolerance * jnp.linalg.norm(new, axis=1)).all()
        live = t < last
        D = jnp.where(live, new, filtered(t))
        return (D, G, rest, still), (D, G)

    zero = jnp.zeros((n, n), dtype)
    end = (filtered(steps - 1), zero, zero, jnp.asarray(False))
    _, (D, G) = jax.lax.scan(step, end, jnp.arange(steps - 1), reverse=True)
    D = jnp.concatenate([D, end[0][None]])
    cov = small(D, D.mT)
    lag = jnp.concatenate([zero[None], small(cov[1:], G.mT)])
    whole = smooth_linear(system, found, run, RootForm, length)
    prior, posterior = (row_squares(S)[found.where] for S in (found.prior, found.posterior))
    variances = jnp.diagonal(whole.cov, axis1=1, axis2=2)
    exact = posterior == 0
    if found.diffuse is not None:
        exact = exact & (found.diffuse.posterior == 0).all(2)
    sure = (exact | (variances > jnp.sqrt(jnp.finfo(dtype).eps) * prior)).all(1)
    if found.diffuse is not None:
        sure = sure | (jnp.arange(steps) < found.diffuse.steps)
    root = jnp.where(exact[:, :, None], 0.0, square_root(whole.cov))
    cov = jnp.where(sure[:, None, None], small(root, root.mT), cov)
    both = (sure[1:] & sure[:-1])[:, None, None]
    lag = lag.at[1:].set(jnp.where(both, whole.lag[1:], lag[1:]))
    return LinearSmoothed(whole.mean, cov, lag, whole.unknown)


def row_squares(S: Float[Array, "steps n n"]) -> Float[Array, "steps n"]:
    """Variances of a covariance, from its square root."""
    return (S * S).sum(-1)


def back_step(
    S: Float[Array, "n n"], A: Float[Array, "n n"], W: Float[Array, "n n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """The gain `G`, and a root of what `x_{t+1}` leaves unknown of `x_t`.

    Args:
        S: root of the filtered covariance of `x_t`.
        A: transition into `t + 1`.
        W: root of its process noise.
    """
    n = S.shape[0]
    top = jnp.concatenate([A @ S, W], 1)
    L = triangular(jnp.concatenate([top, jnp.concatenate([S, jnp.zeros_like(W)], 1)]))
    X, Y, Z = L[:n, :n], L[n:, :n], L[n:, n:]
    size = jnp.linalg.norm(X, axis=1)
    size = jnp.where(size > 0, size, 1.0)
    G = Y @ jnp.linalg.pinv(X / size[:, None], rtol=32 * n * jnp.finfo(S.dtype).eps) / size
    return G, triangular(jnp.concatenate([Z, Y - G @ X], 1))
