r"""Parameters within bounds as numbers without any, and back.

    theta = low + e^v,   theta = high - e^v,   theta = low + (high - low) / (1 + e^-v),   theta = v

for a bound below, a bound above, both and none. What searches moves `v`, so that it never leaves the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Bounds(NamedTuple):
    """The open interval in which a parameter lies.

    Attributes:
        low: its lower end, None where there is none.
        high: its upper end, likewise.
    """

    low: float | None = None
    high: float | None = None

    @property
    def positive(self) -> bool:
        """Whether it is positive and nothing else, so that its logarithm is the free number."""
        return self.low == 0 and self.high is None

    @property
    def ends(self) -> int:
        """Number of bounds."""
        return (self.low is not None) + (self.high is not None)

    def holds(self, theta: float) -> bool:
        """Whether a number lies between the bounds."""
        above = self.low is None or theta > self.low
        return math.isfinite(theta) and above and (self.high is None or theta < self.high)

    def inside(self, v: Any) -> Any:
        """The parameter of a free number, an array of JAX."""
        if self.low is not None and self.high is not None:
            return self.low + (self.high - self.low) * jax.nn.sigmoid(v)
        if self.low is not None:
            return self.low + jnp.exp(v)
        return v if self.high is None else self.high - jnp.exp(v)

    def free(self, theta: float) -> float:
        """The free number of a parameter between the bounds."""
        if self.low is not None and self.high is not None:
            return math.log(theta - self.low) - math.log(self.high - theta)
        if self.low is not None:
            return math.log(theta - self.low)
        return theta if self.high is None else math.log(self.high - theta)

    def slope(self, theta: float) -> float:
        """Derivative of the parameter by the free number."""
        if self.low is not None and self.high is not None:
            return (theta - self.low) * (self.high - theta) / (self.high - self.low)
        if self.low is not None:
            return theta - self.low
        return 1.0 if self.high is None else theta - self.high

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"between {self.low:g} and {self.high:g}"
        if self.low is not None:
            return f"above {self.low:g}"
        return "finite" if self.high is None else f"below {self.high:g}"


def inside(bounds: Sequence[Bounds], v: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
    """The parameters of a vector of free numbers."""
    return jnp.stack([each.inside(v[i]) for i, each in enumerate(bounds)])


def interval(
    bounds: Sequence[Bounds],
    theta: Float[np.ndarray, " parameters"],
    errors: Float[np.ndarray, " parameters"],
    width: float,
) -> tuple[Float[np.ndarray, " parameters"], Float[np.ndarray, " parameters"]]:
    """Both ends of intervals that are symmetric in the free numbers, and so stay within the bounds.

    Args:
        bounds: of the parameters.
        theta: their estimates.
        errors: their standard errors; where one is NaN, or the estimate lies at a bound to rounding, so are
            the ends.
        width: standard errors on either side.
    """
    ends = np.full((2, len(bounds)), np.nan)
    for i, (each, value, error) in enumerate(zip(bounds, theta, errors, strict=True)):
        slope = abs(each.slope(float(value)))
        if not (each.holds(float(value)) and slope > 0 and math.isfinite(error / slope)):
            continue
        v, half = each.free(float(value)), width * float(error) / slope
        with np.errstate(over="ignore"):
            ends[:, i] = sorted(_inside(each, np.array([v - half, v + half])).tolist())
    return ends[0], ends[1]


def _inside(bounds: Bounds, v: np.ndarray) -> np.ndarray:
    """`inside` of plain numbers, in double precision whatever JAX is set to."""
    low, high = bounds
    if low is not None and high is not None:
        return low + (high - low) / (1 + np.exp(-v))
    if low is not None:
        return low + np.exp(v)
    return v if high is None else high - np.exp(v)
