r"""The marginal forward-backward particle smoother (paper, eq. 17-20; Klaas et al. 2006).

Backward recursion for the smoothed weights $v$, from $v_T = w_T$:

$$
v_t^i = w_t^i \sum_j \frac{v_{t+1}^j P_t^{ij}}{\sum_k w_t^k P_t^{kj}}, \qquad
P_t^{ij} = p(x_{t+1}^j \mid x_t^i),
$$

and the joint weight of the pair ($i$ at $t$, $j$ at $t+1$) is the summand (eq. 20). The paper's eq. 23 has
$w_t^k$ in the denominator where eq. 20 needs the weight of the earlier step: ours follows eq. 20.

Cost. With $J^{ij} = w_t^i P_t^{ij}$ and $r_j = v_{t+1}^j / \sum_k J^{kj}$ one product $J\,[r, r g(x_{t+1})]$
gives both the weights (first column) and, per particle $i$, the sum over $j$ of the joint weights times $g$;
hence the pair moment $\operatorname{E}[g(x_{t+1}) h(x_t)^\top]$ costs no second pass. No $N \times N$ table
is kept: memory is $O(T N)$, time $O(T N^2)$.

Singular process noise. A particle can come only from those whose mean it differs from by a vector in the
range of `Q`: mostly its own ancestor, and others that share the components without noise. The recursion
above is then a smoother along the ancestral lines of the filter (Kitagawa 1996), which thin out backwards:
`check_lines` says whether enough are left.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from rekalman.core.beliefs import Path
from rekalman.foundation.errors import RekalError
from rekalman.models.base import StateSpaceModel
from rekalman.models.gaussian import everywhere
from rekalman.numerics.precision import in_own_precision


class Smoothed(NamedTuple):
    """Smoothed weights `(steps, particles)` on the filter's particles, and the pair moment."""

    weights: Float[Array, "steps particles"]
    pair_moment: Float[Array, "new old"]


@in_own_precision
def smooth_marginal(
    model: StateSpaceModel,
    path: Path,
    inputs: Float[Array, "steps input"] | None,
    dt: Float[Array, " steps"] | None,
    valid: Bool[Array, " steps"],
    new: Float[Array, "steps particles new"],
    old: Float[Array, "steps particles old"],
) -> Smoothed:
    r"""Smooth one series.

    Args:
        model: gives the pair densities.
        path: what the filter left.
        inputs: `u_t`, or None.
        dt: time steps, or None.
        valid: False for the padding at the end of a shorter series.
        new: a function `g` of every particle.
        old: a function `h` of every particle.

    Returns:
        The smoothed weights and $\sum_t \operatorname{E}[g(x_t) h(x_{t-1})^\top]$ over the valid transitions.
    """
    tail = lambda leaf: None if leaf is None else leaf[1:]  # noqa: E731
    tables = model.pair_tables(path.x[:-1], path.x[1:], tail(inputs), tail(dt))
    ones_new = jnp.concatenate([jnp.ones((*new[1:].shape[:2], 1), new.dtype), new[1:]], -1)

    rows = (path.log_weights[:-1], path.ancestors[1:], ones_new, old[:-1], valid[1:])

    def step(carry: tuple[Array, Array], row: PyTree) -> tuple[tuple[Array, Array], Array]:
        v, moment = carry
        (old_table, new_table), (log_w, _, g, h, live) = row
        # With the weights inside the exponent no column can underflow as a whole.
        log_joint = model.log_pairs(old_table, new_table) + log_w[:, None]
        joint = jnp.exp(log_joint - log_joint.max(0))
        sums = joint @ ((v / joint.sum(0))[:, None] * g)
        v_old = jnp.where(live, sums[:, 0], jnp.exp(log_w))
        moment = moment + jnp.where(live, sums[:, 1:].T @ h, 0.0)
        return (v_old, moment), v_old

    def confined_step(carry: tuple[Array, Array], row: PyTree) -> tuple[tuple[Array, Array], Array]:
        v, moment = carry
        (old_table, new_table), (log_w, ancestors, g, h, live) = row
        log_joint = model.log_pairs(old_table, new_table) + log_w[:, None]
        top = log_joint.max(0)
        reached = jnp.isfinite(top)
        joint = jnp.exp(log_joint - jnp.where(reached, top, 0.0))
        sums = joint @ (jnp.where(reached, v / joint.sum(0), 0.0)[:, None] * g)
        # Where rounding hides the way from its ancestor, a particle has come from there all the same.
        sums = sums.at[ancestors].add(jnp.where(reached, 0.0, v)[:, None] * g)
        v_old = jnp.where(live, sums[:, 0], jnp.exp(log_w))
        moment = moment + jnp.where(live, sums[:, 1:].T @ h, 0.0)
        return (v_old, moment), v_old

    last = jnp.exp(path.log_weights[-1])
    start = (last, jnp.zeros((new.shape[-1], old.shape[-1]), new.dtype))

    def regular() -> tuple[Array, Array]:
        (_, moment), v = jax.lax.scan(step, start, (everywhere(tables), rows), reverse=True)
        return moment, v

    def confined() -> tuple[Array, Array]:
        (_, moment), v = jax.lax.scan(confined_step, start, (tables, rows), reverse=True)
        return moment, v

    singular = model.confined(tail(dt))
    moment, v = regular() if singular is None else jax.lax.cond(singular, confined, regular)
    return Smoothed(jnp.concatenate([v, last[None]]), moment)


