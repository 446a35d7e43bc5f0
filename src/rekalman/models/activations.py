"""The elementwise functions a network may use, by name (a model file stores the name)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from rekalman.foundation.errors import RekalError

Activation = str | Callable[[Array], Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "softsign": jax.nn.soft_sign,
    "sin": jnp.sin,
    "erf": jax.scipy.special.erf,
}

UNBOUNDED = ("identity", "relu", "softplus")
"""Those that grow without bound with their argument."""


def activation_function(activation: Activation) -> Callable[[Array], Array]:
    """The function behind a name, or the callable itself.

    Raises:
        RekalError: the name is unknown.
    """
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise RekalError(f"unknown activation {activation!r}: use one of {known}, or a function")
    return ACTIVATIONS[activation]


def activation_slope(activation: Activation, x: Array) -> Array:
    """Elementwise derivative at `x`."""
    if activation == "tanh":
        f = jnp.tanh(x)
        return 1 - f * f
    if activation == "identity":
        return jnp.ones_like(x)
    f = activation_function(activation)
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]
