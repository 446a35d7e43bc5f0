"""Beliefs as named arrays, exactly, and back; and whether one is finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from rekalman.core.beliefs import GaussianBelief, Particles
from rekalman.foundation.errors import RekalError

KINDS = (Particles, GaussianBelief)
"""Beliefs, or parts of them, whose numbers need a look of their own."""


def is_finite(belief: Any) -> Bool[Array, ""]:
    """Whether every number of a belief is finite. The log weight of a particle may be minus infinity."""
    leaves = []
    for part in jax.tree.leaves(belief, is_leaf=lambda each: isinstance(each, KINDS)):
        if isinstance(part, Particles):
            weights = part.log_weights
            leaves += [jnp.where(jnp.isneginf(weights), 0.0, weights), jnp.max(weights), part.x]
        elif isinstance(part, GaussianBelief):
            leaves += [*jax.tree.leaves(part), part.mean, part.cov]
        else:
            leaves.append(part)
    real = [leaf for leaf in leaves if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in real]).all()


def belief_arrays(belief: Any) -> dict[str, np.ndarray]:
    """The arrays of a belief by their places in it; the states of random generators as whole numbers."""
    return {name: np.asarray(_plain(leaf)) for name, leaf in _named(belief)}


def belief_from(shapes: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Rebuild a belief.

    Args:
        shapes: a belief of the same filter, of arrays or their shapes and types.
        arrays: what `belief_arrays` gave.

    Raises:
        RekalError: an array is missing, unknown, or of another shape or type.
    """
    named, left = _named(shapes), dict(arrays)
    leaves = []
    for name, expected in named:
        if name not in left:
            raise RekalError(f"{name!r} is missing")
        array = left.pop(name)
        key = jnp.issubdtype(expected.dtype, jax.dtypes.prng_key)
        plain = jax.eval_shape(jax.random.key_data, expected) if key else expected
        if array.shape != plain.shape:
            raise RekalError(f"{name!r} has shape {array.shape}, not {plain.shape}")
        if array.dtype != plain.dtype:
            raise RekalError(
                f"{name!r} is of type {array.dtype}, but {plain.dtype} is computed with here: "
                "set the precision (JAX_ENABLE_X64) as it was when the file was written"
            )
        value = jnp.asarray(array)
        leaves.append(jax.random.wrap_key_data(value) if key else value)
    if left:
        raise RekalError(f"the belief has no array {min(left)!r}")
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _named(belief: Any) -> list[tuple[str, Any]]:
    """Every leaf with its place, such as `belief.x`."""
    leaves = jax.tree_util.tree_leaves_with_path(belief)
    return [(f"belief{jax.tree_util.keystr(path)}", leaf) for path, leaf in leaves]


def _plain(leaf: Any) -> Any:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf
