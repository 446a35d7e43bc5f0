r"""The Rauch-Tung-Striebel smoother with square roots: no covariance is ever subtracted from another.

With `P_t = S S'` filtered and `Q = W W'`, an orthogonal transform makes the joint root of `x_{t+1}` and `x_t`
triangular (Park and Kailath 1995),

    [[A S, W], [S, 0]] Theta = [[X, 0], [Y, Z]],    X X' = P_{t+1}^-,   Y X' = P_t A',

so that the smoother's gain is `G = Y X^+`, and for the law of `x_t` given `x_{t+1}` and all data

    P_t|T = G D D' G' + Z Z' + (Y - G X)(Y - G X)',   D D' = P_{t+1}|T.

The last term vanishes where the predicted covariance is regular; where it is singular, or nearly so, it
keeps the sum exact for whatever gain the pseudo-inverse gives (the rows of `[A S, W]` are brought to unit
length before, so that the units of the states do not matter). The sum is formed as a QR factor of
`[G D, Z, Y - G X]`. The adjoint form subtracts, which in single precision can leave a covariance with a
negative eigenvalue.

While the gains are settled the factors are used again, and so is `D` once it has settled.

A diffuse start. As long as directions `E delta` of `x_t` are unknown, `x_{t+1} = ... + F delta + A S z + W
w`, `F = A E`. With `F+ F = I`, `H = (I - F F+) [A S, W]` and `B = [S, 0] - E F+ [A S, W]`, the gain that
leaves nothing of `delta` is

    G = E F+ + K (I - F F+),     K = B H'(H H')^+,

and `[[H], [B]]` takes the place of `[[A S, W], [S, 0]]`. The rows of `H` keep their lengths: one that `F`
spans is rounding, which unit length would turn into a direction.

Two ways. Going back in time by gains can be unstable (a moving average seen without noise: the gain undoes
the transition); the adjoint (`adjoint.py`) inverts nothing and never is, but it subtracts covariances, and
loses its digits where the filtered variance is vast beside the smoothed one (early observations that fix a
direction poorly). So the moments are those of the adjoint, but up to the last step at which a variance is
above `VAST` times what the gains leave of it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.diffuse import moved_basis
from rekalman.filters.kalman.forms import RootForm
from rekalman.filters.kalman.gains import ROUNDING, Gains
from rekalman.filters.kalman.means import Means, small
from rekalman.filters.kalman.solution import MANY_STATES
from rekalman.filters.kalman.system import LinearSystem, at
from rekalman.models.roots import square_root, triangular
from rekalman.smoothers.adjoint import LinearSmoothed, smooth_linear

VAST = 100
"""A filtered variance that is so many times the smoothed one costs the adjoint as many digits twice."""


def smooth_root(
    system: LinearSystem,
    result: Gains,
    run: Means,
    length: Int[Array, ""] | int | None = None,
) -> LinearSmoothed:
    """Smoothed moments of one series from its filtered square roots.

    Args:
        system: the model and the data.
        result: gains whose carries are square roots.
        run: the means.
        length: number of real steps; from there on the smoothed moments are the filtered ones.
    """
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    last = jnp.asarray(steps if length is None else length, jnp.int32) - 1
    W = square_root(system.Q)
    constant = system.A.shape[0] == 1 and system.Q.shape[0] == 1
    tolerance = ROUNDING * jnp.finfo(dtype).eps
    filtered = lambda t: result.posterior[result.where[t]]  # noqa: E731

    basis = None if result.diffuse is None else result.diffuse.posterior

    def step(carry: tuple[Array, ...], row: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple]:
        x, D, G, rest, still = carry
        t, posterior, prior = row
        same = constant & (result.where[t] == result.where[t + 1]) & (t + 1 < last)
        E = None if basis is None else basis[t]
        G, rest = jax.lax.cond(
            same,
            lambda: (G, rest),
            lambda: back_step(filtered(t), at(system.A, t + 1), at(W, t + 1), E),
        )
        still = still & same
        new = jax.lax.cond(still, lambda: D, lambda: triangular(jnp.concatenate([G @ D, rest], 1)))
        moved = jnp.max(jnp.abs(new - D), 1, initial=0.0)
        still = same & (moved <= tolerance * jnp.linalg.norm(new, axis=1)).all()
        live = t < last
        x = jnp.where(live, posterior + G @ (x - prior), posterior)
        D = jnp.where(live, new, filtered(t))
        return (x, D, G, rest, still), (x, D, G)

    zero = jnp.zeros((n, n), dtype)
    end = (run.posterior[-1], filtered(steps - 1), zero, zero, jnp.asarray(False))
    rows = (jnp.arange(steps - 1), run.posterior[:-1], run.prior[1:])
    _, (x, D, G) = jax.lax.scan(step, end, rows, reverse=True)
    x, D = jnp.concatenate([x, end[0][None]]), jnp.concatenate([D, end[1][None]])
    cov = small(D, D.mT)
    lag = jnp.concatenate([zero[None], small(cov[1:], G.mT)])

    whole = smooth_linear(system, result, run, RootForm, length)
    variances = row_squares(result.posterior)[result.where]
    vast = (variances > VAST * jnp.diagonal(cov, axis1=1, axis2=2)).any(1)
    gains_only = jax.lax.cummax(vast.astype(int), reverse=True)[:, None, None] > 0
    exact = variances == 0
    if basis is not None:
        exact = exact & (basis == 0).all(2)
    return LinearSmoothed(
        mean=jnp.where(gains_only, x, whole.mean),
        cov=jnp.where(gains_only, cov, _sound(whole.cov, exact)),
        lag=jnp.where(gains_only, lag, whole.lag),
        unknown=whole.unknown,
    )


def _sound(
    cov: Float[Array, "steps n n"], exact: Bool[Array, "steps n"]
) -> Float[Array, "steps n n"]:
    """Covariances of a difference without what rounding left of them.

    Their roots say it best. Those of many states would take longer than all else; in double precision what is
    known exactly and variances below zero are set to zero then.
    """
    n = cov.shape[-1]
    if n < MANY_STATES or cov.dtype != jnp.float64:
        root = jnp.where(exact[:, :, None], 0.0, square_root(cov))
        return small(root, root.mT)
    void = exact | (jnp.diagonal(cov, axis1=1, axis2=2) <= 0)
    return jnp.where(void[:, :, None] | void[:, None, :], 0.0, cov)


def row_squares(S: Float[Array, "steps n n"]) -> Float[Array, "steps n"]:
    """Variances of a covariance, from its square root."""
    return (S * S).sum(-1)


def back_step(
    S: Float[Array, "n n"],
    A: Float[Array, "n n"],
    W: Float[Array, "n n"],
    E: Float[Array, "n d"] | None = None,
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """The gain `G`, and a root of what `x_{t+1}` leaves unknown of `x_t`.

    Args:
        S: root of the filtered covariance of `x_t`.
        A: transition into `t + 1`.
        W: root of its process noise.
        E: basis of the unknown directions of `x_t`, or None.
    """
    n = S.shape[0]
    rounding = 32 * n * jnp.finfo(S.dtype).eps
    top = jnp.concatenate([RootForm.moved(S, A), W], 1)
    bottom = jnp.concatenate([S, jnp.zeros_like(W)], 1)
    size = jnp.linalg.norm(top, axis=1)
    through, seen = jnp.zeros_like(S), jnp.eye(n, dtype=S.dtype)
    if E is None:
        size = jnp.where(size > 0, size, 1.0)
        top = top / size[:, None]
    else:
        F = moved_basis(E, A)
        size = jnp.where(size > 0, size, jnp.linalg.norm(F, axis=1))
        size = jnp.where(size > 0, size, 1.0)
        F, top = F / size[:, None], top / size[:, None]
        units = jnp.linalg.norm(F, axis=0)
        units = jnp.where(units > 0, units, 1.0)
        F = F / units
        inverse = jnp.linalg.pinv(F, rtol=rounding)
        through = (E / units) @ inverse
        seen = seen - F @ inverse
        bottom = bottom - through @ top
        top = seen @ top
    L = triangular(jnp.concatenate([top, bottom]))
    X, Y, Z = L[:n, :n], L[n:, :n], L[n:, n:]
    largest = jnp.maximum(jnp.linalg.norm(X), rounding)
    G = Y @ jnp.linalg.pinv(X, rtol=rounding / largest)
    rest = triangular(jnp.concatenate([Z, Y - G @ X], 1))
    return (through + G @ seen) / size, rest
