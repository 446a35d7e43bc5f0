"""The dialect of a CSV file: delimiter, comments, header, a line of units."""

import csv
import re
from collections import Counter
from dataclasses import dataclass

from rekalman.data.tables.cells import ALL_MISSING, is_number
from rekalman.data.tables.rows import SPACES, fitted, split_cells
from rekalman.data.time.dates import are_clock_times, look_like_dates
from rekalman.data.units import is_unit
from rekalman.foundation.errors import RekalError

DELIMITERS = (";", "\t", ",", "|")
_DIRECTIVE = re.compile(r'\s*"?sep=(.)"?[;,\t|]*\s*', re.IGNORECASE)
"""The line `sep=;` with which some programs tell a spreadsheet the delimiter."""

_COMMENT = re.compile(r"^[ \t]*#(?!N/?A\b).*\n?", re.MULTILINE)
"""A comment; `#N/A` is a missing value."""

_COMMAS = re.compile(r"\s*([+-]?\d+,\d+(\s+|$))+")
"""A line of numbers with decimal commas, separated by spaces."""

_STAND_IN = "\x1f"
"""The unit separator of ASCII, in place of a delimiter of several characters."""


@dataclass(frozen=True)
class Layout:
    """What a CSV file says besides its cells.

    Attributes:
        body: the lines of cells, without header, comments and units.
        sep: the delimiter, one character or `SPACES`.
        names: names of the columns.
        units: units of columns that a line under the header gave.
        notes: what was assumed, one sentence each.
    """

    body: str
    sep: str
    names: list[str]
    units: dict[str, str]
    notes: list[str]


def check_marks(sep: str | None, decimal: str, where: str) -> None:
    """Refuse marks that no file can be written with.

    Raises:
        RekalError: the decimal mark is neither a point nor a comma; the delimiter is empty, the decimal
            mark, or what numbers, quoted cells and lines are made of.
    """
    if decimal not in (".", ","):
        raise RekalError(f"{where}: the decimal mark is '.' or ',', not {decimal!r}.")
    if sep is None or sep == SPACES:
        return
    if not isinstance(sep, str) or sep == "" or sep == decimal or set(sep) & set('"\r\n\0'):
        raise RekalError(
            f"{where}: sep must be what separates the columns, such as ',', ';', a tab or spaces, not "
            f"{sep!r}."
        )
    if any(c.isalnum() for c in sep) or sep in ("+", "-", "."):
        raise RekalError(
            f"{where}: sep must differ from what numbers are written with, but is {sep!r}."
        )


def layout(text: str, sep: str | None, decimal: str, where: str) -> Layout:
    r"""Find out the dialect of a CSV file.

    Args:
        text: the whole file, lines ending in `\n`.
        sep: what separates the columns, None = found out.
        decimal: the decimal mark.
        where: the file, for messages.

    Raises:
        RekalError: there is nothing in it, two columns have one name, or a line has too many cells or is
            cut off.
    """
    notes: list[str] = []
    text, comments, directive = _without_comments(text, notes)
    if not text:
        what = "nothing but comments" if comments else "empty"
        raise RekalError(f"{where}: the file is {what}.")
    if sep is None:
        sep = directive
    elif len(sep) > 1 and sep != SPACES:
        text, sep = text.replace(sep, _STAND_IN), _STAND_IN
    first_lines = [line for line in text[:1_000_000].split("\n")[:200] if line.strip()][:50]
    sep = sniff(first_lines, decimal) if sep is None else sep
    names, rest = _first_row(text, sep, where)
    value = next((n for n in names if n in ALL_MISSING - {""} or _is_data([n], decimal)), None)
    if value is not None:
        above = _names_above(comments, sep, names)
        if above is not None:
            names, rest = above, text
            notes.append("The comment above the first row was taken as the names of the columns.")
        elif _is_data(names, decimal):
            names, rest = _default_names(names, notes), text
        else:
            notes.append(
                f"The first line was taken as the names of the columns although it holds '{value}'."
            )
    _refuse_twice(names, where)
    if not text.endswith("\n"):
        notes.append(
            "The file does not end with an end of line; if it was cut off, its last row is not whole."
        )
    units, body = _units(names, rest, sep, decimal, where)
    if units:
        shown = ", ".join(dict.fromkeys(units.values()))
        notes.append(f"The line under the header was taken as units ({shown}).")
    body = fitted(body, sep, names, where, notes)
    names = [name or f"Unnamed: {i}" for i, name in enumerate(names)]
    return Layout(body, sep, names, units, notes)


