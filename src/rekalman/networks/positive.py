"""Positive numbers from unbounded ones, by name: variances of encoders, heads and process noise.

    elu1(x)     = x + 1 for x > 0, exp(x) else       (elu(x) + 1: Becker et al. 2019)
    softplus(x) = log(1 + exp(x))                    (the authors' later code)
    exp(x)

Each is positive in float32 for every finite `x` and has an exact inverse, so that an initial variance can be
set. `exp` is held to exp(-80) ... exp(80): outside, variances and their squares leave float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError

FAR = 80.0


class Positive(NamedTuple):
    """A map onto the positive numbers and its inverse."""

    forward: Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]]
    inverse: Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]]


def _elu1(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # exp sees no positive argument: infinity in the branch not taken would poison the gradient.
    return jnp.where(x > 0, x + 1, jnp.exp(jnp.clip(x, -FAR, 0.0)))


def _elu1_inverse(v: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.where(v > 1, v - 1, jnp.log(jnp.minimum(v, 1.0)))


def _softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jax.nn.softplus(jnp.maximum(x, -FAR))


def _softplus_inverse(v: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return v + jnp.log(-jnp.expm1(-v))


def _exp(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.exp(jnp.clip(x, -FAR, FAR))


POSITIVE: dict[str, Positive] = {
    "elu1": Positive(_elu1, _elu1_inverse),
    "softplus": Positive(_softplus, _softplus_inverse),
    "exp": Positive(_exp, jnp.log),
}


def positive(name: str) -> Positive:
    """The positive map of a name.

    Raises:
        RekalError: the name is unknown.
    """
    if name not in POSITIVE:
        known = ", ".join(POSITIVE)
        raise RekalError(f"unknown positive map {name!r}: use one of {known}")
    return POSITIVE[name]
