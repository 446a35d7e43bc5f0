"""Columns of a table as numbers: what is missing, what is text, what is infinite."""

import re

import numpy as np
import pandas as pd

from rekal.errors import RekalError
from rekal.sequences.cells import CellNumbers, read_cells

_COMMA = re.compile(r"\s*[+-]?[\d .']+,\d+\s*|\s*[+-]?\d+(,\d{3})+\s*")
"""A number with a decimal comma, or with commas between thousands."""

_READABLE = ("string", "mixed", "mixed-integer", "boolean", "categorical", "empty")
"""What pandas infers of columns of objects whose cells are read one by one, as text."""

_CONTENT = {"bytes": "binary data", "complex": "complex numbers"}


def column_of(table: pd.DataFrame, name: str) -> pd.Series:
    """One column of a table whose column names all differ."""
    return pd.Series(table[name])


def is_number_like(column: pd.Series) -> bool:
    """True for columns of real numbers or booleans, which need no parsing."""
    if pd.api.types.is_complex_dtype(column):
        return False
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def parsed(column: pd.Series, decimal: str = ".") -> CellNumbers:
    """Read a column as numbers.

    Args:
        column: cells of any kind.
        decimal: the decimal mark of cells of text.
    """
    if is_number_like(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return CellNumbers(values, np.isnan(values))
    kind = pd.api.types.infer_dtype(column, skipna=True)
    missing = column.isna().to_numpy(dtype=bool)
    if kind in ("floating", "integer", "mixed-integer-float", "decimal"):
        numbers = [
            np.nan if gone else float(cell) for cell, gone in zip(column, missing, strict=True)
        ]
        return CellNumbers(np.array(numbers), missing)
    if kind not in _READABLE:  # dates, time spans, bytes, complex numbers
        return CellNumbers(np.full(len(column), np.nan), missing)
    return read_cells(texts(column), decimal)


def texts(column: pd.Series) -> list[str | None]:
    """The cells as stripped text; None where one is missing."""
    missing = column.isna().to_numpy(dtype=bool)
    return [
        None if gone else str(cell).strip()
        for cell, gone in zip(column.tolist(), missing, strict=True)
    ]


def content(column: pd.Series) -> str:
    """What a column holds that is not read as numbers, for a note: text, binary data, ..."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in _CONTENT:
        return _CONTENT[kind]
    if kind.startswith("timedelta"):
        return "time spans"
    if kind.startswith(("date", "period", "time")):
        return "dates"
    first = column[column.notna()]
    nested = len(first) > 0 and isinstance(first.iloc[0], list | tuple | dict | set | np.ndarray)
    return "lists or records" if nested else "text"


def is_text(numbers: CellNumbers, column: pd.Series) -> bool:
    """True where some cells hold something but none a number, not even one with a comma."""
    if not numbers.wrong.any() or not np.isnan(numbers.values).all():
        return False
    cells = texts(column) if content(column) == "text" else []
    return not any(cell is not None and _COMMA.fullmatch(cell) for cell in cells)


def checked(numbers: CellNumbers, column: pd.Series, where: str) -> np.ndarray:
    """The numbers of a column, strictly.

    Args:
        numbers: what was read of the column.
        column: its cells, for messages.
        where: the file, for messages.

    Returns:
        float64, shape (time,), NaN = missing.

    Raises:
        RekalError: a cell holds text or is infinite; names row (1 is the first after the
            header) and column.
    """
    wrong = numbers.wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        kind = content(column)
        if kind != "text":
            raise RekalError(
                f"{where}: column '{column.name}' holds {kind}, which are not numbers."
            )
        cell = str(column.iloc[row]).strip()
        raise RekalError(
            f"{where}: row {row + 1} of column '{column.name}' holds '{_short(cell)}', which is not a "
            f"number{_advice(numbers, cell, row)}."
        )
    if np.isinf(numbers.values).any():
        row = int(np.argmax(np.isinf(numbers.values)))
        raise RekalError(f"{where}: row {row + 1} of column '{column.name}' is infinite.")
    return numbers.values


def numbers(column: pd.Series, where: str, decimal: str = ".") -> np.ndarray:
    """Read a column of numbers, strictly; see `checked`."""
    return checked(parsed(column, decimal), column, where)


def known(names: list[str], wanted: str, where: str) -> str:
    """Return `wanted`, or raise a RekalError that lists the columns there are."""
    if wanted not in names:
        listed = ", ".join(f"'{name}'" for name in names[:30]) + (" ..." if names[30:] else "")
        raise RekalError(f"{where}: there is no column '{wanted}'; there are {listed}.")
    return wanted


def _advice(numbers: CellNumbers, cell: str, row: int) -> str:
    """What would make a number of a cell, in brackets, or nothing."""
    if _COMMA.fullmatch(cell):
        return " (if its decimal mark is a comma, say decimal=','; commas between thousands must be left out)"
    if row == 0 and numbers.wrong.sum() == 1 and len(cell) <= 20 and len(numbers.values) > 1:
        return " (if this line holds units, write them into the header, as in 'x [mm]', or leave it out)"
    if numbers.unit is not None:
        return f" in '{numbers.unit}' like the others"
    return ""


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:37] + "..."
