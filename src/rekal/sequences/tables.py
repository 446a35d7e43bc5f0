"""Tables from files: CSV of any delimiter and decimal mark, and Parquet."""

import csv
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from rekal.errors import RekalError
from rekal.sequences.columns import MISSING
from rekal.sequences.container import Sequences
from rekal.sequences.frames import read_frames
from rekal.sequences.options import ReadOptions

_DELIMITERS = (";", "\t", ",", "|")


def sequences_of_files(
    read: Callable[[Path], pd.DataFrame],
    path: str | Path | Sequence[str | Path],
    **how: Unpack[ReadOptions],
) -> Sequences:
    """Read one file, or several of which each holds a series called by the file's name.

    Raises:
        RekalError: what cannot be read, with file, row and column.
    """
    single = isinstance(path, str | Path)
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not paths:
        raise RekalError("There is no file to read.")
    frames = [read(item) for item in paths]
    labels = None if single else [item.stem for item in paths]
    return read_frames(frames, [str(item) for item in paths], labels, **how)


def read_csv(
    path: Path,
    sep: str | None = None,
    decimal: str = ".",
    pandas: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read a CSV file as a data frame, all columns, text where there is text.

    Args:
        path: the file.
        sep: what separates the columns; None = found out.
        decimal: the decimal mark.
        pandas: more arguments for `pandas.read_csv`.

    Returns:
        The table; a file without a header gets the columns y1, y2, ...

    Raises:
        RekalError: there is no such file, it is empty, is no text, has a row with too many
            cells or two columns of one name.
    """
    options: dict[str, Any] = {
        "encoding": "utf-8-sig",
        "na_values": list(MISSING),
        "skipinitialspace": True,
        "index_col": False,
        "low_memory": False,
        **(pandas or {}),
    }
    head = _head(path, str(options["encoding"]))
    if not head:
        raise RekalError(f"{path}: the file is empty.")
    sep = _sniff(head, decimal) if sep is None else sep
    if not options.keys() & {"header", "names", "skiprows"}:
        names = head[0].split() if sep == r"\s+" else next(csv.reader([head[0]], delimiter=sep))
        names = [name.strip() for name in names]
        if all(_is_number(name, decimal) for name in names):
            options["header"] = None
            options["names"] = [f"y{i + 1}" for i in range(len(names))]
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice is not None and "header" not in options:
            raise RekalError(f"{path}: two columns are called '{twice}'.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, sep=sep, decimal=decimal, **options)
    except pd.errors.EmptyDataError:
        raise RekalError(f"{path}: the file is empty.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        message = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise RekalError(f"{path}: the rows do not fit the columns ({message}).") from None
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        raise RekalError(f"{path}: pandas cannot read it ({error}).") from None
    table.columns = [str(name).strip() for name in table.columns]
    return table


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file as a data frame.

    Raises:
        RekalError: there is no such file or it is no Parquet file.
    """
    _require(path)
    try:
        table = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RekalError(f"{path}: this is no Parquet file ({reason}).") from None
    table.columns = [str(name) for name in table.columns]
    return table


def _require(path: Path) -> None:
    if path.is_dir():
        raise RekalError(f"{path}: this is a folder, not a file.")
    if not path.exists():
        raise RekalError(f"{path}: there is no such file.")


def _head(path: Path, encoding: str) -> list[str]:
    """The first 50 lines that are not blank."""
    _require(path)
    lines = []
    try:
        with path.open(encoding=encoding, newline=None) as file:
            for line in file:
                if line.strip():
                    lines.append(line.rstrip("\n"))
                if len(lines) == 50:
                    break
    except (UnicodeDecodeError, LookupError):
        raise RekalError(
            f"{path}: this is not {encoding} text; say its encoding, or is it no CSV file?"
        ) from None
    except OSError as error:
        raise RekalError(f"{path}: it cannot be read ({error.strerror}).") from None
    if any("\0" in line for line in lines):
        raise RekalError(f"{path}: this is not a text file.")
    return lines


def _sniff(head: list[str], decimal: str) -> str:
    """The delimiter that gives most lines as many cells as the header; else spaces or comma."""
    for delimiter in _DELIMITERS:
        counts = [len(row) for row in csv.reader(head, delimiter=delimiter)]
        alike = sum(count == counts[0] for count in counts)
        if delimiter != decimal and counts[0] > 1 and alike >= 0.8 * len(counts):
            return delimiter
    counts = [len(line.split()) for line in head]
    spaced = counts[0] > 1 and all(count == counts[0] for count in counts)
    return r"\s+" if spaced else ("," if decimal != "," else ";")


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True
