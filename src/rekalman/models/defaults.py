"""What the makers of linear models share: blocks left out are zero, and how a series may start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError

Initial = Literal["given", "stationary", "diffuse"]


def filled(
    given: Mapping[str, AnyArray | None], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Every block as an array of the computation's precision, one that was left out as zeros.

    Args:
        given: the blocks by name, None where left out.
        shapes: their shapes (of those that are left out, at least).
    """
    dtype = jnp.result_type(float)
    return {
        name: jnp.zeros(shapes[name], dtype) if block is None else jnp.asarray(block, dtype)
        for name, block in given.items()
    }


def input_count(*weights: AnyArray | None) -> int:
    """Number of inputs, from whichever weights of inputs are given; 0 without any."""
    return next((np.shape(w)[-1] for w in weights if w is not None and np.ndim(w)), 0)


def start_of(
    P: AnyArray | None, states: int, initial: Initial, flat: tuple[int, ...] | None
) -> tuple[Float[Array, "states states"], tuple[int, ...]]:
    """Covariance of the first state (default: identity) and its diffuse coordinates.

    A diffuse coordinate has no row or column in the covariance.

    Raises:
        RekalError: an unknown kind of start; `flat` with a start that is not diffuse, or naming a
            coordinate that does not exist.
    """
    if initial not in ("given", "stationary", "diffuse"):
        raise RekalError(f"initial must be 'given', 'stationary' or 'diffuse', but is {initial!r}")
    dtype = jnp.result_type(float)
    cov = jnp.eye(states, dtype=dtype) if P is None else jnp.asarray(P, dtype)
    if initial != "diffuse":
        if flat is not None:
            raise RekalError(f"flat belongs to initial='diffuse', but initial is {initial!r}")
        return cov, ()
    chosen = tuple(range(states)) if flat is None else tuple(sorted(set(flat)))
    if any(not 0 <= i < states for i in chosen):
        raise RekalError(f"flat names the coordinates {chosen}, but there are {states} states")
    if cov.shape != (states, states):
        return cov, chosen  # whoever checks the shapes says what is wrong
    known = jnp.array([i not in chosen for i in range(states)], bool)
    return jnp.where(known[:, None] & known[None, :], cov, 0.0), chosen
