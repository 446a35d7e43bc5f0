"""How two states or two observations are subtracted: plainly, or as angles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekalman.foundation.errors import RekalError

Residual = Callable[[Array, Array], Array]


def difference(a: Array, b: Array) -> Array:
    """`a - b`, the residual of plain numbers."""
    return a - b


class AngleResidual(eqx.Module):
    """See `angle_residual`.

    Attributes:
        indices: which coordinates are angles.
        period: a full turn.
    """

    indices: tuple[int, ...] = eqx.field(static=True)
    period: float = eqx.field(static=True)

    def __call__(self, a: Array, b: Array) -> Array:
        """The residual of two vectors."""
        gap = a - b
        angle = np.zeros(gap.shape[-1], bool)
        angle[list(self.indices)] = True
        turned = gap - self.period * jnp.floor(gap / self.period + 0.5)
        return jnp.where(angle, turned, gap)


def angle_residual(indices: Sequence[int], period: int | float = 2 * np.pi) -> AngleResidual:
    """A residual `(a, b)` that is `a - b` but for full turns.

    Args:
        indices: the coordinates that are angles; their residual lies in `[-period / 2, period / 2)`.
        period: a full turn in the unit of those coordinates (default radians).

    Raises:
        RekalError: the period is not positive, or an index is negative.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> apart = rekalman.angle_residual((0,))
        >>> round(float(apart(jnp.array([3.1]), jnp.array([-3.1]))[0]), 2)  # across the cut at pi
        -0.08
    """
    if not period > 0:
        raise RekalError(f"period must be positive, but is {period}")
    if any(i < 0 for i in indices):
        raise RekalError(f"indices count from 0, but are {tuple(indices)}")
    return AngleResidual(tuple(indices), float(period))
