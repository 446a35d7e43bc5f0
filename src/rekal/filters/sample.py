"""One raw observation, checked and brought into the shape in which filters encode a series."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from rekal.errors import RekalError
from rekal.sequences.numeric import numeric_array

Row = tuple[Float[Array, "one obs"], Bool[Array, "one obs"], Float[Array, "one input"] | None]


def observation_row(model: Any, dtype: Any, y: Any, u: Any = None, mask: Any = None) -> Row:
    """Values, mask and inputs of one step, each with a leading axis of one.

    Args:
        model: what is filtered; says how many columns and inputs there are.
        dtype: of the belief.
        y: one number for each observed column; NaN and what a masked array hides is missing, None = all are.
        u: inputs of this step, for a model that has inputs.
        mask: True where observed; default where `y` is no NaN.

    Raises:
        RekalError: a wrong number of columns or inputs, or an infinite value (as far as values can be looked
            at: not while they are traced).
    """
    p, k = model.observations, model.n_inputs
    values = jnp.full(p, jnp.nan, dtype) if y is None else _row(y, dtype, "y")
    if values.shape != (p,):
        raise RekalError(f"y has shape {values.shape}, but the model observes {p} columns: ({p},)")
    known = ~jnp.isnan(values)
    if mask is not None:
        given = jnp.atleast_1d(jnp.asarray(mask, bool))
        if given.shape != (p,):
            raise RekalError(f"the mask has shape {given.shape}, but ({p},) would fit")
        known = known & given
    if not isinstance(values, Tracer) and not isinstance(known, Tracer):
        infinite = np.isinf(np.asarray(values)) & np.asarray(known)
        if infinite.any():
            raise RekalError(f"column {int(np.argmax(infinite))} of y is infinite")
    row = jnp.where(known, values, 0.0)[None], known[None]
    if (u is not None) != bool(k):
        raise RekalError(
            f"the model has {k} inputs, which every step must bring"
            if k
            else "the model takes no inputs, so leave u out"
        )
    if u is None:
        return (*row, None)
    drive = _row(u, dtype, "u")
    if drive.shape != (k,):
        raise RekalError(f"u has shape {drive.shape}, but the model has {k} inputs: ({k},)")
    if not isinstance(drive, Tracer) and not np.isfinite(np.asarray(drive)).all():
        raise RekalError("an input is missing or infinite: inputs must be known")
    return (*row, drive[None])


def _row(data: Any, dtype: Any, what: str) -> Array:
    """Numbers of one step, NaN where one is missing."""
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(data))
    return jnp.atleast_1d(jnp.asarray(data if traced else numeric_array(data, what), dtype))
