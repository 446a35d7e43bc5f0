"""Cells of a table as numbers: what is missing, what is text, what is infinite."""

import re

import numpy as np
import pandas as pd

from rekal.errors import RekalError

MISSING = ("-", "--", "---", "?", ".", "none", "missing", "NAN", "Nan", "na", "n.a.", "Null")
"""Missing markers besides those that pandas knows ('', NA, NaN, null, None, N/A, ...)."""

_ALL_MISSING = frozenset(MISSING) | {
    *("", "NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "#N/A", "<NA>", "NaT")
}

_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
"""A number with a decimal comma."""


def column_of(table: pd.DataFrame, name: str) -> pd.Series:
    """One column of a table whose column names all differ."""
    return pd.Series(table[name])


def is_number_like(column: pd.Series) -> bool:
    """True for columns of numbers or booleans, which need no parsing."""
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def parsed(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Read a column as numbers.

    Args:
        column: cells of any kind.

    Returns:
        Numbers, NaN where there is none, and where a cell holds something else; both (time,).
    """
    if is_number_like(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), bool)
    text = column.astype("string").str.strip()
    missing = column.isna() | text.isin(list(_ALL_MISSING))
    numbers = pd.Series(pd.to_numeric(text.mask(missing), errors="coerce"))
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, np.asarray(np.isnan(values) & ~missing.to_numpy(dtype=bool))


def is_text(column: pd.Series) -> bool:
    """True where some cells hold something but none a number, not even one with a comma."""
    values, text = parsed(column)
    if not text.any() or not np.isnan(values).all():
        return False
    return not pd.Series(column[text]).astype("string").str.fullmatch(_COMMA).any()


def numbers(column: pd.Series, where: str) -> np.ndarray:
    """Read a column of numbers, strictly.

    Args:
        column: cells; missing ones are empty or a missing marker.
        where: the file, for messages.

    Returns:
        float64, shape (time,), NaN = missing.

    Raises:
        RekalError: a cell holds text or is infinite; names row (1 is the first after the
            header) and column.
    """
    values, text = parsed(column)
    if text.any():
        row = int(np.argmax(text))
        cell = str(column.iloc[row]).strip()
        hint = ""
        if _COMMA.fullmatch(cell):
            hint = " (if its decimal mark is a comma, say decimal=',')"
        raise RekalError(
            f"{where}: row {row + 1} of column '{column.name}' holds '{_short(cell)}', which is "
            f"not a number{hint}."
        )
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise RekalError(f"{where}: row {row + 1} of column '{column.name}' is infinite.")
    return values


def known(names: list[str], wanted: str, where: str) -> str:
    """Return `wanted`, or raise a RekalError that lists the columns there are."""
    if wanted not in names:
        listed = ", ".join(f"'{name}'" for name in names[:30]) + (" ..." if names[30:] else "")
        raise RekalError(f"{where}: there is no column '{wanted}'; there are {listed}.")
    return wanted


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:37] + "..."
