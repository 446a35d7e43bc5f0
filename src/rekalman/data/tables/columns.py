"""Columns of a table as numbers: what is missing, what is text, what is infinite."""

import re
from functools import cached_property

import numpy as np
import pandas as pd

from rekalman.data.tables.cells import CellNumbers, bare, read_cells
from rekalman.data.time.dates import Dates, read_dates
from rekalman.foundation.errors import RekalError

_COMMA = re.compile(r"[+-]?[\d .']+,\d+|[+-]?\d+(,\d{3})+")
"""A number with a decimal comma, or with commas between thousands."""

_NUMERIC = ("floating", "integer", "mixed-integer-float", "decimal")
_READABLE = ("string", "mixed", "mixed-integer", "boolean", "categorical", "empty")
"""What pandas infers of columns of objects whose cells are read one by one, as text."""

_CONTENT = {"bytes": "binary data", "complex": "complex numbers"}


class Column:
    """One column of a table, parsed as often as it is asked for but once.

    Attributes:
        cells: of any kind.
        decimal: the decimal mark of cells of text.
    """

    def __init__(self, cells: pd.Series, decimal: str = ".") -> None:
        """Take the cells; nothing is parsed yet."""
        self.cells, self.decimal = cells, decimal
        self._dates: dict[str | None, Dates] = {}

    @property
    def name(self) -> str:
        """What the column is called."""
        return str(self.cells.name)

    @cached_property
    def kind(self) -> str:
        """What pandas infers from the cells."""
        return pd.api.types.infer_dtype(self.cells, skipna=True)

    @cached_property
    def texts(self) -> list[str | None]:
        """The cells as stripped text; None where one is missing."""
        missing = self.cells.isna().to_numpy(dtype=bool)
        cells = zip(self.cells.tolist(), missing, strict=True)
        return [None if gone else str(cell).strip() for cell, gone in cells]

    @cached_property
    def numbers(self) -> CellNumbers:
        """The cells as numbers, as far as they are some."""
        if _is_number_like(self.cells):
            values = self.cells.to_numpy(dtype=np.float64, na_value=np.nan)
            return CellNumbers(values, np.isnan(values))
        if self.kind in _READABLE:
            return read_cells(self.texts, self.decimal)
        missing = self.cells.isna().to_numpy(dtype=bool)
        values = np.full(len(missing), np.nan)
        if self.kind in _NUMERIC:
            values[~missing] = [float(cell) for cell in self.cells[~missing]]
        return CellNumbers(values, missing)  # dates, time spans, bytes and complex numbers are none

    def dates(self, date_format: str | None = None) -> Dates:
        """The cells of a column of text as dates, as far as they are some."""
        if date_format not in self._dates:
            self._dates[date_format] = read_dates(self.texts, date_format)
        return self._dates[date_format]

    @cached_property
    def content(self) -> str:
        """What the column holds that is not read as numbers, for a note: text, binary data, ..."""
        if self.kind in _CONTENT:
            return _CONTENT[self.kind]
        if self.kind.startswith("timedelta"):
            return "time spans"
        if self.kind.startswith(("date", "period", "time")):
            return "dates"
        first = self.cells.dropna().iloc[:1].tolist()
        nested = bool(first) and isinstance(first[0], list | tuple | dict | set | np.ndarray)
        return "lists or records" if nested else "text"

    @property
    def unread(self) -> tuple[int, str] | None:
        """Row and text of the first cell, where it is a number with something else, such as `12 widgets`."""
        texts = self.texts if self.content == "text" else []
        row, cell = next(((i, cell) for i, cell in enumerate(texts) if cell is not None), (0, ""))
        return (row + 1, shortened(cell)) if bare(cell) != cell else None

    @cached_property
    def is_text(self) -> bool:
        """True where some cells hold something but none a number, not even one with a comma."""
        if not self.numbers.wrong.any() or not np.isnan(self.numbers.values).all():
            return False
        cells = self.texts if self.content == "text" else []
        return not any(c is not None and "," in c and _COMMA.fullmatch(bare(c)) for c in cells)

    def checked(self, where: str) -> np.ndarray:
        """The numbers of the column, strictly.

        Args:
            where: the file, for messages.

        Returns:
            float64, shape (time,), NaN = missing.

        Raises:
            RekalError: a cell holds text or is infinite; names row (1 is the first after the
                header) and column.
        """
        wrong = self.numbers.wrong
        if wrong.any():
            row = int(np.argmax(wrong))
            if self.content != "text":
                raise RekalError(
                    f"{where}: column '{self.name}' holds {self.content}, which are not numbers."
                )
            cell = str(self.cells.iloc[row]).strip()
            raise RekalError(
                f"{where}: row {row + 1} of column '{self.name}' holds '{shortened(cell)}', which is not a "
                f"number{_advice(self.numbers, cell, row)}."
            )
        if np.isinf(self.numbers.values).any():
            row = int(np.argmax(np.isinf(self.numbers.values)))
            raise RekalError(f"{where}: row {row + 1} of column '{self.name}' is infinite.")
        return self.numbers.values


def known(names: list[str], wanted: str, where: str) -> str:
    """Return `wanted`, or raise a RekalError that lists the columns there are."""
    if wanted not in names:
        listed = ", ".join(f"'{name}'" for name in names[:30]) + (" ..." if names[30:] else "")
        raise RekalError(f"{where}: there is no column '{wanted}'; there are {listed}.")
    return wanted


def _is_number_like(column: pd.Series) -> bool:
    """True for columns of real numbers or booleans, which need no parsing."""
    if pd.api.types.is_complex_dtype(column):
        return False
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def _advice(numbers: CellNumbers, cell: str, row: int) -> str:
    """What would make a number of a cell, in brackets, or nothing."""
    if _COMMA.fullmatch(bare(cell)):
        return (
            " (if its decimal mark is a comma, say so (decimal=',' or --decimal ,); commas between thousands "
            "must be left out)"
        )
    alone = row == 0 and numbers.wrong.sum() == 1 and len(numbers.values) > 1
    if alone and len(cell) <= 20 and not cell.lstrip("(<>~+-").strip()[:1].isdigit():
        return " (if this line holds units, write them into the header, as in 'x [mm]', or leave it out)"
    if numbers.unit is not None:
        return f" in '{numbers.unit}' like the others"
    return ""


def shortened(cell: str) -> str:
    """A cell as a message shows it: on one line, with at most 40 characters."""
    cell = " ".join(cell.split())
    return cell if len(cell) <= 40 else cell[:37] + "..."
