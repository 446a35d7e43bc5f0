"""What a structure asks of its components and of data before anything is searched for."""

from __future__ import annotations

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.models.structures.components import Component, Seasonal


def check_sum(parts: tuple[Component, ...]) -> None:
    """Data can tell the components apart.

    Raises:
        RekalError: they observe different numbers of quantities, or share a nonstationary eigenvalue.
    """
    widths = [part.observations for part in parts]
    if len(set(widths)) > 1:
        raise RekalError(
            f"components of a sum must observe the same quantities, but {parts[0].label} has "
            f"{widths[0]} and another {next(w for w in widths if w != widths[0])}"
        )
    seen: list[tuple[Component, np.ndarray]] = []
    for part in (part for part in parts if part.flat):
        roots = _roots(part)
        for other, theirs in seen:
            if np.min(np.abs(roots[:, None] - theirs[None, :])) < 1e-6:
                raise RekalError(
                    f"data cannot tell {other.label} and {part.label} apart, for they can take over "
                    "from each other: leave one of them out"
                )
        seen.append((part, roots))


def _roots(part: Component) -> np.ndarray:
    """Eigenvalues of a flat component, exactly where they are known."""
    if isinstance(part, Seasonal):
        return np.exp(2j * np.pi * np.arange(1, part.period) / part.period)
    return np.ones(1) + 0j  # level, trend and moving points are integrators


def has_unit_root(part: Component) -> bool:
    """Whether a component can be a constant."""
    return part.flat and bool(np.min(np.abs(_roots(part) - 1)) < 1e-6)


def filled(y: np.ndarray) -> np.ndarray:
    """Gaps filled by lines; rows before the first and after the last value hold it."""
    steps, filled = np.arange(len(y)), y.copy()
    for j in range(y.shape[1]):
        seen = np.isfinite(y[:, j])
        if not seen.any():
            raise RekalError(f"column {j + 1} of the data has no value")
        filled[:, j] = np.interp(steps, steps[seen], y[seen, j])
    return filled
