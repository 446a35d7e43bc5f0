"""All that enters the recursion of an RKN and needs no belief, worked out for all steps at once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from rekalman.networks.beliefs import Evidence, Factorised
from rekalman.networks.rkn.banded import Moments
from rekalman.networks.rkn.cell import Move, Steps
from rekalman.networks.rkn.coefficients import Coefficients
from rekalman.networks.rkn.options import Control, RKNOptions


def clean(evidence: Evidence, dtype: Any) -> tuple[Array, Array, Array]:
    """Mean, variance and a 0 or 1, `(..., 1)`; harmless numbers stand for what was not seen.

    Variances are held within 1e-30 and 1e30, between which float32 can divide; negative ones become NaN.
    """
    seen = evidence.seen[..., None]
    mean = jnp.where(seen, evidence.mean, 0.0).astype(dtype)
    var = jnp.where(seen, evidence.var, 1.0).astype(dtype)
    var = jnp.where(var < 0, jnp.nan, jnp.clip(var, 1e-30, 1e30))
    return mean, var, seen.astype(mean.dtype)


def moments_of(belief: Factorised) -> Moments:
    """A belief as the recursion carries it."""
    latent = belief.upper.shape[-1]
    parts = (belief.mean[..., :latent], belief.mean[..., latent:])
    return Moments(*parts, belief.upper, belief.lower, belief.side)


def belief_of(x: Moments, features: Float[Array, "*batch features"] | None) -> Factorised:
    """The inverse of `moments_of`."""
    return Factorised(jnp.concatenate([x.p, x.q], -1), x.u, x.l, x.s, features)


def frame_features(evidence: Evidence, dtype: Any) -> Float[Array, "*batch features"]:
    """What a frame tells the coefficient network: mean, variance, and whether it was there."""
    mean, var, seen = clean(evidence, dtype)
    return jnp.concatenate([mean, var * seen, seen], -1)


def moves_of(
    coefficients: Coefficients,
    control: Control | None,
    options: RKNOptions,
    lead: tuple[int, int],
    u: Float[Array, "batch time input"] | None,
    dt: Float[Array, "batch time"] | None,
    before: Float[Array, "batch time features"] | None,
) -> Move:
    """What is known of all transitions, time first.

    In continuous time a step of `dt` is `substeps` steps of `dt / substeps`.

    Args:
        coefficients: the coefficient network.
        control: the network of the inputs.
        options: those of the RKN.
        lead: number of series and of steps.
        u: inputs.
        dt: time steps.
        before: features of the frame before each step, where they mix the transition.
    """
    dtype = coefficients.known.bias.dtype
    known = [before] if before is not None else []
    if options.timed == "coefficients" and dt is not None:
        known.append(dt[..., None].astype(dtype))
    joined = jnp.concatenate(known, -1) if known else jnp.zeros((*lead, 0), dtype)
    added = None
    if control is not None and u is not None:
        added = control(u.astype(dtype)).reshape(*lead, 2, -1)
    moves = time_first(Move(coefficients.known(joined), added))
    if options.timed != "continuous" or dt is None:
        return moves
    n = options.substeps
    length = jnp.repeat(dt.T.astype(dtype) / n, n, 0)[..., None]
    often: Move = jax.tree.map(lambda leaf: jnp.repeat(leaf, n, 0), moves)
    if often.control is not None:
        often = often._replace(control=often.control * length[..., None])
    return often._replace(length=length)


def steps_of(evidence: Evidence, moves: Move, substeps: int) -> Steps:
    """The steps of a recursion that begins at the first observation.

    Args:
        evidence: encoded observations, leaves `(batch, time, ...)`.
        moves: all transitions, `substeps` of them into each observation.
        substeps: steps from one observation to the next.
    """
    mean, var, seen = time_first(clean(evidence, moves.known.dtype))
    if substeps == 1:
        return Steps(moves, mean, var, seen)
    often = Steps(moves, *(jnp.repeat(each, substeps, 0) for each in (mean, var, seen)))
    steps: Steps = jax.tree.map(lambda leaf: leaf[substeps - 1 :], often)
    observed = (jnp.arange(len(steps.seen)) % substeps == 0)[:, None, None]
    return steps._replace(seen=steps.seen * observed)


def time_first(tree: PyTree) -> Any:
    """`(batch, time, ...)` to `(time, batch, ...)`, and back."""
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), tree)
