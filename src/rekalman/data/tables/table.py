"""A table on its way to sequences: its columns, each parsed once, and what was assumed of it."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from rekalman.data.tables.columns import Column


@dataclass(frozen=True)
class Table:
    """The columns of a file or data frame.

    Attributes:
        frame: cells of any kind, a row for each step; column names all differ.
        source: what messages call it, such as the file.
        decimal: the decimal mark of cells of text.
        notes: what was assumed while reading, one sentence each.
        units: units of columns that a line of the file gave.
        library: where the table came from: "pandas", "polars", "pyarrow", "xarray", ...
        days: columns of dates without a time of day, where the library has a type for them.
        series: the column that tells several series apart, where the layout of the table says so.
    """

    frame: pd.DataFrame
    source: str = "the table"
    decimal: str = "."
    notes: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    library: str = "pandas"
    days: frozenset[str] = frozenset()
    series: str | None = None
    _columns: dict[str, Column] = field(default_factory=dict, repr=False)

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns.tolist()

    def column(self, name: str) -> Column:
        """A column; what was parsed of it is kept."""
        if name not in self._columns:
            self._columns[name] = Column(pd.Series(self.frame[name]), self.decimal)
        return self._columns[name]

    def rows(self, which: pd.Series) -> "Table":
        """The table with those rows alone."""
        return replace(self, frame=self.frame.loc[which], _columns={})
