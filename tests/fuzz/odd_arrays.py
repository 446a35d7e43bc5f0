"""Arrays such as people hand over: of every type, scale and shape, and some that hold no numbers."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd

STEPS = 24


class Odd(NamedTuple):
    """An array and what it is.

    Attributes:
        value: what is handed over.
        numbers: the same as float64, NaN = missing, or None where it holds no numbers or no rectangle.
        label: in words.
    """

    value: Any
    numbers: np.ndarray | None
    label: str


def odd_array(random: np.random.Generator, columns: int = 1) -> Odd:
    """One of many kinds of array, of 24 steps where it is a series at all."""
    base = random.normal(size=(STEPS, columns))
    kinds = (
        _typed,
        _typed,
        _scaled,
        _scaled,
        _missing,
        _masked,
        _laid_out,
        _boxed,
        _wrong,
        _shaped,
    )
    return kinds[random.integers(len(kinds))](random, base)


def _typed(random: np.random.Generator, base: np.ndarray) -> Odd:
    name = random.choice(
        ["float16", "float32", "float64", "longdouble", "int8", "int16", "int32", "int64", "uint8",
         "uint64", "bool", ">f4", ">i8"]
    )  # fmt: skip
    dtype = np.dtype(name)
    top = {"f": 100, "i": 100, "u": 100, "b": 1}[dtype.kind]
    value = (base * top if dtype.kind == "f" else random.integers(0, top + 1, base.shape)).astype(
        dtype
    )
    if dtype.kind in "iu" and random.random() < 0.3:
        value[random.integers(STEPS)] = np.iinfo(dtype).max
    return Odd(value, value.astype(float), f"{name}")


def _scaled(random: np.random.Generator, base: np.ndarray) -> Odd:
    power = random.uniform(-300, 300) if random.random() < 0.6 else random.uniform(-12, 12)
    value = base * 10.0**power
    label = f"scale 1e{power:.0f}"
    if random.random() < 0.4:
        offset = random.uniform(-1, 1) * 10.0 ** min(power + random.uniform(0, 14), 300)
        value, label = value + offset, f"{label}, offset {offset:.1g}"
    if random.random() < 0.15:
        value[1:] = value[0]
        label = "constant"
    if random.random() < 0.1:
        value = np.where(base > 0, 1.0, np.nextafter(1.0, 2.0))
        label = "two values one ulp apart"
    if random.random() < 0.1:
        value[random.integers(STEPS)] *= 10.0 ** random.uniform(0, 300 - max(power, 0))
        label = f"{label}, an outlier"
    return Odd(value, value.astype(float), label)


def _missing(random: np.random.Generator, base: np.ndarray) -> Odd:
    value = base.copy()
    share = random.choice([0.1, 0.5, 0.95, 1.0])
    value[random.random(base.shape) < share] = np.nan
    label = f"{share:.0%} NaN"
    if random.random() < 0.4:
        value[random.integers(STEPS)] = random.choice([np.inf, -np.inf])
        label = f"{label} and an infinity"
    return Odd(value, value, label)


def _masked(random: np.random.Generator, base: np.ndarray) -> Odd:
    hidden = random.random(base.shape) < random.choice([0.0, 0.3, 1.0])
    fill = random.choice([9.96921e36, -9999.0, np.nan, np.inf])
    value = np.where(hidden, fill, base)
    whole = random.random() < 0.3 and np.isfinite(fill)
    if whole:
        value = (
            value.astype(np.float32)
            if random.random() < 0.5
            else np.clip(value, -9999, 9999).astype(int)
        )
    masked = np.ma.array(value, mask=hidden if hidden.any() else np.ma.nomask)
    return Odd(masked, np.where(hidden, np.nan, value.astype(float)), "masked")


def _laid_out(random: np.random.Generator, base: np.ndarray) -> Odd:
    ways: list[Callable[[np.ndarray], Any]] = [
        lambda b: b[::-1],
        lambda b: np.asfortranarray(b),
        lambda b: np.repeat(b, 2, 0)[::2],
        lambda b: np.broadcast_to(b[:1], b.shape),
        lambda b: b.tolist(),
        lambda b: tuple(map(tuple, b.tolist())),
        lambda b: jnp.asarray(b),
        lambda b: pd.DataFrame(b),
        lambda b: pd.Series(b[:, 0]),
        lambda b: memoryview(np.ascontiguousarray(b)),
        lambda b: pd.array(b[:, 0]),
        lambda b: b[:, 0],
        lambda b: np.array(b[:, 0], object),
    ]
    which = int(random.integers(len(ways)))
    value = ways[which](base)
    numbers = np.asarray(base if which >= 4 else value, float)
    if which in (8, 10, 11, 12):
        numbers = base[:, :1]
    if which == 6:
        numbers = np.asarray(value, float)
    return Odd(value, numbers, f"layout {which}")


def _boxed(random: np.random.Generator, base: np.ndarray) -> Odd:
    value = base.astype(object)
    at = int(random.integers(STEPS))
    pieces = {
        "None": (None, np.nan),
        "pandas.NA": (pd.NA, np.nan),
        "Decimal": (decimal.Decimal("1.5"), 1.5),
        "Fraction": (fractions.Fraction(3, 2), 1.5),
        "True": (True, 1.0),
        "10**300": (10**300, 1e300),
        "10**400": (10**400, None),
        "text": ("1.5", None),
        "a date": (datetime.date(2020, 1, 1), None),
        "complex": (1 + 2j, None),
        "a list": ([1.0], None),
        "an object": (object(), None),
        "NaT": (pd.NaT, None),
    }
    name = str(random.choice(list(pieces)))
    piece, number = pieces[name]
    value[at, 0] = piece
    numbers = base.copy()
    if number is not None:
        numbers[at, 0] = number
    return Odd(value, None if number is None else numbers, f"objects with {name}")


def _wrong(random: np.random.Generator, base: np.ndarray) -> Odd:
    rows = base.tolist()
    things: dict[str, Any] = {
        "complex": base + 1j,
        "complex without imaginary part": base.astype(complex),
        "text": base.astype(str),
        "bytes": base.astype("S"),
        "dates": np.arange(STEPS).astype("datetime64[D]"),
        "spans": np.arange(STEPS).astype("timedelta64[s]"),
        "a date index": pd.date_range("2020", periods=STEPS),
        "a word": "abc",
        "a dictionary": {"y": rows},
        "a set": {1.0, 2.0},
        "None": None,
        "a function": abs,
        "a structured array": np.zeros(STEPS, [("a", float), ("b", float)]),
        "rows of different length": [[1.0, 2.0], [1.0], *rows],
        "a generator": (row for row in rows),
        "a categorical": pd.Categorical(["a", "b"]),
        "a frame with text": pd.DataFrame({"a": ["x"] * STEPS}),
    }
    name = str(random.choice(list(things)))
    return Odd(things[name], None, name)


def _shaped(random: np.random.Generator, base: np.ndarray) -> Odd:
    shapes: dict[str, Any] = {
        "a number": 3.0,
        "empty": [],
        "no steps": np.zeros((0, 1)),
        "no columns": np.zeros((STEPS, 0)),
        "one step": base[:1],
        "two steps": base[:2],
        "four axes": base[None, None],
        "no series": np.zeros((0, STEPS, 1)),
        "a batch": np.stack([base, base]),
        "ragged series": [base, base[:11]],
        "series of different width": [base, np.ones((STEPS, 5))],
        "a series and an empty one": [base, base[:0]],
        "a million steps": np.broadcast_to(base[:1], (1, base.shape[1])),
        "nested lists of arrays": [[base], [base]],
    }
    name = str(random.choice(list(shapes)))
    return Odd(shapes[name], None, name)
