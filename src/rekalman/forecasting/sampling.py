"""Possible futures, drawn from a forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.forecasting.laws import root_of

if TYPE_CHECKING:
    from rekalman.forecasting.result import Forecast


def joint_draws(
    forecast: Forecast, key: PRNGKeyArray, n: int
) -> Float[Array, "samples origins horizons obs"]:
    """Draws of all horizons and columns together, before the inverse of a transform.

    The horizons of one draw follow one particle and its columns share their noise, so a draw is a joint one
    of all that is forecast from an origin. Pixels that are on or off are independent given their
    probabilities.
    """
    pick_key, noise_key = jax.random.split(key)
    means = jnp.asarray(forecast.means)
    cumulative = jnp.cumsum(jnp.exp(jnp.asarray(forecast.log_weights)), axis=1)
    uniform = jax.random.uniform(pick_key, (len(means), n), means.dtype) * cumulative[:, -1:]
    chosen = jax.vmap(lambda c, u: jnp.searchsorted(c, u, side="right"))(cumulative, uniform)
    chosen = jnp.minimum(chosen, means.shape[2] - 1).T
    drawn = means[jnp.arange(len(means)), :, chosen]
    if forecast.binary:
        return (jax.random.uniform(noise_key, drawn.shape, drawn.dtype) < drawn).astype(drawn.dtype)
    root = root_of(jnp.asarray(forecast.cov))
    noise = jax.random.normal(noise_key, drawn.shape, drawn.dtype)
    return drawn + (root * noise[..., None, :]).sum(-1)
