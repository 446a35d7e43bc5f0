"""Systematic resampling in linear time, without a table or a sort (Kitagawa 1996)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def systematic(
    weights: Float[Array, " particles"], uniform: Float[Array, ""], slots: int
) -> Int[Array, " slots"]:
    """Ancestor of each of `slots` new particles, in increasing order.

    Slot `k` holds the position `(k + uniform) / slots` on the cumulative weights, hence particle `i`
    is drawn `floor` or `ceil` of `slots * weights[i]` times. The number of slots that lie below the
    cumulative weight `c_i` is `ceil(slots * c_i - uniform)`; marking those edges and summing them
    gives the ancestors in O(particles + slots).

    Args:
        weights: non-negative, with a positive sum (they need not sum to one).
        uniform: one draw from [0, 1).
        slots: number of particles to draw.
    """
    cumulative = jnp.cumsum(weights)
    edges = jnp.ceil(slots * (cumulative / cumulative[-1]) - uniform).astype(jnp.int32)
    # The last edge is `slots` but for rounding: leaving it out gives the rest to the last particle.
    marks = jnp.zeros(slots + 1, jnp.int32).at[jnp.clip(edges[:-1], 0, slots)].add(1)
    return jnp.cumsum(marks)[:slots]
