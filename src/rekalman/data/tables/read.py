"""Tables from files: CSV of any delimiter and decimal mark, and Parquet."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from rekalman.data.tables.cells import MISSING
from rekalman.data.tables.decoding import read_text, require_file
from rekalman.data.tables.dialect import check_marks, layout, sniff
from rekalman.data.tables.frames import read_frames
from rekalman.data.tables.options import ReadOptions
from rekalman.data.tables.roles import USUAL_SERIES
from rekalman.data.tables.table import Table
from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

_WORDS = (
    "comment delim_whitespace delimiter dialect doublequote engine escapechar header index_col "
    "lineterminator names nrows on_bad_lines quotechar quoting sep skip_blank_lines skipfooter "
    "skiprows usecols"
)
_LAYOUT = frozenset(_WORDS.split())
"""Arguments of `pandas.read_csv` that say what rekalman else finds out of a file."""


def sequences_of_files(
    make: Callable[..., Sequences],
    read: Callable[[Path], Table],
    path: str | Path | Sequence[str | Path],
    **options: Unpack[ReadOptions],
) -> Sequences:
    """Read one file, or several of which each holds a series called by the file's name.

    Args:
        make: makes them, `Sequences.from_arrays`.
        read: reads a file as a table.
        path: the file or files.
        **options: which column is what.

    Raises:
        RekalError: what cannot be read, with file, row and column.
    """
    single = isinstance(path, str | Path)
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not paths:
        raise RekalError("There is no file to read.")
    tables = [read(item) for item in paths]
    labels = None if single else [item.stem for item in paths]
    return read_frames(make, tables, [str(item) for item in paths], labels, **options)


def read_csv(
    path: Path,
    sep: str | None = None,
    decimal: str = ".",
    pandas: Mapping[str, Any] | None = None,
    encoding: str | None = None,
    series: str | None = None,
) -> Table:
    r"""Read a CSV file, all columns, text where there is text.

    The file is read once, so it may be a pipe. Lines that begin with `#`, a first line `sep=;` and a
    delimiter at the end of the lines are no data; a line of units under the header gives the units.

    Args:
        path: the file.
        sep: what separates the columns, one or several characters, or `\s+`; None = found out.
        decimal: the decimal mark, "." or ",".
        pandas: more arguments for `pandas.read_csv`. With one that says where header and rows are, such
            as `skiprows` or `comment`, the lines are left to pandas.
        encoding: encoding of the file; None = by its byte-order mark, UTF-8 or Latin-1.
        series: the column that tells several series apart, where it has another name than usual: names such
            as 007 keep their zeros.

    Returns:
        The table; a file without a header gets the columns y1, y2, ...

    Raises:
        RekalError: there is no such file, it is empty, is no text, has a row with too many
            cells or two columns of one name.
    """
    where = str(path)
    check_marks(sep, decimal, where)
    options: dict[str, Any] = {
        "na_values": list(MISSING),
        "skipinitialspace": True,
        "index_col": False,
        "low_memory": False,
        **(pandas or {}),
    }
    text, notes = read_text(path, options.pop("encoding", None) or encoding)
    units: dict[str, str] = {}
    if _LAYOUT & set(pandas or {}):
        if not text.strip():
            raise RekalError(f"{where}: the file is empty.")
        if sep is None and not {"sep", "delimiter", "delim_whitespace", "dialect"} & set(options):
            sep = _sniff_below(text, options.get("skiprows"), decimal)
    else:
        result = layout(text, sep, decimal, where)
        text, sep, units = result.body, result.sep, result.units
        notes += result.notes
        options |= {
            "header": None,
            "names": result.names,
            "skip_blank_lines": len(result.names) > 1,
        }
    if sep is not None:
        options["sep"] = sep
    keys = [] if "dtype" in options else [*USUAL_SERIES, *([] if series is None else [series])]
    options.setdefault("dtype", dict.fromkeys(keys, "object"))
    table = _parse(text, {"decimal": decimal, **options}, where)
    for name in keys:
        if name in table.columns and not table[name].astype(str).str.match(r"0\d").any():
            table[name] = _plain(pd.Series(table[name]))
    unnamed = [name for name in table.columns if name.startswith("Unnamed: ")]
    empty = [name for name in unnamed if bool(table[name].isna().to_numpy().all())]
    table = table.drop(columns=empty) if len(empty) < len(table.columns) else table
    return Table(table, where, decimal, tuple(notes), units)


def _plain(cells: pd.Series) -> pd.Series:
    """Cells that were left as text as pandas reads them, numbers where all of them are."""
    try:
        return pd.Series(pd.to_numeric(cells))
    except (ValueError, TypeError):
        return cells.infer_objects()


def _sniff_below(text: str, skiprows: Any, decimal: str) -> str:
    """The delimiter of the lines that pandas is not told to skip."""
    lines = text.split("\n", 300)[:300]
    lines = lines[skiprows:] if isinstance(skiprows, int) else lines
    head = [line for line in lines if line.strip()][:50]
    return sniff(head, decimal) if head else ","


def _parse(text: str, options: dict[str, Any], where: str) -> pd.DataFrame:
    """Have pandas read the text, and say what it refuses in one sentence."""
    if not text.strip() and options.get("names") is not None:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in options["names"]})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(io.StringIO(text), **options)
    except pd.errors.EmptyDataError:
        raise RekalError(f"{where}: the file is empty.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        message = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise RekalError(f"{where}: the rows do not fit the columns ({message}).") from None
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:
        message = " ".join(str(error).split()).rstrip(".")
        raise RekalError(f"{where}: pandas cannot read it ({message}).") from None
    if not isinstance(table, pd.DataFrame):
        raise RekalError(
            f"{where}: pandas must read it whole, so leave out chunksize and iterator."
        )
    table.columns = [str(name).strip() for name in table.columns]
    return table


def read_parquet(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        RekalError: there is no such file, it is no Parquet file or a damaged one.
    """
    import pyarrow
    import pyarrow.parquet

    require_file(path)
    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read().to_pandas()
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        MemoryError,
        ArithmeticError,
    ) as error:
        raise _foreign(path, error) from None
    except (pyarrow.ArrowException, NotImplementedError, RuntimeError, AttributeError) as error:
        raise _foreign(path, error) from None
    table.columns = [str(name) for name in table.columns]
    return Table(table, str(path))


def _foreign(path: Path, error: Exception) -> RekalError:
    lines = str(error).strip().splitlines()
    reason = " ".join(lines[0].split())[:200] if lines else type(error).__name__
    return RekalError(f"{path}: this is no Parquet file, or a damaged one ({reason}).")
