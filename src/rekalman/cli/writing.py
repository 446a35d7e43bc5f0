"""Where the commands write, made sure before the work begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import check_writable

if TYPE_CHECKING:
    import pandas as pd

MOST_PRINTED, MOST_PRINTED_JSON = 10_000, 1_000_000
"""Rows of a table, and records of a JSON object, that a command prints."""


def check_targets(targets: list[Path | None], sources: list[str | Path | None]) -> None:
    """Make sure that all files can be written and that none is read or written twice.

    Args:
        targets: files to be written; None is left out.
        sources: files that are read; None is left out.

    Raises:
        RekalError: a folder is missing or cannot be written, or two files are the same.
    """
    real = {os.path.realpath(path): path for path in sources if path is not None}
    taken: dict[str, Path] = {}
    for path in targets:
        if path is None:
            continue
        place = os.path.realpath(path)
        if place in real:
            raise RekalError(f"{path}: this file is read, so it cannot be written as well.")
        if place in taken:
            raise RekalError(f"{path}: two results cannot be written to the same file.")
        taken[place] = path
        check_writable(path)


FOREIGN = (
    *(
        ".csv",
        ".tsv",
        ".parquet",
        ".pq",
        ".json",
        ".html",
        ".htm",
        ".rekalman",
        ".xlsx",
        ".xls",
        ".xlsm",
    ),
    *(".ods", ".pdf", ".png", ".svg", ".pkl", ".pickle", ".npy", ".npz", ".feather", ".h5", ".zip"),
)
"""Endings that promise a format."""
TABLE, MODEL, PAGE, FIGURES = (
    (".csv", ".parquet", ".pq"),
    (".rekalman",),
    (".html", ".htm"),
    (".json",),
)
"""Endings of tables, models, reports and the figures of a study."""


def check_format(path: Path | None, written: tuple[str, ...], what: str) -> None:
    """Refuse a file whose name promises another format than is written.

    Args:
        path: the file, or None.
        written: endings of what is written.
        what: what that is, in the plural.

    Raises:
        RekalError: its ending is that of another format.
    """
    ending = "" if path is None else path.suffix.lower()
    if ending in FOREIGN and ending not in written:
        raise RekalError(f"{path}: {what} are written as {' or '.join(written)}, not as {ending}.")


def check_printed(option: str, rows: int, json: bool) -> None:
    """Refuse to print what nobody reads and no memory holds as text.

    Raises:
        RekalError: there are too many rows.
    """
    most = MOST_PRINTED_JSON if json else MOST_PRINTED
    if rows > most:
        raise RekalError(
            f"--{option} {rows} is too long to be printed (at most {most}): write it to a file with --out."
        )


def stem_of(source: str | Path) -> str:
    """What results are called after their source: `data/chest.csv` gives `chest`."""
    return Path(source).stem or "rekalman"


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV, or as Parquet where the name ends in `.parquet` or `.pq`.

    Raises:
        RekalError: the file cannot be written.
    """
    from rekalman.foundation.files import write_whole

    if path.suffix.lower() in (".parquet", ".pq"):
        write_whole(path, frame.to_parquet(index=False))
    else:
        write_whole(path, frame.to_csv(index=False))
