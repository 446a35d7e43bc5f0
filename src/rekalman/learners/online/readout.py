r"""Online filtering of a readout: one Kalman filter of output weights for each horizon.

A network that was trained once issues at time t its own forecast `o_t` of `z_{t+h}`. What it misses
is predicted from features `phi_t` (its filtered state, its last innovations, one):

    forecast_t = o_t + W_h' phi_t,         W_h = 0 at the start.

When `z_t` arrives, the error of the forecast issued h steps ago is known, and with it the state
equation `W_h(t) = W_h(t - 1)` has an observation: recursive least squares (Haykin, Adaptive Filter
Theory, ch. 10), which is the Kalman filter of constant weights,

    r = z_t - o_{t-h} - W_h' phi_{t-h}
    g = P phi / (lambda / w + phi' P phi),     W_h += g r',     P = (P - g phi' P) / lambda,

with `P = I / ridge` at the start and forgetting `lambda` (1 = none). The weight

    w = min(1, kappa s / |r|),     s^2 <- 0.99 s^2 + 0.01 min(|r|^2, 9 s^2),

is Huber's (Robust Statistics, 1981, ch. 7): a cough moves the weights in proportion to `s`, not to
its size. `P` is shared by all outputs and, but for `w`, does not depend on the labels. Where a share
of the entries of `z_t` is missing, their columns of `W_h` stand and `w` is multiplied by the share
seen; where all are missing nothing changes.

Strictly causal: the forecast issued at t uses labels up to `z_t` and nothing later.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
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
        def step(
            carry: tuple[Array, Array, Array], row: tuple[Array, ...]
        ) -> tuple[tuple[Array, Array, Array], Array]:
            W, P, size = carry
            phi, o, z, seen, phi_now, o_now, known = row
            r = jnp.where(seen, z - o - phi @ W, 0.0)
            share = jnp.where(known, seen.mean(), 0.0)
            square = (r * r).sum() / jnp.maximum(share, 1.0 / d)
            size_now = jnp.where(size < 0, square, size)
            w = share * jnp.minimum(1.0, huber * jnp.sqrt(size_now / (square + 1e-12)))
            Pphi = P @ phi
            gain = w * Pphi / (forgetting + w * (phi @ Pphi))
            smaller = (P - gain[:, None] * Pphi[None, :]) / forgetting
            new = (
                W + gain[:, None] * r[None, :],
                0.5 * (smaller + smaller.T),
                0.99 * size_now + 0.01 * jnp.minimum(square, 9 * size_now),
            )
            W, P, size = (
                jnp.where(share > 0, after, before)
                for after, before in zip(new, carry, strict=True)
            )
            return (W, P, size), o_now + phi_now @ W

        t = jnp.arange(steps)
        issued = jnp.maximum(t - h, 0)
        rows = (features[issued], own_h[issued], values, mask, features, own_h, t >= h)
        start = (
            jnp.zeros((p, d), features.dtype),
            jnp.eye(p, dtype=features.dtype) / ridge,
            jnp.asarray(-1.0, features.dtype),
        )
        return jax.lax.scan(step, start, rows)[1]

    return jax.vmap(one, in_axes=(0, 1), out_axes=1)(horizons, own)
