"""A network that tells of the steps ahead, from every step of a series."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.core.gaussian import DiagonalGaussian
from rekalman.data import AnyArray
from rekalman.networks.beliefs import Evidence
from rekalman.networks.network import Decoded, Network


class Forecaster(Network):
    """Forecasts 1 to `ahead` steps from every step, so that training on them is training on what is asked.

    From the belief after each observation the layer runs on with nothing seen. The decoder, a Gaussian one,
    says of each of these steps how far the target moves in it (Shaj et al. 2020 decode differences too); the
    moves are summed up, means and variances alike. The targets to train on are therefore those of `moves`.

    Attributes:
        ahead: number of steps.
    """

    ahead: int = eqx.field(static=True, default=1)

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of what it tells at each step: all moves, one after the other."""
        (targets,) = super().target_shape
        return (self.ahead * targets,)

    def run(
        self,
        values: AnyArray,
        seen: Bool[AnyArray, "batch time"] | None = None,
        inputs: Float[AnyArray, "batch time input"] | None = None,
        dt: Float[AnyArray, "batch time"] | None = None,
        start: None = None,
    ) -> Decoded:
        """Filter whole series and forecast from every step.

        Inputs and time steps that lie after the end count as 0 and 1; no target depends on them.

        Args:
            values: `(batch, time, *shape)`.
            seen: which steps were observed; None = all.
            inputs: `u_t` drives the step into `t`; they are known ahead.
            dt: time since the step before.
            start: the belief after the step before the first; None = `init`.
        """
        inputs, dt = (None if each is None else jnp.asarray(each) for each in (inputs, dt))
        track = self.layer.run(self.encode(values, seen), inputs, dt, start)
        batch, time = values.shape[:2]
        origins = jax.tree.map(lambda x: x.reshape(batch * time, *x.shape[2:]), track.posterior)
        shape = (batch * time, self.ahead)
        nothing = Evidence(
            jnp.zeros((*shape, self.layer.latent), jnp.float32),
            jnp.ones((*shape, self.layer.latent), jnp.float32),
            jnp.zeros(shape, bool),
        )
        ahead = self.layer.run(nothing, self._next(inputs, 0.0), self._next(dt, 1.0), origins)
        move = self.observe(ahead.posterior)
        mean, var = (x.cumsum(1).reshape(batch, time, -1) for x in (move.mean, move.var))
        return Decoded(DiagonalGaussian(mean, var), track.last)

    def _next(self, rows: Array | None, fill: float) -> Array | None:
        """Of every step the rows of the next ones: `(batch, time, ...)` to `(batch * time, ahead, ...)`."""
        if rows is None:
            return None
        time = rows.shape[1]
        after = [(0, 0), (0, self.ahead)] + [(0, 0)] * (rows.ndim - 2)
        longer = jnp.pad(rows, after, constant_values=fill)
        which = jnp.arange(time)[:, None] + jnp.arange(1, self.ahead + 1)
        return longer[:, which].reshape(-1, self.ahead, *rows.shape[2:])


def moves(
    positions: Float[Array, "batch time target"], ahead: int
) -> Float[Array, "batch time moves"]:
    """Targets of a `Forecaster`: how far positions have moved 1, 2, ... `ahead` steps later.

    Args:
        positions: what is forecast; NaN where it is not known.
        ahead: number of steps.

    Returns:
        Step after step in one vector; NaN where a position is not known or the series has ended.
    """
    time = positions.shape[1]
    longer = jnp.pad(positions, ((0, 0), (0, ahead), (0, 0)), constant_values=jnp.nan)
    parts = [longer[:, k : k + time] - positions for k in range(1, ahead + 1)]
    return jnp.concatenate(parts, -1)
