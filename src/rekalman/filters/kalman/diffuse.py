r"""The exact diffuse start: observations that fix coordinates of the first state nobody knew anything of.

Before any data, some coordinates `delta` of the first state have a flat law. At every step the state is

    x = m + E delta + S z,   z ~ N(0, I),

with a basis `E` of the directions that are still unknown (`A E` after a transition). A scalar observation
`y = c x + noise` of variance `r` that sees one of them, `e = c E != 0`, says nothing of the rest of the
state: it fixes that direction. A reflection `H` turns `e` into `(alpha, 0, ..., 0)`; with `E H = [E1, E2]`
and `k = E1 / alpha` (so that `c k = 1`)

    m <- m + k (y - c m),   S <- [(I - k c) S, sqrt(r) k],   E <- E2,

the limit of the Kalman update for a prior variance that grows without bound (Koopman 1997; Koopman and Durbin
2003, section 5, scalar by scalar). `delta` has one coordinate less, exactly: no rank is ever estimated from
what is left. It works without noise (`r = 0`), where methods that collect the information on `delta` break
down, and steps after which a direction is still unknown are right in all others.

Likelihood. With the flat law's density of one, `y` has the density `1 / |alpha|`: it counts `-log |alpha|`
and no `log 2 pi`. The sum equals the diffuse likelihood of de Jong (1991).

For the smoother each step also keeps what ties the unknown coordinates before it to those after it: with `v`
the innovation and `xi = S z`, `eps` the noise of state and observation,

    delta = Z (v - C xi - eps) + T delta'.

Square roots throughout, whatever the filter carries later: early observations may fix a direction only
poorly, and its variance is then large beside all others.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.kalman.forms import RootForm, Updated, summed_up
from rekalman.filters.kalman.rounding import (
    product_without_rounding,
    row_norms,
    rows_without_rounding,
    safe_sqrt,
    squared_terms,
)
from rekalman.models.roots import compressed


class DiffusePhase(NamedTuple):
    """What the steps with unknown directions leave, beside the gains; zero after them.

    Attributes:
        prior: basis of the unknown directions before each observation.
        posterior: basis after it.
        solution: `Z` of each step.
        rest: `T` of each step.
        root: square root of the covariance before each observation.
        steps: number of steps before which a direction was unknown.
        unknown: which coordinates are still unknown after the last of them.
    """

    prior: Float[Array, "steps n d"]
    posterior: Float[Array, "steps n d"]
    solution: Float[Array, "steps d p"]
    rest: Float[Array, "steps d d"]
    root: Float[Array, "steps n n"]
    steps: Int[Array, ""]
    unknown: Bool[Array, " d"]


class DiffuseUpdate(NamedTuple):
    """One update with unknown directions.

    Attributes:
        update: as for any other filter; its carry is a square root.
        basis: of the directions that are still unknown.
        solution: `Z`.
        rest: `T`; a column of zeros where a coordinate was fixed.
    """

    update: Updated
    basis: Float[Array, "n d"]
    solution: Float[Array, "d p"]
    rest: Float[Array, "d d"]


def moved_basis(E: Float[Array, "n d"], A: Float[Array, "n n"]) -> Float[Array, "n d"]:
    """The basis after a transition."""
    return product_without_rounding(A, E)


def diffuse_update(
    S: Float[Array, "n n"],
    E: Float[Array, "n d"],
    C: Float[Array, "p n"],
    noise: Float[Array, " p"],
) -> DiffuseUpdate:
    """Condition on the observations, one scalar after the other.

    Args:
        S: square root of the covariance given the unknown coordinates.
        E: basis of the unknown directions.
        C: rows of the observations.
        noise: variances of the observations.
    """
    p, n = C.shape
    d, dtype = E.shape[1], S.dtype
    before = row_norms(S)

    def fix(c: Array, r: Array, e: Array, S: Array, E: Array, loss: Array) -> tuple[Array, ...]:
        pivot = jnp.argmax(jnp.abs(e))
        size = jnp.linalg.norm(e)
        alpha = jnp.where(e[pivot] > 0, -size, size)
        w = e.at[pivot].add(-alpha)
        w_scaled = w / (size * (size + jnp.abs(e[pivot])))
        H = jnp.eye(d, dtype=dtype) - w_scaled[:, None] * w
        turned = E @ H
        terms = jnp.abs(E) + (jnp.abs(E) @ jnp.abs(w_scaled))[:, None] * jnp.abs(w)
        turned = jnp.where(jnp.abs(turned) <= 4 * d * jnp.finfo(dtype).eps * terms, 0.0, turned)
        k = turned[:, pivot] / alpha
        cS = c @ S
        held = S - k[:, None] * cS
        held = rows_without_rounding(held, row_norms(S) + jnp.abs(k) * jnp.abs(cS).sum(), 4 * n)
        root = compressed(jnp.concatenate([held, (safe_sqrt(r) * k)[:, None]], 1))
        left = turned.at[:, pivot].set(0.0)
        rest = jnp.where(jnp.arange(d) == pivot, 0.0, 1.0)
        return root, left, k, size**2, loss, H, H[:, pivot] / alpha, rest

    def condition(
        c: Array, r: Array, e: Array, S: Array, E: Array, loss: Array
    ) -> tuple[Array, ...]:
        terms = squared_terms(c[None], jnp.maximum(before, row_norms(S)))[0]
        root, g, f, loss = RootForm.scalar(S, c, r, terms, loss)
        return root, E, g, f, loss, jnp.eye(d, dtype=dtype), jnp.zeros(d, dtype), jnp.ones(d, dtype)

    def step(i: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        S, E, loss, G, innovator, f, fixes, Z, T = state
        c = C[i]
        row = jnp.zeros(p, dtype).at[i].set(1.0) - (c @ G) @ innovator
        e = product_without_rounding(c, E)
        sees = (e != 0).any()
        S, E, g, spread, loss, H, way, left = jax.lax.cond(
            sees, fix, condition, c, noise[i], e, S, E, loss
        )
        Z = Z + (T @ way)[:, None] * row
        T = (T @ H) * left
        here = (G.at[:, i].set(g), innovator.at[i].set(row), f.at[i].set(spread))
        return S, E, loss, *here, fixes.at[i].set(sees), Z, T

    zeros = jnp.zeros((n, p), dtype), jnp.zeros((p, p), dtype), jnp.zeros(p, dtype)
    start = S, E, jnp.ones((), dtype), *zeros, jnp.zeros(p, bool)
    state = (*start, jnp.zeros((d, p), dtype), jnp.eye(d, dtype=dtype))
    S, E, _, G, innovator, f, fixes, Z, T = jax.lax.fori_loop(0, p, step, state)
    judged = (f > 0) & ~fixes
    return DiffuseUpdate(summed_up(S, G, innovator, f, judged, ~judged), E, Z, T)
