"""One raw observation, checked and brought into the shape in which filters encode a series."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from rekalman.data.numeric import numeric_array
from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import placed


class FilmRow(NamedTuple):
    """What a step of a film brings, of one step or with leading axes; of masks likewise.

    Attributes:
        frame: pixels as bytes `(height, width, channel)`; of a mask whether the frame is seen.
        target: what is to be told of the step `(obs,)`; of a mask what of it is known.

    Examples:
        >>> import numpy as np
        >>> from rekalman.core.row import FilmRow
        >>> row = FilmRow(np.zeros((8, 8, 1), np.uint8), np.array([0.5]))
        >>> known = FilmRow(np.array(True), np.array([False]))  # a frame whose target is not known
        >>> row.frame.shape, bool(known.frame)
        ((8, 8, 1), True)
    """

    frame: Array
    target: Array


Row = tuple[Float[Array, "one obs"], Bool[Array, "one obs"], Float[Array, "one input"] | None]


def observation_row(
    observations: int, n_inputs: int, dtype: Any, y: Any, mask: Any = None, u: Any = None
) -> Row:
    """Values, mask and inputs of one step, each with a leading axis of one.

    Args:
        observations: number of observed columns.
        n_inputs: number of known inputs.
        dtype: of the belief.
        y: one number for each observed column; NaN and what a masked array hides is missing, None = all are.
        mask: True where observed; default where `y` is no NaN.
        u: inputs of this step, for a filter that has inputs.

    Raises:
        RekalError: a wrong number of columns or inputs, a mask that is not of booleans, or an infinite value
            (as far as values can be looked at: not while they are traced).
    """
    p, k = observations, n_inputs
    values: Any = np.full(p, np.nan, dtype) if y is None else _row(y, dtype, "y")
    if values.shape != (p,):
        raise RekalError(f"y has shape {values.shape}, but the model observes {p} columns: ({p},)")
    traced = isinstance(values, Tracer) or isinstance(mask, Tracer)
    xp: Any = jnp if traced else np
    if not traced:
        values = np.asarray(values)
    known = ~xp.isnan(values)
    if mask is not None:
        given = xp.atleast_1d(xp.asarray(mask))
        if given.dtype != bool:
            raise RekalError(
                f"the mask is of booleans, True = observed, not of type {given.dtype}: inputs are given as u="
            )
        if given.shape != (p,):
            raise RekalError(f"the mask has shape {given.shape}, but ({p},) would fit")
        known = known & given
    row = xp.where(known, values, xp.zeros_like(values))[None], known[None]
    if not traced:
        infinite = np.isinf(values) & known
        if infinite.any():
            raise RekalError(f"column {int(np.argmax(infinite))} of y is infinite")
        row = tuple(map(placed, row))
    if (u is not None) != bool(k):
        raise RekalError(
            f"the model has {k} inputs, which every step must bring"
            if k
            else "the model takes no inputs, so leave u out"
        )
    if u is None:
        return row[0], row[1], None
    drive = _row(u, dtype, "u")
    if drive.shape != (k,):
        raise RekalError(f"u has shape {drive.shape}, but the model has {k} inputs: ({k},)")
    if not isinstance(drive, Tracer) and not np.isfinite(np.asarray(drive)).all():
        raise RekalError("an input is missing or infinite: inputs must be known")
    return (
        row[0],
        row[1],
        drive[None] if isinstance(drive, Tracer) else placed(np.asarray(drive)[None]),
    )


def _row(data: Any, dtype: Any, what: str) -> Array:
    """Numbers of one step, NaN where one is missing."""
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(data))
    if traced:
        return jnp.atleast_1d(jnp.asarray(data, dtype))
    return placed(np.atleast_1d(numeric_array(data, what)), dtype)
