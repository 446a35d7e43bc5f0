"""The lines of a CSV file: cells of a line, lines with too many or too few of them, blank lines."""

import csv
import re

import numpy as np

from rekalman.foundation.errors import RekalError

SPACES = r"\s+"
"""Any number of spaces and tabs."""

_SPACED = re.compile(r'"[^"]*"|[^ \t]+')
"""A cell between spaces; other white space, such as a narrow space, may stand between thousands."""


def split_cells(line: str, sep: str) -> list[str]:
    """The stripped cells of one line.

    Raises:
        csv.Error: a quoted cell is longer than the standard library reads.
    """
    if sep == SPACES:
        return [cell.strip('"') for cell in _SPACED.findall(line)]
    if '"' not in line:
        return [cell.strip() for cell in line.split(sep)]
    rows = csv.reader([line], delimiter=sep, skipinitialspace=True)
    return [cell.strip() for cell in next(rows, [""])]


def fitted(body: str, sep: str, names: list[str], where: str, notes: list[str]) -> str:
    """The body with as many cells in each line as there are columns, or fewer where that is harmless.

    Raises:
        RekalError: a line has too many cells that are not empty, or the last one is cut off.
    """
    columns = len(names)
    if columns == 1 and sep != SPACES:
        return _one_column(body, sep, where, notes)
    counts = _counts(body, sep)
    if counts is None:
        return body
    filled = counts[counts > 0]
    header_alone = names[-1] == "" and np.sum(filled == columns - 1) > 0.5 * len(filled)
    short = (counts > 0) & (counts < columns - header_alone)  # a delimiter may end the header alone
    long = counts > columns
    if long.any():
        lines = body.split("\n")
        for place in np.flatnonzero(long):
            line = _shortened(lines[place], sep, int(counts[place]) - columns)
            if line is None:
                row, many = _row_of(counts, np.arange(len(counts)) == place)
                raise RekalError(
                    f"{where}: the rows do not fit the columns (row {row} has {many} cells, but there "
                    f"are {columns} columns)."
                )
            lines[place] = line
        body = "\n".join(lines)
    if short.any():
        row, few = _row_of(counts, short)
        last = int(np.flatnonzero(counts)[-1])
        if sep == SPACES or (short[last] and not body.endswith("\n")):
            row, few = _row_of(counts, short if sep == SPACES else np.arange(len(counts)) == last)
            raise RekalError(
                f"{where}: the rows do not fit the columns (row {row} has {few} cells where there are "
                f"{columns} columns; is it cut off?)."
            )
        notes.append(
            f"{int(short.sum())} rows have fewer cells than there are columns (the first is row {row}); "
            "the rest of them was taken as missing."
        )
    return body


def _shortened(line: str, sep: str, extra: int) -> str | None:
    """A line without so many empty cells at its end, or None where they are not empty."""
    if sep == SPACES:
        return None
    match = re.search(rf"(?:{re.escape(sep)}[ ]*){{{extra}}}$", line)
    return line[: match.start()] if match else None


def _row_of(counts: np.ndarray, which: np.ndarray) -> tuple[int, int]:
    """The number of the first row that is marked, not counting blank lines, and its cells."""
    place = int(np.argmax(which))
    return int((counts[: place + 1] > 0).sum()), int(counts[place])


def _one_column(body: str, sep: str, where: str, notes: list[str]) -> str:
    """A single column, in which an empty line is a missing value, except at the end of the file."""
    filled = body.rstrip("\n \t")
    left_out = body[len(filled) :].count("\n") - 1
    if left_out > 0:
        notes.append(f"{left_out} empty lines at the end of the file were left out.")
    lines = filled.split("\n")
    blank = sum(not line.strip() for line in lines) if filled else 0
    if blank:
        notes.append(f"{blank} empty lines were read as missing values.")
    counts = _counts(filled, sep)
    if counts is None:
        return filled + "\n"
    for place in np.flatnonzero(counts > 1):
        line = _shortened(lines[place], sep, int(counts[place]) - 1)
        if line is None:
            raise RekalError(
                f"{where}: the rows do not fit the columns (row {place + 1} has {counts[place]} cells, but "
                "there is 1 column; if the decimal mark is a comma, say so: decimal=',' or --decimal ,)."
            )
        lines[place] = line
    return "\n".join(lines) + "\n" if filled else ""


def _counts(body: str, sep: str) -> np.ndarray | None:
    """The number of cells of each line, 0 for a blank one; None where quoted cells hold ends of lines."""
    lines = body.split("\n")
    if sep == SPACES:
        return np.array([len(split_cells(line, sep)) for line in lines])
    if '"' not in body:
        return np.array(
            [line.count(sep) + 1 if sep in line or line.strip() else 0 for line in lines]
        )
    try:
        rows = list(csv.reader(lines, delimiter=sep, skipinitialspace=True))
    except csv.Error:
        return None
    if len(rows) != len(lines):
        return None
    return np.array(
        [
            len(row) if len(row) > 1 or line.strip() else 0
            for row, line in zip(rows, lines, strict=True)
        ]
    )
