"""Tables of other libraries as frames of pandas: polars, Arrow and more through narwhals, and xarray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from rekalman.data.time import timecolumn
from rekalman.foundation.errors import RekalError

_COLUMNS = ("columns", "column_names", "collect_schema")
"""Attributes of which every library has one for a table of named columns."""

_SOURCES = ("__arrow_c_stream__", "to_pandas", "collect")
"""Ways to have the cells of a table, of which every library has one."""


@runtime_checkable
class ArrowTable(Protocol):
    """A table or column that Arrow reads: polars, pyarrow, duckdb and others."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:
        """Its rows as a stream of Arrow."""
        ...


@runtime_checkable
class LazyTable(Protocol):
    """A query whose result is a table, such as a `LazyFrame` of polars."""

    def collect(self) -> Any:
        """The table."""
        ...


@runtime_checkable
class LabelledArray(Protocol):
    """A `DataArray` or `Dataset` of xarray."""

    def to_dataframe(self) -> pd.DataFrame:
        """The same as a frame of pandas."""
        ...


ForeignTable = ArrowTable | LazyTable | LabelledArray
"""Tables of other libraries than pandas."""


@dataclass(frozen=True)
class Converted:
    """A table of any library as pandas has it.

    Attributes:
        frame: its cells.
        library: where it came from: "pandas", "polars", "pyarrow", "xarray" or another that narwhals names.
        days: columns of dates without a time of day, a type of its own that pandas does not have.
        series: the column that tells several series apart, where the layout says so (a second dimension of a
            data set of xarray, the other level of an index whose one level holds dates), or None.
    """

    frame: pd.DataFrame | pd.Series
    library: str = "pandas"
    days: frozenset[str] = frozenset()
    series: str | None = None


def is_table(data: Any) -> bool:
    """Whether this is a frame or series of pandas, or a table or named column of another library."""
    return isinstance(data, pd.DataFrame | pd.Series) or _is_labelled(data) or _is_columnar(data)


def converted(data: Any, series: str | None = None) -> Converted | None:
    """A table of any library as pandas has it, or None for anything else.

    Args:
        data: a table, or something else.
        series: the dimension of an array of xarray that tells several series apart; default none, the second
            dimension then holds columns.

    Raises:
        RekalError: an array of xarray has more dimensions than a table.
    """
    if isinstance(data, pd.DataFrame | pd.Series):
        return Converted(data, series=_level_of_series(data.index))
    if _is_labelled(data):
        return _of_labelled(data, series)
    return _of_columns(data) if _is_columnar(data) else None


def _is_columnar(data: Any) -> bool:
    kind = type(data)  # asked of the class: attributes of a query may begin to run it
    if not any(hasattr(kind, name) for name in _SOURCES) or hasattr(kind, "coords"):
        return False
    column = hasattr(kind, "name") and hasattr(kind, "to_pandas")
    return column or any(hasattr(kind, name) for name in _COLUMNS)


def _is_labelled(data: Any) -> bool:
    """Whether this is a data set of xarray, or an array of it whose axes carry labels."""
    kind = type(data)
    if not (hasattr(kind, "to_dataframe") and hasattr(kind, "coords")):
        return False
    return not hasattr(kind, "to_dataset") or len(data.indexes) > 0


def _of_columns(data: Any) -> Converted:
    """A table or a named column of a library that narwhals or Arrow knows."""
    import narwhals as nw

    native: Any = None
    try:
        native = nw.from_native(data, pass_through=True, allow_series=True)
        if isinstance(native, nw.LazyFrame):
            native = native.collect()
    except nw.exceptions.DuplicateError:
        names = pd.Index(getattr(data, "column_names", data.columns))
        twice = names[names.duplicated()][0]
        raise RekalError(f"two columns are called '{twice}'") from None
    if not isinstance(native, nw.DataFrame | nw.Series) and hasattr(data, "__arrow_c_stream__"):
        import pyarrow

        native = nw.from_native(pyarrow.table(data), eager_only=True)
    if isinstance(native, nw.Series):
        return Converted(native.to_pandas(), native.implementation.value)
    if not isinstance(native, nw.DataFrame):  # a library that neither knows
        return Converted(native.to_pandas())
    days = frozenset(name for name, kind in native.schema.items() if kind == nw.Date)
    return Converted(native.to_pandas(), native.implementation.value, days)


def _of_labelled(data: Any, series: str | None) -> Converted:
    """A row for each time, and for each label of another dimension that tells series apart."""
    array = hasattr(data, "to_dataset")
    if array and data.ndim == 1:
        return Converted(data.to_series(), "xarray")
    time = _time_of(data, series)
    if time is None:
        raise RekalError("a data set of xarray without dimensions is no table")
    if array:
        data = _as_columns(data, [dim for dim in data.dims if dim not in (time, series)])
    data = data.reset_coords(drop=True)
    others = [dim for dim in data.dims if dim != time]
    frame = data.to_dataframe(dim_order=[*others, time])
    frame = frame.reset_index(others) if others else frame
    if time not in data.indexes:
        frame = frame.reset_index(drop=True)
    return Converted(frame, "xarray", series=str(others[0]) if len(others) == 1 else None)


def _as_columns(data: Any, dims: list[Any]) -> Any:
    """The data set of an array, whose one dimension holds columns, or none does."""
    if len(dims) > 1:
        named = ", ".join(f"'{dim}'" for dim in data.dims)
        raise RekalError(
            f"an array of xarray with the dimensions {named} is more than a table: say which one tells the "
            "series apart (series=), select from it, or give to_numpy() of it"
        )
    if dims:
        return data.to_dataset(dim=dims[0])
    return data.to_dataset(name="y" if data.name is None else data.name)


def _time_of(data: Any, series: str | None) -> Any:
    """The dimension of dates, or that is called as time is, or the first one; None = there is none."""
    dims = [dim for dim in data.dims if dim != series]
    dated = [dim for dim in dims if _is_dated(data.indexes.get(dim))]
    called = [dim for dim in dims if timecolumn.means_time(str(dim))]
    return next(iter((*dated, *called, *dims)), None)


def _level_of_series(index: pd.Index) -> str | None:
    """The level beside one of dates, in an index of two named levels."""
    if index.nlevels != 2 or None in index.names:
        return None
    dated = [_is_dated(index.get_level_values(i)) for i in (0, 1)]
    name = str(index.names[dated.index(False)]) if sum(dated) == 1 else None
    return None if name is None or timecolumn.means_time(name) else name


def _is_dated(index: pd.Index | None) -> bool:
    dates = pd.DatetimeIndex | pd.PeriodIndex
    return isinstance(index, dates)
