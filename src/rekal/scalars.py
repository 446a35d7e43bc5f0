"""Counts, lengths of time and probabilities as arguments: right, or refused in one sentence."""

from __future__ import annotations

import math
import numbers
from typing import Any

from rekal.errors import RekalError


def whole_number(value: Any, name: str, least: int | None = 1) -> int:
    """A whole number, not below `least`.

    Args:
        value: what was given; `True` and `2.0` are no whole numbers.
        name: what the argument is called.
        least: the smallest value that is right, or None.

    Raises:
        RekalError: it is something else.
    """
    if not _is_number(value, numbers.Integral):
        raise RekalError(f"{name} must be a whole number, but is {_shown(value)}")
    if least is not None and value < least:
        raise RekalError(f"{name} must be at least {least}, but is {value}")
    return int(value)


def positive_time(value: Any, name: str) -> float:
    """A finite time above 0.

    Raises:
        RekalError: it is something else.
    """
    if not _is_number(value, numbers.Real) or not (0 < value < math.inf):
        raise RekalError(f"{name} must be a time above 0, but is {_shown(value)}")
    return float(value)


def probability(value: Any, name: str) -> float:
    """A number between 0 and 1, both excluded.

    Raises:
        RekalError: it is something else.
    """
    if not _is_number(value, numbers.Real) or not 0 < value < 1:
        raise RekalError(f"{name} must lie between 0 and 1, but is {_shown(value)}")
    return float(value)


def _is_number(value: Any, kind: type) -> bool:
    """Whether it is a number of that kind; scalars of NumPy count, booleans do not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value as a sentence names it: text in quotation marks, and nothing long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
