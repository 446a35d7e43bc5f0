"""A table on its way to sequences: its columns, each parsed once, and what was assumed of it."""

from dataclasses import dataclass, field

import pandas as pd

from rekal.sequences.cells import CellNumbers
from rekal.sequences.columns import checked, column_of, parsed, texts
from rekal.sequences.dates import Dates, read_dates


@dataclass(frozen=True)
class Table:
    """The columns of a file or data frame.

    Attributes:
        frame: cells of any kind, a row for each step; column names all differ.
        source: what messages call it, such as the file.
        decimal: the decimal mark of cells of text.
        notes: what was assumed while reading, one sentence each.
        units: units of columns that a line of the file gave.
    """

    frame: pd.DataFrame
    source: str = "the table"
    decimal: str = "."
    notes: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    _numbers: dict[str, CellNumbers] = field(default_factory=dict, repr=False)
    _dates: dict[tuple[str, str | None], Dates] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.frame.columns)

    def column(self, name: str) -> pd.Series:
        """The cells of a column as they were read."""
        return column_of(self.frame, name)

    def numbers(self, name: str) -> CellNumbers:
        """The cells of a column as numbers, as far as they are some."""
        if name not in self._numbers:
            self._numbers[name] = parsed(self.column(name), self.decimal)
        return self._numbers[name]

    def checked_numbers(self, name: str):
        """The numbers of a column, shape (time,), NaN = missing.

        Raises:
            RekalError: a cell holds something else or is infinite.
        """
        return checked(self.numbers(name), self.column(name), self.source)

    def dates(self, name: str, date_format: str | None = None) -> Dates:
        """The cells of a column of text as dates, as far as they are some."""
        key = name, date_format
        if key not in self._dates:
            self._dates[key] = read_dates(texts(self.column(name)), date_format)
        return self._dates[key]

    def rows(self, keep: pd.Series) -> "Table":
        """The table with those rows alone."""
        return Table(self.frame.loc[keep], self.source, self.decimal, self.notes, self.units)
