"""The latent axis of a recursion, filled up to whole vector registers.

The latent axis is the fast one, and compiled loops take it eight numbers at a time: fifteen cost more than
sixteen. Coordinates are added that nothing else feels and that feel nothing else: they are never observed
away from 0, their transition is the identity in every basis (and so in every mixture, whose shares sum to 1,
and after steps of any length), and no basis joins them to others. Their variances stay positive and finite.

What the diagonals of the bases hold beyond the ends of the matrix would join them: it is taken as 0.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.networks.rkn.banded import Moments
from rekalman.networks.rkn.cell import Dynamics, Steps

LANES = 8
MOST = 3
"""No more coordinates are added than these: half a register for nothing would cost what is gained.

Nor is less than one register filled up, where the rest of a step takes longer than its arithmetic.
"""


def filled(latent: int) -> int:
    """How long the latent axis is to be."""
    more = -latent % LANES
    return latent + more if more <= MOST and latent > LANES else latent


def fill(dynamics: Dynamics, first: Moments, steps: Steps) -> tuple[Dynamics, Moments, Steps]:
    """All that enters a recursion, with coordinates added at the end."""
    latent = first.p.shape[-1]
    more = filled(latent) - latent
    if not more:
        return dynamics, first, steps

    def pad(x: Array, value: float) -> Array:
        return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)], constant_values=value)

    state, control = dynamics.state, steps.move.control
    if state is not None:
        halves = jnp.pad(state.reshape(2, latent, -1), ((0, 0), (0, more), (0, 0)))
        state = halves.reshape(2 * (latent + more), -1)
    return (
        dynamics._replace(
            bases=_bases(dynamics.bases, more), state=state, noise=pad(dynamics.noise, 1.0)
        ),
        Moments(
            *(pad(x, value) for x, value in zip(first, (0.0, 0.0, 1.0, 1.0, 0.0), strict=True))
        ),
        steps._replace(
            move=steps.move._replace(control=None if control is None else pad(control, 0.0)),
            mean=pad(steps.mean, 0.0),
            var=pad(steps.var, 1.0),
        ),
    )


def cut(x: Moments, latent: int) -> Moments:
    """Beliefs without the added coordinates."""
    return x if x.p.shape[-1] == latent else jax.tree.map(lambda part: part[..., :latent], x)


def _bases(
    bases: Float[Array, "bases 4 diagonals latent"], more: int
) -> Float[Array, "bases 4 diagonals filled"]:
    diagonals, latent = bases.shape[2:]
    half = diagonals // 2
    column = jnp.arange(latent) + jnp.arange(-half, half + 1)[:, None]
    inside = jnp.where((column >= 0) & (column < latent), bases, 0.0)
    longer = jnp.pad(inside, ((0, 0), (0, 0), (0, 0), (0, more)))
    return longer.at[:, jnp.array([0, 3]), half, latent:].set(1.0)
