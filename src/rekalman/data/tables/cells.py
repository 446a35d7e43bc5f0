"""Cells of text as numbers: decimal marks, thousands, units and percent signs, true and false."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rekalman.data.units import CURRENCIES, is_unit

MISSING = ("-", "--", "---", "?", ".", "none", "missing", "NAN", "Nan", "na", "n.a.", "Null")
"""Missing markers besides those that pandas knows ('', NA, NaN, null, None, N/A, ...)."""

ALL_MISSING = frozenset(MISSING) | {
    *("", "NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "#N/A", "<NA>", "NaT"),
    *("-NaN", "-nan", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "#N/A N/A", "#NA"),
}

_DIGIT = re.compile(r"\d")
_SPACES = " \u00a0\u2009\u202f"
_APOSTROPHES = "'\u2019"
_NUMBER = re.compile(
    rf"(?P<sign>[+-](?=\s*[^\s\d.,]))?\s*(?P<before>[{CURRENCIES}]|R\$|[A-Z]{{3}}(?=\s?[\d+-]))?\s*"
    rf"(?P<number>[+-]?[\d.,{_SPACES}{_APOSTROPHES}]*\d[.,]?(?:[eE][+-]?\d+)?)"
    rf"\s*(?P<after>[^\s\d.,+-].*)?"
)
"""A number in any notation, with a currency before it or a unit after it."""

_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class CellNumbers:
    """The numbers in a column of text.

    Attributes:
        values: numbers, NaN where there is none, shape (time,).
        missing: where a cell is empty or holds a missing marker.
        note: what was assumed of the notation, without the name of the column, or None.
        unit: the unit that the cells carry, or None.
    """

    values: np.ndarray
    missing: np.ndarray
    note: str | None = None
    unit: str | None = None

    @property
    def wrong(self) -> np.ndarray:
        """Where a cell holds something that is not a number."""
        return np.isnan(self.values) & ~self.missing


def read_cells(cells: list[str | None], decimal: str = ".") -> CellNumbers:
    """Read cells of text as numbers.

    All cells of a column are in one notation: `1.234` is 1234 where the decimal mark is a comma and another
    cell does not show the point to be one. What the notation does not settle is no number.

    Args:
        cells: stripped text, None = empty.
        decimal: the decimal mark, "." or ",".
    """
    missing = np.array([cell is None or cell in ALL_MISSING for cell in cells], dtype=bool)
    values = np.full(len(cells), np.nan)
    places = np.flatnonzero(~missing)
    if len(places) == 0:
        return CellNumbers(values, missing)
    texts = [str(cells[i]) for i in places]
    if decimal == ".":
        values[places] = _plain(texts)
        if not np.isnan(values[places]).any():
            return CellNumbers(values, missing)
    if texts[0].lower() in _WORDS or texts[-1].lower() in _WORDS:
        words = np.array([_WORDS.get(text.lower(), np.nan) for text in texts])
        if np.isnan(words).mean() <= 0.2:
            values[places] = words
            return CellNumbers(values, missing)
    if not any(map(_DIGIT.search, texts)):
        return CellNumbers(values, missing)
    numbers, note, unit = _in_one_notation(texts, decimal)
    values[places] = numbers
    return CellNumbers(values, missing, note, unit)


def is_number(cell: str, decimal: str) -> bool:
    """Whether one cell holds a number in any notation."""
    cell = cell.strip()
    if cell.lower() in _WORDS:
        return True
    if _match(cell) is None:
        return False
    return not read_cells([cell], decimal).wrong[0]


def bare(cell: str) -> str:
    """The number of a cell without a unit or currency; the cell as it is where it is no number."""
    match = _match(cell.strip())
    return cell if match is None else _number(match).strip()


def _plain(texts: list[str]) -> np.ndarray:
    """Numbers as computers write them, NaN for anything else."""
    cells = np.empty(len(texts), dtype=object)
    cells[:] = texts
    return np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)


def _in_one_notation(texts: list[str], decimal: str) -> tuple[np.ndarray, str | None, str | None]:
    """Numbers, a note and the unit of cells that are not all plain."""
    plain = _plain(texts) if decimal == "." else np.full(len(texts), np.nan)
    some = map(_match, texts[:: max(1, len(texts) // 200)])
    if not any(match is not None and is_unit(_unit(match) or "%") for match in some):
        return plain, None, None
    matches = [_match(text) for text in texts]
    numbers = ["" if match is None else _number(match) for match in matches]
    units = ["" if match is None else _unit(match) for match in matches]
    counts = Counter(unit for unit, number in zip(units, numbers, strict=True) if number)
    common, count = counts.most_common(1)[0]
    if common and (not is_unit(common) or count < 0.8 * len(texts)):
        common = ""  # names such as 12A and 12B, not quantities
    usable = [number if unit == common else "" for number, unit in zip(numbers, units, strict=True)]
    mark, note = _separators([number for number in usable if number], decimal)
    values = _plain([_translated(number, *mark) for number in usable])
    if np.isnan(values).all():  # text, dates and the like: nothing was assumed
        return plain, None, None
    notes = [] if note is None else [note]
    if common:
        notes.append(f"carries the unit '{common}' in its cells, which was taken as its unit")
    return values, " and ".join(notes) or None, common or None


def _match(text: str) -> re.Match[str] | None:
    return _NUMBER.fullmatch(text.replace("\u2212", "-"))


def _number(match: re.Match[str]) -> str:
    """The number of a cell, with the sign that may stand before a currency."""
    return (match["sign"] or "") + match["number"]


def _unit(match: re.Match[str]) -> str:
    return (match["before"] or match["after"] or "").strip()


def _separators(numbers: list[str], decimal: str) -> tuple[tuple[str, str], str | None]:
    """The decimal mark and the thousands separator of a column, and a note on them."""
    others = {c for number in numbers for c in number if c in _SPACES + _APOSTROPHES}
    if others:
        # A second kind of separator makes `_translated` reject the cells that hold it.
        most = Counter(c for number in numbers for c in number if c in others).most_common(1)[0][0]
        shown = "spaces" if most in _SPACES else "apostrophes"
        return (decimal, most), f"has {shown} between thousands, which were left out"
    if decimal == "." and _with_commas(numbers):
        return (",", "."), "has points between thousands and decimal commas, by which it was read"
    mark = "," if decimal == "." else "."
    marked = [number for number in numbers if mark in number]
    if not marked:
        return (decimal, ""), None
    grouped = [_grouped(number, decimal, mark) for number in marked]
    sure = decimal == "," or any(n.count(mark) > 1 or decimal in n for n in marked)
    name = "points" if mark == "." else "commas"
    if sure and all(grouped):
        return (decimal, mark), f"has {name} between thousands, which were left out"
    plain = all(number.count(mark) == 1 and decimal not in number for number in marked)
    if decimal == "," and plain and not any("," in number for number in numbers):
        return (
            ".",
            "",
        ), "has decimal points and no commas, so its points were read as decimal marks"
    # Not settled: a cell with that mark is no number, except thousands in a column with decimal commas.
    return (decimal, mark if sure else ""), None


def _grouped(number: str, decimal: str, thousands: str) -> bool:
    """Whether a number has its thousands in groups of three, such as 1.234.567,8, or as in 12,34,567.8."""
    mark, group = re.escape(decimal), re.escape(thousands)
    threes = rf"[1-9]\d{{0,2}}({group}\d{{3}})+"
    lakhs = rf"[1-9]\d?({group}\d{{2}})+{group}\d{{3}}"
    return bool(re.fullmatch(rf"[+-]?({threes}|{lakhs})({mark}\d*)?", number))


def _with_commas(numbers: list[str]) -> bool:
    """Whether a number such as 1.234,5 shows the comma to be the decimal mark, and none contradicts it."""
    shown = any("," in n and "." in n and _grouped(n, ",", ".") for n in numbers)
    return shown and all("." not in n or _grouped(n, ",", ".") for n in numbers)


def _translated(number: str, decimal: str, thousands: str) -> str:
    """A number as computers write it, or text that is none."""
    if thousands and thousands in number:
        if not _grouped(number, decimal, thousands):
            return ""
        number = number.replace(thousands, "")
    if decimal != ".":
        if "." in number:
            return ""
        number = number.replace(decimal, ".")
    return number
