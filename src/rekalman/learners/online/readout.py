"""A readout filtered online over a whole series: one Kalman filter of output weights for each horizon.

Strictly causal: the forecast issued at t uses what came up to t and nothing later. One step of the recursion
is `rekalman.filters.adaptive.readout.learn`.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
from rekalman.filters.adaptive.readout import Readout, learn
from rekalman.foundation.errors import RekalError


def readout_forecasts(
    features: Float[AnyArray, "time features"],
    own: Float[AnyArray, "time horizons obs"],
    values: Float[AnyArray, "time obs"],
    mask: Bool[AnyArray, "time obs"],
    horizons: Sequence[int],
    *,
    forgetting: float = 0.998,
    ridge: float = 10.0,
    huber: float = 1.5,
) -> Float[np.ndarray, "time horizons obs"]:
    """Forecasts issued at each step, with the readout learned from all that was known by then.

    Args:
        features: `phi_t`, of about unit size.
        own: the network's own forecasts issued at t of `z_{t+h}`.
        values: standardised observations; anything where missing.
        mask: True where observed.
        horizons: steps ahead, one for each of the second axis of `own`.
        forgetting: `lambda` in (0, 1].
        ridge: how firmly the weights start at zero, in steps.
        huber: `kappa`: errors above so many times the usual size are held down.

    Returns:
        Forecasts issued at t of `z_{t+h}`, same shape as `own`.

    Raises:
        RekalError: a horizon, the forgetting, the ridge or the Huber constant is out of range.
    """
    if len(horizons) != own.shape[1] or min(horizons) < 1:
        raise RekalError(f"horizons must be {own.shape[1]} positive steps, but are {horizons}")
    if not 0 < forgetting <= 1:
        raise RekalError(f"forgetting must lie in (0, 1], but is {forgetting}")
    if ridge <= 0 or huber <= 0:
        raise RekalError(f"ridge and huber must be positive, but are {ridge} and {huber}")
    steps = len(values)
    size = 1 << (max(steps, 2) - 1).bit_length()  # few lengths, few compilations
    arrays = (
        jnp.asarray(np.pad(np.asarray(a), [(0, size - steps)] + [(0, 0)] * (np.ndim(a) - 1)))
        for a in (features, own, values, mask)
    )
    constants = np.array([forgetting, ridge, huber], np.asarray(features).dtype)
    return np.asarray(_run(*arrays, jnp.asarray(horizons), jnp.asarray(constants)))[:steps]


@jax.jit
def _run(
    features: Array, own: Array, values: Array, mask: Array, horizons: Array, constants: Array
) -> Array:
    """All horizons at once, one scan over time."""
    forgetting, ridge, huber = constants
    steps, p = features.shape
    d = values.shape[1]

    def one(h: Array, own_h: Array) -> Array:
        def step(readout: Readout, row: tuple[Array, ...]) -> tuple[Readout, Array]:
            phi, o, z, seen, phi_now, o_now, known = row
            readout = learn(readout, phi, o, z, seen, known, forgetting, huber)
            return readout, o_now + phi_now @ readout.weights

        t = jnp.arange(steps)
        issued = jnp.maximum(t - h, 0)
        rows = (features[issued], own_h[issued], values, mask, features, own_h, t >= h)
        start = jax.tree.map(lambda leaf: leaf.astype(features.dtype), Readout.start(p, d, ridge))
        return jax.lax.scan(step, start, rows)[1]

    return jax.vmap(one, in_axes=(0, 1), out_axes=1)(horizons, own)
