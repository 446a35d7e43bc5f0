"""Arguments that are numbers: the right kind, in range, or refused by name."""

from __future__ import annotations

import math
import numbers
import sys
from typing import Any

from rekalman.foundation.errors import RekalError

LARGEST_SEED = 2**32 - 1
"""In single precision JAX takes no more bits of a seed: larger ones would be the same as smaller ones."""


def whole(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number within bounds.

    Args:
        name: of the argument, for the refusal.
        value: what was given; a whole number of NumPy is one too, 3.0 and True are none.
        least: the smallest that is taken.
        most: the largest, or None.

    Raises:
        RekalError: it is none, or out of bounds.
    """
    value = _scalar(value)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise RekalError(f"{name} must be a whole number, but is {_shown(value)}")
    number = int(value)
    if number < least:
        raise RekalError(f"{name} must be at least {least}, but is {number}")
    if most is not None and number > most:
        raise RekalError(f"{name} must be at most {most}, but is {number}")
    return number


def real(
    name: str,
    value: Any,
    *,
    above: int | float | None = None,
    least: int | float | None = None,
    most: int | float | None = None,
) -> float:
    """A finite number within bounds.

    Args:
        name: of the argument, for the refusal.
        value: what was given; numbers of NumPy are taken, text and booleans are not.
        above: it must be larger than this, or None.
        least: it must be at least this, or None.
        most: it must be at most this, or None.

    Raises:
        RekalError: it is no number, not finite, or out of bounds.
    """
    value = _scalar(value)
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise RekalError(f"{name} must be a number, but is {_shown(value)}")
    if not math.isfinite(float(value)):
        raise RekalError(f"{name} must be a finite number, but is {value}")
    if above is not None and not float(value) > above:
        raise RekalError(f"{name} must be above {above:g}, but is {value}")
    if least is not None and not float(value) >= least:
        raise RekalError(f"{name} must be at least {least:g}, but is {value}")
    if most is not None and not float(value) <= most:
        raise RekalError(f"{name} must be at most {most:g}, but is {value}")
    return float(value)


def positive_time(value: Any, name: str) -> float:
    """A finite time above 0.

    Raises:
        RekalError: it is something else.
    """
    if not _is_real(value) or not 0 < value < math.inf:
        raise RekalError(f"{name} must be a time above 0, but is {_shown(value)}")
    return float(value)


def probability(value: Any, name: str) -> float:
    """A number between 0 and 1, both excluded.

    Raises:
        RekalError: it is something else.
    """
    if not _is_real(value) or not 0 < value < 1:
        raise RekalError(f"{name} must lie between 0 and 1, but is {_shown(value)}")
    return float(value)


def _scalar(value: Any) -> Any:
    """The number in an array of NumPy without axes, anything else as it is; NumPy is not imported."""
    numpy = sys.modules.get("numpy")
    return value[()] if numpy and isinstance(value, numpy.ndarray) and value.ndim == 0 else value


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value as a sentence names it: text in quotation marks, and nothing long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def seed_of(value: Any) -> int:
    """The start of all randomness: a whole number that is not negative.

    Raises:
        RekalError: it is something else.
    """
    return whole("seed", value, 0, LARGEST_SEED)
