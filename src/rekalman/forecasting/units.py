"""A forecast in other units, in the precision that they ask for."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError

FAR = 1000.0
"""So many deviations from zero single precision has four digits of the deviation left."""
VAST = 1e15
"""Beyond units of this factor squares come near to the end of single precision."""


def rescaled(
    means: Any, path: Any, cov: Any, location: Any, scale: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, paths and covariances of `y * scale + location`.

    They are in double precision where single precision would round them off: far from zero, or in a unit
    that is very large or very small.

    Args:
        means: `(..., obs)`.
        path: `(..., obs)`.
        cov: `(..., obs, obs)`.
        location: `(obs,)`, or `(origins, obs)` where the first axes are origins with scales of their own.
        scale: likewise, positive.

    Raises:
        RekalError: they are beyond all numbers.
    """
    dtype = np.asarray(means).dtype
    shift, factor = np.asarray(location, np.float64), np.asarray(scale, np.float64)
    far = (np.abs(shift) > FAR * factor).any()
    if far or not ((factor > 1 / VAST) & (factor < VAST)).all():
        dtype = np.dtype(np.float64)
    before = np.asarray(cov, dtype)
    with np.errstate(over="ignore", under="ignore"):
        square = (factor[..., :, None] * factor[..., None, :]).astype(dtype)
        shift, factor = shift.astype(dtype), factor.astype(dtype)
        if factor.ndim > 1:  # of each origin: for all its horizons
            square = np.broadcast_to(square[:, None], (*np.shape(path), np.shape(path)[-1]))
        after = before * square
        moved = [
            np.asarray(v, dtype) * _along(factor, np.ndim(v)) + _along(shift, np.ndim(v))
            for v in (means, path)
        ]
    var = np.diagonal(after, axis1=-2, axis2=-1)
    lost = (np.diagonal(before, axis1=-2, axis2=-1) > 0) & (var < np.finfo(dtype).tiny)
    if lost.any() or not all(np.isfinite(v).all() for v in (*moved, after)):
        raise RekalError(
            f"the forecast or its variance is beyond the numbers of {dtype.name}: give the data in "
            "another unit"
        )
    return moved[0], moved[1], after


def _along(one: np.ndarray, axes: int) -> np.ndarray:
    """Numbers of each column, or of each origin and column, with axes between these two."""
    return one if one.ndim == 1 else one.reshape(len(one), *[1] * (axes - 2), one.shape[-1])
