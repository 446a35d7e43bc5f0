r"""The Kalman filter and smoother in logarithmic depth: associative scans over time.

Covariances (Särkkä and García-Fernández 2021, section III). A stretch of steps acts on the covariance before
it through three matrices: with `x` the state before and `y` the observations of the stretch, the state after
it given both has a mean with slope `E` in `x` and covariance `S`, and `y` carries the information `J` about
`x`. A single step has, `G` being the gain and `U` the whitener for the prior covariance `Q`,

    E = (I - G C) A,   S = (I - G C) Q,   J = (U C A)'(U C A),

and a stretch followed by another, in whatever order the pairs are formed,

    E = E2 M E1,   S = E2 M S1 E2' + S2,   J = E1' J2 M E1 + J1,   M = (I + S1 J2)^{-1}.

The first observation starts from a known covariance: `E = 0`, `J = 0`. Then `S` of the steps up to `t` is the
filtered covariance, and all gains follow at once.

Means and adjoints are affine recursions, `x -> Phi x + b`, and compose as such.

The work is `log2 T` times that of the recursion, in `log2 T` rounds instead of `T` steps: it pays on a GPU.

An observation without noise of something that the process noise does not reach has no finite information
about the state before it: a series with one has its covariances from the recursion in time, and only its
means from a scan. So has one with a diffuse start (`kalman.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekalman.filters.kalman.forms import CovarianceForm
from rekalman.filters.kalman.gains import Gains, gains
from rekalman.filters.kalman.means import Means, small
from rekalman.filters.kalman.scan import prefixes
from rekalman.filters.kalman.system import LinearSystem


class Stretch(NamedTuple):
    """What a stretch of steps does to a covariance (see the module text)."""

    E: Float[Array, "*t n n"]
    S: Float[Array, "*t n n"]
    J: Float[Array, "*t n n"]


def joined(first: Stretch, second: Stretch) -> Stretch:
    """A stretch followed by another."""
    eye = jnp.eye(first.S.shape[-1], dtype=first.S.dtype)
    both = jnp.concatenate([first.E, first.S], -1)
    through = jnp.linalg.solve(eye + first.S @ second.J, both)
    n = eye.shape[0]
    ME, MS = through[..., :n], through[..., n:]
    S = second.E @ MS @ second.E.mT + second.S
    J = first.E.mT @ second.J @ ME + first.J
    return Stretch(second.E @ ME, 0.5 * (S + S.mT), 0.5 * (J + J.mT))


def parallel_gains(system: LinearSystem) -> Gains:
    """All gains of a series, by a scan over its stretches; carries are covariances."""
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    update = jax.vmap(CovarianceForm.update)
    A, Q = _along(system.A, steps), _along(system.Q, steps)
    C, noise = _along(system.C, steps), _along(system.noise, steps)
    new = update(Q.at[0].set(system.P), C, noise)
    left = jnp.eye(n, dtype=dtype) - small(new.gain, C)
    UCA = small(small(new.whitener, C), A)
    every = jnp.arange(steps)
    here = every[:, None, None] > 0
    each_step = Stretch(
        E=jnp.where(here, small(left, A), 0.0),
        S=new.carry,
        J=jnp.where(here, small(UCA.mT, UCA), 0.0),
    )
    # A row without noise that has no variance given the state before.
    certain = (jnp.diagonal(new.whitener, axis1=1, axis2=2) == 0) & (C != 0).any(2)

    def of(rows: Iterable[Array]) -> Gains:
        prior, posterior, gain, whitener, log_f, void = rows
        count = jnp.asarray(steps, jnp.int32)
        return Gains(prior, posterior, gain, whitener, log_f, void, every, count)

    def scanned() -> Gains:
        filtered = prefixes(joined, each_step).S
        moved = jax.vmap(CovarianceForm.predict)(filtered[:-1], A[1:], Q[1:])
        prior = jnp.concatenate([system.P[None], moved])
        return of((prior, *update(prior, C, noise)))

    def in_turn() -> Gains:
        result = gains(system, CovarianceForm)
        rows = (leaf[result.where] for leaf in result[:6])
        return of(rows)

    return jax.lax.cond(certain[1:].any(), in_turn, scanned)


def parallel_means(system: LinearSystem, result: Gains) -> Means:
    """The recursion of the means as a scan over affine maps."""
    steps = system.y.shape[0]
    A, C = _along(system.A, steps), _along(system.C, steps)
    J = jnp.eye(system.P.shape[0], dtype=system.P.dtype) - small(result.gain, C)
    push = small(result.gain, system.y) + small(J, _along(system.drift, steps))
    first = small(result.gain[:1], system.y[:1]) + small(J[:1], system.start[None])
    push = jnp.concatenate([first, push[1:]])
    closed = small(J, A).at[0].set(0.0)
    _, posterior = prefixes(_then, (closed, push))
    moved = small(A[1:], posterior[:-1]) + _along(system.drift, steps)[1:]
    prior = jnp.concatenate([system.start[None], moved])
    return Means(prior, posterior, small(result.whitener, system.y - small(C, prior)))


def parallel_adjoint(
    system: LinearSystem,
    result: Gains,
    run: Means,
    length: Int[Array, ""] | int | None = None,
) -> tuple[Float[Array, "steps n columns"], Float[Array, "steps n n"]]:
    """Gradient and curvature of the adjoint (`smoothers/adjoint.py`), an affine recursion backwards."""
    steps = system.y.shape[0]
    n, dtype = system.P.shape[0], system.P.dtype
    real = (jnp.arange(steps) < (steps if length is None else length))[:, None, None]
    A, C = _along(system.A, steps), _along(system.C, steps)
    UC = jnp.where(real, small(result.whitener, C), 0.0)
    J = jnp.eye(n, dtype=dtype) - small(result.gain, C)
    Phi = small(jnp.concatenate([A[1:], A[-1:]]), J)
    push, information = small(UC.mT, jnp.where(real, run.white, 0.0)), small(UC.mT, UC)

    def joined(later: tuple[Array, ...], earlier: tuple[Array, ...]) -> tuple[Array, ...]:
        Phi2, r2, N2 = later
        Phi1, r1, N1 = earlier
        N = small(Phi1.mT, small(N2, Phi1)) + N1
        return small(Phi2, Phi1), small(Phi1.mT, r2) + r1, 0.5 * (N + N.mT)

    _, r, N = prefixes(joined, (Phi, push, information), reverse=True)
    return r, N


def _then(
    first: tuple[Float[Array, "t n n"], Float[Array, "t n k"]],
    second: tuple[Float[Array, "t n n"], Float[Array, "t n k"]],
) -> tuple[Float[Array, "t n n"], Float[Array, "t n k"]]:
    """One affine map after another."""
    return small(second[0], first[0]), small(second[0], first[1]) + second[1]


def _along(block: Array, steps: int) -> Array:
    return jnp.broadcast_to(block, (steps, *block.shape[1:]))
