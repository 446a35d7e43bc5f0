"""What a run of training is made of, as words: a checkpoint continues only the run that wrote it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

SAMPLE = 1_000_000


def describe(name: str, thing: Any) -> dict[str, str]:
    """Names of all settings in a tree, and what they are.

    Arrays of parameters tell their type and shape; other things are written out. Nothing depends on the
    process or the machine.

    Args:
        name: of the whole.
        thing: a module or another dataclass, a container of such, an array, a function or a plain value.
    """
    if eqx.is_array(thing):
        return {name: f"{thing.dtype} {thing.shape}"}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        parts = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    elif isinstance(thing, Mapping):
        parts = dict(thing)
    elif isinstance(thing, tuple | list):
        parts = dict(enumerate(thing))
    else:
        return {name: getattr(thing, "__qualname__", None) or repr(thing)}
    kind = {name: type(thing).__qualname__}
    return kind | {
        k: v for key, part in parts.items() for k, v in describe(f"{name}.{key}", part).items()
    }


def describe_data(name: str, arrays: Mapping[str, np.ndarray | None]) -> dict[str, str]:
    """Type, shape, and mean and deviation of a sample of the entries, which other data do not share.

    They are rounded, so that data made again on another machine are the same.
    """
    return {f"{name}.{key}": _summary(array) for key, array in arrays.items()}


def difference(here: dict[str, str], there: dict[str, str]) -> str | None:
    """Say in which setting two configurations differ first, or None."""
    for name in [*here, *(name for name in there if name not in here)]:
        one, other = here.get(name, "absent"), there.get(name, "absent")
        if one != other:
            return f"{name} is {other} there, but {one} here"
    return None


def _summary(array: np.ndarray | None) -> str:
    if array is None:
        return "None"
    flat = array.reshape(-1)
    sample = flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)
    known = sample[np.isfinite(sample)]
    told = f", mean {known.mean():.5g}, deviation {known.std():.5g}" if known.size else ""
    return f"{array.dtype} {array.shape}{told}"