def sniff(lines: list[str], decimal: str) -> str:
    """The delimiter that gives most lines as many cells as the header; else spaces or comma."""
    plain = [re.sub(r'"[^"]*"', "", line) for line in lines]
    if all(len(split_cells(line, SPACES)) > 1 and _COMMAS.fullmatch(line) for line in plain):
        return SPACES
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in plain]
        inner = [line.rstrip(f" {delimiter}").count(delimiter) for line in plain]
        usual = {counts[0], inner[0]}
        alike = sum(bool(usual & set(pair)) for pair in zip(counts, inner, strict=True))
        if delimiter != decimal and counts[0] > 0 and alike >= 0.8 * len(counts):
            return delimiter
    counts = [len(split_cells(line, SPACES)) for line in lines]
    spaced = counts[0] > 1 and counts.count(counts[0]) >= 0.8 * len(counts)
    units = len(lines) > 1 and all(is_unit(split_cells(line, SPACES)[-1]) for line in lines)
    spaced &= not (counts[0] == 2 and units)  # a single column of quantities such as 3.5 mm
    return SPACES if spaced else ("," if decimal != "," else ";")


def _without_comments(text: str, notes: list[str]) -> tuple[str, list[str], str | None]:
    """Text without blank lines at its start, comments and `sep=`; the leading comments; the delimiter."""
    comments: list[str] = []
    directive = None
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        if directive is None and len(line) < 40 and (match := _DIRECTIVE.fullmatch(line)):
            directive = match[1]
        elif _COMMENT.match(line):
            comments.append(line.strip())
        elif line.strip():
            break
        start = end + 1
    text = text[start:]
    if re.search(r"\n[ \t]*#", text):
        text, count = _COMMENT.subn("", text)
        if count:
            notes.append(f"{count} lines between the rows that begin with # were left out.")
    return text, comments, directive


def _first_row(text: str, sep: str, where: str) -> tuple[list[str], str]:
    """The cells of the first line and the text after it; a quoted name may hold the end of a line."""
    end = text.find("\n")
    end = len(text) if end < 0 else end
    while text.count('"', 0, end) % 2 and end < len(text) and sep != SPACES:
        after = text.find("\n", end + 1)
        end = len(text) if after < 0 else after
        if end > 1_000_000:
            break
    try:
        cells = split_cells(" ".join(text[:end].split("\n")), sep)
    except csv.Error as error:
        raise RekalError(f"{where}: the first line cannot be read ({error}).") from None
    return cells, text[end + 1 :]


def _is_data(cells: list[str], decimal: str) -> bool:
    """Whether a first line holds no names: numbers, dates and missing markers, not all of them missing."""
    filled = [cell for cell in cells if cell not in ALL_MISSING]
    return bool(filled) and all(
        is_number(cell, decimal) or look_like_dates([cell]) or are_clock_times([cell])
        for cell in filled
    )


def _names_above(comments: list[str], sep: str, cells: list[str]) -> list[str] | None:
    """The names in the comment right above the first row, or None if it holds none."""
    if not comments:
        return None
    count = _filled(cells)
    for line in (comments[-1].lstrip("# \t"), comments[-1]):
        for delimiter in (sep, SPACES):
            names = split_cells(line, delimiter) if line and '"' not in line else []
            if len(names) == count and all(names) and not any(_is_data([n], ".") for n in names):
                return names + [""] * (len(cells) - count)
    return None


def _default_names(cells: list[str], notes: list[str]) -> list[str]:
    """The names y1, y2, ... of a file without a header."""
    count = _filled(cells)
    called = "its column is called y1" if count == 1 else f"its columns are called y1 to y{count}"
    notes.append(f"The file has no header, so {called}.")
    return [f"y{i + 1}" for i in range(count)] + [""] * (len(cells) - count)


def _filled(cells: list[str]) -> int:
    """The number of cells without one empty cell after a delimiter at the end of the line."""
    return len(cells) - 1 if len(cells) > 1 and cells[-1] == "" else len(cells)


def _refuse_twice(names: list[str], where: str) -> None:
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise RekalError(f"{where}: two columns are called '{twice}'.")


def _units(
    names: list[str], text: str, sep: str, decimal: str, where: str
) -> tuple[dict[str, str], str]:
    """The units in the line under the header, where it holds some, and the text after it."""
    start = text.split("\n", 3)[:3]
    if len(start) < 2:
        return {}, text
    try:
        first, second = split_cells(start[0], sep), split_cells(start[1], sep)
    except csv.Error:
        return {}, text
    if len(first) != len(names) or len(second) < len(first):
        return {}, text
    given = {
        name: _bare(cell)
        for name, cell in zip(names, first, strict=True)
        if cell not in ALL_MISSING
    }
    below = [cell for cell, above in zip(second, first, strict=False) if above not in ALL_MISSING]
    bracketed = all(
        re.fullmatch(r"[\[(].*[\])]", cell) for cell in first if cell not in ALL_MISSING
    )
    units = bool(given) and (bracketed or all(is_unit(unit) for unit in given.values()))
    if not units or _is_data(first, decimal) or not _is_data(below, decimal):
        return {}, text
    return {name: unit for name, unit in given.items() if unit}, text[len(start[0]) + 1 :]


def _bare(cell: str) -> str:
    return re.sub(r"^[\[(]\s*|\s*[\])]$", "", cell)
