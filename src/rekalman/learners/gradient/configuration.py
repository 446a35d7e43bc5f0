"""What a run of training is made of, as words: a checkpoint continues only the run that wrote it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

SAMPLE = 1_000_000
VALUES = re.compile(r", (all|deviation) .*")  # of arrays, in `_summary`
ADDRESS = re.compile(" at 0x[0-9a-f]+")  # in the names of functions, another in each process


def describe(name: str, thing: Any) -> dict[str, str]:
    """Names of all settings in a tree, and what they are.

    Of an array these are type and shape, and of a sample of its entries mean, deviation and a weighted sum:
    data or weights from another source do not share the first two, the same in another order not the third.
    All are rounded, so that what is made again on another machine is the same. Other things are written out.

    Args:
        name: of the whole.
        thing: a module or another dataclass, a container of such, an array or a plain value.
    """
    if eqx.is_array(thing):
        return {name: _summary(np.asarray(thing))}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        parts = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    elif isinstance(thing, Mapping):
        parts = dict(thing)
    elif isinstance(thing, tuple | list):
        parts = dict(zip(getattr(thing, "_fields", range(len(thing))), thing, strict=True))
    else:
        return {name: ADDRESS.sub("", repr(thing))}
    kind = {name: type(thing).__qualname__}
    return kind | {
        k: v for key, part in parts.items() for k, v in describe(f"{name}.{key}", part).items()
    }


def difference(here: dict[str, str], there: dict[str, str]) -> str | None:
    """Say in which setting two configurations differ first, or None."""
    for name in [*here, *(name for name in there if name not in here)]:
        one, other = here.get(name, "absent"), there.get(name, "absent")
        if one != other:
            return f"{name} is {other} there, but {one} here"
    return None


def other_network(here: dict[str, str], there: dict[str, str]) -> str | None:
    """Say in what a network differs from that of another run but for the values of its arrays, or None."""
    bare = lambda words: {  # noqa: E731
        name: VALUES.sub("", text) for name, text in words.items() if name.startswith("network")
    }
    return difference(bare(here), bare(there))


def _summary(array: np.ndarray) -> str:
    flat = array.reshape(-1)
    sample = flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)
    there = np.isfinite(sample)
    known = sample[there]
    if known.size == 0 or known.std() == 0:
        return f"{array.dtype} {array.shape}, all {known[0] if known.size else 'unknown'}"
    mean, deviation = known.mean(), known.std()
    # Of standard normal entries the sum is standard normal too; a rounding of 1e-7 moves it as little.
    weights = np.random.default_rng(0).uniform(-1, 1, sample.size)[there] * np.sqrt(3 / known.size)
    order = weights @ (known - mean) / deviation
    return (
        f"{array.dtype} {array.shape}, deviation {deviation:.4g}, mean {mean / deviation:.3f} of it, "
        f"order {order:.3f}"
    )
