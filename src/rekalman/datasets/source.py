"""What a person names on the command line: an example, a CSV or Parquet file, or a film."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from rekalman.data import Sequences
from rekalman.data.film_files import SUFFIX
from rekalman.data.images import Frames
from rekalman.data.tables.options import ReadOptions
from rekalman.datasets.examples import EXAMPLES, load_example
from rekalman.foundation.errors import RekalError

_PARQUET = frozenset([".parquet", ".pq"])


def open_data(
    source: str | Path,
    *,
    sep: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
    **options: Unpack[ReadOptions],
) -> Sequences:
    """Read data by path or by the name of an example.

    Args:
        source: the path of a CSV file, of a Parquet file (`.parquet`, `.pq`), of a film (`.npz`, see
            `Frames.from_npz`), or a key of `EXAMPLES` where there is no file of that name.
        sep: what separates the columns of a CSV file; default found out.
        decimal: the decimal mark of a CSV file.
        encoding: encoding of a CSV file; default found out.
        **options: which column is what.

    Returns:
        The data.

    Raises:
        RekalError: neither file nor example, or data that cannot be read.
    """
    path = Path(source)
    if str(source) in EXAMPLES and not path.exists():
        return load_example(str(source), **options)
    if not path.exists() and path.suffix == "" and path.parent == Path("."):
        raise RekalError(
            f"{source}: there is neither such a file nor such an example; "
            f"the examples are {', '.join(EXAMPLES)}."
        )
    if path.suffix.lower() == SUFFIX:
        mark = None if decimal == "." else decimal
        reading = {"sep": sep, "decimal": mark, "encoding": encoding, **options}
        return open_film(path, reading).as_sequences()
    if path.suffix.lower() in _PARQUET:
        return Sequences.from_parquet(path, **options)
    return Sequences.from_csv(path, sep=sep, decimal=decimal, encoding=encoding, **options)


def open_film(path: Path, reading: Mapping[str, Any]) -> Frames:
    """Read a film, for which there is nothing to say of columns.

    Args:
        path: of the file.
        reading: options of tables, none of which is of use here.

    Raises:
        RekalError: an option is given, or the film cannot be read.
    """
    for name, value in reading.items():
        if value not in (None, False, (), []):
            raise RekalError(
                f"{path}: {name.replace('_', '-')} is an option of tables: leave it out"
            )
    return Frames.from_npz(path)
