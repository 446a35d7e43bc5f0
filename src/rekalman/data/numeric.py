"""One way from what a caller hands over to float64 arrays in which NaN marks what is missing."""

import datetime
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
import pandas as pd

from rekalman.data.tables.foreign import converted, is_table
from rekalman.foundation.errors import RekalError

_KINDS = {"c": "complex", "M": "dates", "m": "time spans", "U": "text", "S": "text"}
"""Kinds of NumPy types that NumPy itself would turn into real numbers at a loss."""

_CLASSES = (
    (str | bytes, "text"),
    (complex | np.complexfloating, "complex"),
    (datetime.date | datetime.time | np.datetime64, "dates"),
    (datetime.timedelta | np.timedelta64, "time spans"),
)


def numeric_array(data: Any, what: str) -> np.ndarray:
    """Read a sample or an array of numbers, missing entries and all.

    Args:
        data: numbers, nested sequences of numbers, an array of any library, a pandas series or a masked
            array. Missing are NaN, None, `pandas.NA` and the entries that a masked array hides, whatever
            number lies under the mask (a netCDF fill value, for example).
        what: what the data are called, for messages.

    Returns:
        float64, NaN where an entry is missing; never a view of `data`.

    Raises:
        RekalError: text, dates, time spans or complex numbers, which no conversion turns into real numbers
            without a loss; rows of different lengths; an integer beyond the range of float64; a frame or a
            labelled row, whose names would be lost (`named.ordered` knows them).
    """
    if isinstance(data, eqx.Module):
        raise RekalError(f"{what} must be arrays of numbers, not {type(data).__name__}.")
    table = tabular(data)
    if isinstance(table, pd.DataFrame) or (table is not None and is_labelled(table)):
        raise RekalError(
            f"{what} are matched by position here, and the names of a {type(data).__name__} would be lost: "
            "put the columns in order and give to_numpy() of it."
        )
    try:
        array = _with_nan(data)
        if array.dtype.kind in _KINDS:
            raise _refusal(what, _KINDS[array.dtype.kind])
        if array.dtype == object:
            array = _objects(array, what)
        with np.errstate(
            over="ignore"
        ):  # a long double beyond float64 is infinite, which is refused later
            return np.array(array, dtype=np.float64)
    except RekalError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        message = " ".join(str(error).split()).rstrip(".")
        raise RekalError(f"{what} must be numbers in a rectangular array ({message}).") from None


def tabular(data: Any) -> pd.DataFrame | pd.Series | None:
    """A frame or a series of pandas, one made of a table of another library, or None for anything else."""
    table = converted(data)
    return None if table is None else table.frame


def holds_tables(data: Any) -> bool:
    """Whether these are frames or series of any library, one or a list with some among them."""
    if isinstance(data, list | tuple):
        return any(is_table(item) for item in data)
    return is_table(data)


def is_column(data: Any) -> bool:
    """Whether this is one series of pandas or of another library, not a frame."""
    return isinstance(tabular(data), pd.Series)


def is_labelled(row: pd.Series) -> bool:
    """Whether the index of a series holds names, as a row of a frame does."""
    return len(row) > 0 and pd.api.types.infer_dtype(row.index, skipna=False) in ("string", "mixed")


def _with_nan(data: Any) -> np.ndarray:
    """The array of `data`, NaN where a mask hides an entry."""
    if isinstance(data, np.ma.MaskedArray):
        array = np.ma.getdata(data)
        hidden = np.ma.getmaskarray(data)
        if not hidden.any() or array.dtype.kind in _KINDS:
            return array
        floating = array.dtype.kind == "f" or array.dtype == object
        return np.where(hidden, np.nan, array if floating else array.astype(np.float64))
    if isinstance(data, list | tuple) and _has_mask(data):
        return np.array([_with_nan(item) for item in data])
    return np.asarray(data)


def _has_mask(data: Sequence[Any]) -> bool:
    """Whether a masked array or a masked entry lies anywhere in nested sequences."""
    return any(
        isinstance(item, np.ma.MaskedArray) or (isinstance(item, list | tuple) and _has_mask(item))
        for item in data
    )


def _objects(array: np.ndarray, what: str) -> np.ndarray:
    """Numbers of an array of objects: None and `pandas.NA` are missing, text and dates are refused."""
    numbers = np.full(array.shape, np.nan)
    for place, item in enumerate(array.flat):
        for kinds, word in _CLASSES:
            if isinstance(item, kinds):
                raise _refusal(what, word)
        if item is not None and item is not pd.NA:
            numbers.flat[place] = float(item)
    return numbers


def _refusal(what: str, word: str) -> RekalError:
    if word == "complex":
        return RekalError(f"{what} must be real numbers, not complex ones.")
    return RekalError(f"{what} must be numbers, not {word}.")