LEAST_LINES = 25
"""Effective ancestral lines below which a smoothed moment is an accident: its error is 1 / 5 deviation."""


def check_lines(
    model: StateSpaceModel,
    weights: Float[Array, "steps particles"],
    valid: Bool[np.ndarray, " steps"] | None = None,
) -> None:
    """With singular process noise enough ancestral lines are left at every step.

    Args:
        model: the model that was smoothed.
        weights: the smoothed weights of one series.
        valid: False for the padding at its end.

    Raises:
        RekalError: fewer than `LEAST_LINES`; the sentence names the step, counted from 0.
    """
    if isinstance(weights, Tracer) or not model.singular_transition:
        return
    lines = 1 / np.maximum((np.asarray(weights, np.float64) ** 2).sum(-1), 1e-300)
    lines = lines if valid is None else np.where(valid, lines, np.inf)
    t = int(np.argmin(lines))
    if lines[t] < LEAST_LINES:
        raise RekalError(
            f"Q is singular, so particles are smoothed along their ancestral lines, of which "
            f"{weights.shape[-1]} particles leave only {lines[t]:.0f} at step {t} (counted from 0), where "
            f"{LEAST_LINES} are needed: use more particles, or smooth by Kalman, ExtendedKalman or "
            "UnscentedKalman"
        )


def smooth_particles(
    model: StateSpaceModel,
    path: Path,
    inputs: Float[Array, "batch steps input"] | None,
    dt: Float[Array, "batch steps"] | None,
    lengths: Int[np.ndarray, " batch"],
) -> Path:
    """The clouds of several series with smoothed weights.

    Args:
        model: the model that was filtered.
        path: what the filter left of the series, padded at their ends to one length.
        inputs: known inputs.
        dt: time since the step before, of a model in continuous time.
        lengths: numbers of real steps.

    Raises:
        RekalError: `check_lines`.
    """
    valid = jnp.asarray(np.arange(path.x.shape[1]) < lengths[:, None])
    weights = _smooth_each(model, (path, inputs, dt, valid))
    for series, length in zip(weights, lengths, strict=True):
        check_lines(model, series[: int(length)])
    return eqx.tree_at(lambda path: path.log_weights, path, jnp.log(weights))


@eqx.filter_jit
def _smooth_each(model: StateSpaceModel, rows: PyTree) -> Float[Array, "batch steps particles"]:
    """Smoothed weights of several series, one after the other."""

    def one(row: PyTree) -> Array:
        path, inputs, dt, valid = row
        nothing = jnp.zeros((*path.x.shape[:2], 0), path.x.dtype)
        return smooth_marginal(model, path, inputs, dt, valid, nothing, nothing).weights

    return jax.lax.map(one, rows)
