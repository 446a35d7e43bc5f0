"""The kind of table that data came from, so that results come back as the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class FrameKind:
    """The library, the column of the series and the type of the time stamps of a table.

    Attributes:
        library: "pandas", "polars", "pyarrow", "xarray" or another that narwhals names.
        series: the column that told several series apart, or None.
        series_type: type of that column where it holds whole numbers, such as "int64"; None = text.
        time_type: "period[M]" and the like for periods, "day" for dates without a time of day, "datetime[ns]"
            and the like for the resolution of dates, None for numbers and text.

    Examples:
        >>> import pandas as pd
        >>> from rekalman.data.tables.kind import FrameKind
        >>> kind = FrameKind(time_type="period[Q-DEC]")
        >>> kind.stamps(pd.DatetimeIndex(["2024-01-01", "2024-04-01"])).tolist()
        [Period('2024Q1', 'Q-DEC'), Period('2024Q2', 'Q-DEC')]
    """

    library: str = "pandas"
    series: str | None = None
    series_type: str | None = None
    time_type: str | None = None

    def stamps(self, index: pd.Index) -> pd.Index:
        """Time stamps of the type that came in: periods, or dates of that resolution."""
        if self.time_type is None or not isinstance(index, pd.DatetimeIndex):
            return index
        what, _, detail = self.time_type.rstrip("]").partition("[")
        if what == "period":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # periods of business days
                return index.to_period(detail).rename(index.name)
        unit: Any = detail
        try:
            return index.as_unit(unit) if what == "datetime" else index
        except pd.errors.OutOfBoundsDatetime:  # the stamps that came in were nearer
            return index

    def ids(self, names: pd.Index | pd.Series) -> Any:
        """Names of series of the type that came in."""
        return names if self.series_type is None else names.astype(self.series_type)

    def columns(self, time: str | None, taken: Collection[str] = ()) -> tuple[str, str]:
        """What the columns of the series and of the time are called in a table with a row for each of them.

        Args:
            time: what the time axis is called.
            taken: other columns of that table, whose names are not given twice.

        Returns:
            The names that came in where a column told the series apart, else "series" and "time".
        """
        if self.series is None or {self.series, time} & set(taken):
            return "series", "time"
        return self.series, time or "time"

    def give(self, frame: pd.DataFrame, time: str, keys: Sequence[str]) -> Any:
        """A result as the kind of table that came in.

        Args:
            frame: an index with names holds the time (and the series); libraries without an index get columns
                of it.
            time: the column or level of the time stamps.
            keys: the columns and levels that tell the rows apart; dimensions in xarray.

        Returns:
            A frame of pandas, polars or pyarrow, or a data set of xarray.
        """
        if self.library == "pandas":
            return frame
        levels = [name for name in frame.index.names if name is not None]
        free = {name: f"{name} of the row" for name in levels if name in frame.columns}
        if levels:
            frame = frame.rename_axis(index=free).reset_index()
        if self.library == "xarray":
            return frame.set_index([free.get(name, name) for name in keys]).to_xarray()
        return self._through_arrow(frame, free.get(time, time))

    def _through_arrow(self, frame: pd.DataFrame, time: str) -> Any:
        import narwhals as nw
        import pyarrow

        table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        if self.time_type == "day" and time in table.column_names:
            days = table.column(time).cast(pyarrow.date32())
            table = table.set_column(table.column_names.index(time), time, days)
        library: Any = self.library
        return nw.DataFrame.from_arrow(table, backend=library).to_native()
