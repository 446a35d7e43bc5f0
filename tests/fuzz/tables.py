"""Random CSV and Parquet files, whole and damaged: read right, or refused in one sentence.

Each file is written from known numbers in a random dialect and read again. What is read must be what was
written; anything else must be a `RekalError` of one line, or be named in a note. Run all of it with

    python tests/fuzz/tables.py --count 5000
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rekalman import RekalError, Sequences

SEPARATORS = (",", ";", "\t", "|", " ", "::", "~")
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le")
MISSING = ("", "NA", "nan", "null", "-", "?", "n/a", "#N/A")
DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%d %b %Y",
    "%Y%m%d",
)
DAMAGE = (
    "cut", "text in a cell", "impossible date", "extra cell", "missing cell", "quote", "zero byte", "control",
    "foreign byte", "same name twice", "no rows", "wrong encoding", "noise",
)  # fmt: skip
REFUSED = frozenset(
    [
        "text in a cell",
        "impossible date",
        "extra cell",
        "zero byte",
        "control",
        "same name twice",
        "no rows",
    ]
)
"""Damage after which nothing may be read."""


@dataclass
class Case:
    """What was written, and what may come back.

    Attributes:
        values: numbers of each column, NaN = missing.
        dates: the dates of the rows, or None.
        options: how to read the file.
        damage: what was done to it, or None.
        row: the row that was damaged, counted from 1, or None.
        dialect: how it was written, for a report.
    """

    values: dict[str, np.ndarray]
    dates: pd.DatetimeIndex | None = None
    options: dict = field(default_factory=dict)
    damage: str | None = None
    row: int | None = None
    dialect: dict = field(default_factory=dict)


def numbers(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers of a random size that vary."""
    kind = rng.integers(6)
    if kind == 0:
        return rng.integers(-9, 10, rows).astype(float) + np.arange(rows) % 2
    if kind == 1:
        return np.round(rng.normal(1500, 3000, rows), 2)
    if kind == 2:
        return np.round(rng.normal(size=rows) * 10.0 ** rng.integers(-12, 12), 6) + np.arange(rows)
    if kind == 3:
        return rng.normal(size=rows) * 10.0 ** rng.integers(-200, 200)
    if kind == 4:
        return rng.integers(-(10**7), 10**7, rows).astype(float)
    return rng.integers(0, 100_000, rows) / 8.0


def write_csv(path: Path, rng: np.random.Generator, damage: str | None) -> Case:
    """Write a CSV file in a random dialect."""
    rows, columns = int(rng.integers(14, 50)), int(rng.integers(1, 5))
    sep = str(rng.choice(SEPARATORS))
    mark = "," if rng.random() < 0.3 and sep != "," else "."
    thousands = str(rng.choice(["", "", "", "'", "\u202f", "." if mark == "," else "'"]))
    encoding = str(rng.choice(ENCODINGS))
    quoted = rng.random() < 0.15 and sep != " "
    header = rng.random() < 0.85
    units = header and columns > 1 and rng.random() < 0.15
    unit_cells = rng.random() < 0.1 and sep != " "
    case = Case({}, damage=damage)
    if sep in ("::", "~") or rng.random() < 0.1:
        case.options["sep"] = r"\s+" if sep == " " else sep
    if mark == ",":
        case.options["decimal"] = ","
    cells: dict[str, list[str]] = {}
    pattern = None
    if rng.random() < 0.5:
        pattern = str(rng.choice(DATES)) if sep != " " else "%Y-%m-%d"
        case.dates = pd.date_range(
            f"20{rng.integers(10, 30)}-{rng.integers(1, 13):02d}-01", periods=rows
        )
        if rng.random() < 0.3:
            case.dates = pd.date_range(
                case.dates[0], periods=rows, freq=str(rng.choice(["MS", "YS", "h", "B"]))
            )
            pattern = "%Y-%m-%d %H:%M:%S" if sep != " " else "%Y-%m-%dT%H:%M:%S"
        cells["date"] = list(case.dates.strftime(pattern))
        header = header or pattern == "%Y%m%d"
        if rng.random() < 0.2 and pattern != "%Y%m%d":
            case.options["date_format"] = pattern
    for k in range(columns):
        name = f"x{k}" + (
            "_größe" if encoding in ("cp1252", "utf-8") and rng.random() < 0.3 else ""
        )
        values = numbers(rng, rows)
        if rng.random() < 0.1:
            values = (np.arange(rows) % 3 == 0).astype(float)
            cells[name] = [("TRUE", "FALSE")[int(v == 0)] for v in values]
        else:
            cells[name] = [spelled(v, mark, thousands) for v in values]
            if unit_cells:
                cells[name] = [f"{cell} mm" for cell in cells[name]]
        if rng.random() < 0.4:
            gaps = rng.random(rows) < 0.2
            gaps[:3] = gaps[-1] = False
            marker = str(rng.choice(MISSING if sep != " " else MISSING[1:]))
            cells[name] = [
                marker if gap else cell for gap, cell in zip(gaps, cells[name], strict=True)
            ]
            values = np.where(gaps, np.nan, values)
        case.values[name] = values
    if rng.random() < 0.15 and header and sep != " ":
        cells["who"] = [str(w) for w in rng.choice(["ann", "bob", "12 A", "a-b"], rows)]
        cells["who"][0] = "ann"
    names = list(cells)
    table = [[cells[name][i] for name in names] for i in range(rows)]
    damaged_cells(case, rng, names, table)
    lines = [sep.join(f'"{c}"' if quoted and c else c for c in line) for line in table]
    top = [sep.join(names)] if header else []
    if damage == "same name twice":
        top = [sep.join([*names[:-1], names[0]])] if len(names) > 1 else [sep.join([names[0]] * 2)]
        lines = lines if len(names) > 1 else [line + sep + line for line in lines]
    if units:
        top.append(
            sep.join(
                "[mm]" if name in case.values else ("[d]" if sep == " " else "") for name in names
            )
        )
    end = "trailing" if rng.random() < 0.1 and sep not in (" ", "::") else ""
    if end:
        top, lines = [line + sep for line in top], [line + sep for line in lines]
    if rng.random() < 0.15:
        top = ["# written by a fuzz test", *top]
    if rng.random() < 0.1:
        lines.insert(int(rng.integers(1, len(lines))), "# a pause")
    if rng.random() < 0.1 and len(sep) == 1 and sep != " ":
        top = [f"sep={sep}", *top]
    if rng.random() < 0.1 and len(names) > 1:
        lines.insert(int(rng.integers(1, len(lines))), "")
    lines = [] if damage == "no rows" else lines
    newline = str(rng.choice(["\n", "\r\n"]))
    text = newline.join([*top, *lines]) + (newline if rng.random() < 0.8 else "")
    text = damaged_text(text, damage, rng, len(newline.join(top)))
    data = text.encode(
        "cp1252"
        if encoding == "cp1252" and "\u202f" not in text
        else encoding.replace("cp1252", "utf-8")
    )
    if damage == "foreign byte" and encoding.startswith("utf-8"):
        place = int(rng.integers(len(data)))
        data = data[:place] + b"\xff" + data[place:]
    if damage == "wrong encoding":
        case.options["encoding"] = str(
            rng.choice(["utf-16", "utf-8", "ascii", "latin-1", "nonsense", "hex"])
        )
    if damage == "noise":
        data = (
            rng.bytes(int(rng.integers(0, 2000)))
            if rng.random() < 0.5
            else bytes(rng.integers(32, 127, 500, "u1"))
        )
        case.values = {}
    path.write_bytes(data)
    case.dialect = {"sep": sep, "mark": mark, "thousands": thousands, "encoding": encoding, "header": header,
                    "date": pattern, "units": units, "quoted": quoted, "trailing": end}  # fmt: skip
    return case


def spelled(value: float, mark: str, thousands: str) -> str:
    """A number as text with these marks."""
    text = repr(float(value))
    if thousands and "e" not in text:
        whole, _, rest = text.partition(".")
        text = f"{int(whole):,}".replace(",", "T") + ("." + rest if rest != "0" else "")
        text = f"-{text}" if value < 0 and int(whole) == 0 else text
    elif text.endswith(".0"):
        text = text[:-2]
    return text.replace(".", mark).replace("T", thousands)


def damaged_cells(
    case: Case, rng: np.random.Generator, names: list[str], table: list[list[str]]
) -> None:
    """Break one cell or row of a table."""
    place = int(rng.integers(4, len(table)))
    row, column = table[place], names.index(str(rng.choice(list(case.values))))
    if case.damage == "impossible date" and case.dates is None:
        case.damage = "text in a cell"
    if case.damage == "text in a cell":
        row[column] = str(
            rng.choice(["abc", "1.2.3", "--5", "1e", "0x1F", "12 foo", "1;2", "=A1", "1/2"])
        )
        row[column] = row[column].replace(";", "_").replace(" ", "_")
    elif case.damage == "impossible date":
        row[0] = str(rng.choice(["2024-02-30", "99.99.2024", "soon", "2024-13-01"]))
    elif case.damage == "extra cell":
        row.append("7")
    elif case.damage == "missing cell" and len(row) > 1:
        del row[column]
    else:
        return
    case.row = place + 1


def damaged_text(text: str, damage: str | None, rng: np.random.Generator, start: int) -> str:
    """Cut a text off or put something into it."""
    if damage == "cut":
        return text[: int(rng.integers(0, len(text)))]
    put = {"quote": '"', "zero byte": "\0", "control": "\x01"}.get(damage or "")
    if put is None:
        return text
    place = int(rng.integers(start, len(text)))
    return text[:place] + put + text[place:]


def write_parquet(path: Path, rng: np.random.Generator, damage: str | None) -> Case:
    """Write a Parquet file with columns of many types."""
    rows, columns = int(rng.integers(14, 50)), int(rng.integers(1, 5))
    case = Case({}, damage="flipped bits" if damage is not None else None)
    arrays: dict[str, pa.Array] = {}
    if rng.random() < 0.5:
        case.dates = pd.date_range(
            "2020-01-31", periods=rows, freq=str(rng.choice(["D", "ME", "h", "s"]))
        )
        unit = str(rng.choice(["s", "ms", "us", "ns"]))
        arrays["date"] = pa.array(case.dates).cast(pa.timestamp(unit))
    for k in range(columns):
        values = numbers(rng, rows)
        gaps = rng.random(rows) < 0.2 * rng.integers(2)
        gaps[:3] = False
        kind = rng.integers(6)
        whole = bool(np.all(values == np.round(values)) and np.all(np.abs(values) < 2**31))
        if kind == 0:
            values = np.clip(values, -1e30, 1e30).astype(np.float32).astype(float)
            values = values if np.ptp(values) > 0 else np.arange(rows) % 4.0
            array = pa.array(values, mask=gaps, type=pa.float32())
        elif kind == 1 and whole:
            array = pa.array(values.astype(int), mask=gaps, type=pa.int64())
        elif kind == 2:
            values = np.arange(rows) % 3 == 0
            array, values = pa.array(values, mask=gaps), values.astype(float)
        elif kind == 3:
            array = pa.array([repr(float(v)) for v in values], mask=gaps)
        elif kind == 4:
            array = pa.array(values, mask=gaps).dictionary_encode()
        else:
            array = pa.array(values, mask=gaps)
        arrays[f"x{k}"] = array
        case.values[f"x{k}"] = np.where(gaps, np.nan, values)
    others = {
        "bytes": pa.array([b"a\x00"] * rows), "list": pa.array([[1.0, 2.0]] * rows),
        "struct": pa.array([{"a": 1}] * rows), "none": pa.nulls(rows),
        "span": pa.array([1] * rows, pa.duration("s")),
        "clock": pa.array([5] * rows, pa.time32("s")), "text": pa.array(["a", "b"] * rows)[:rows],
    }  # fmt: skip
    for name in rng.choice(list(others), int(rng.integers(0, 3)), replace=False):
        arrays[str(name)] = others[str(name)]
    if "none" in arrays:  # a column without any value is refused; it is left out like this
        case.options["columns"] = list(case.values)
    compression = str(rng.choice(["none", "snappy", "zstd"]))
    pq.write_table(pa.table(arrays), path, write_page_checksum=True, compression=compression)
    if case.damage is not None:
        data = bytearray(path.read_bytes())
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        places = rng.integers(4, len(data), int(rng.integers(1, 4)))
        for place in places:
            data[place] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.3:
            data = data[: int(rng.integers(len(data)))]
        if (
            places >= footer
        ).any():  # nothing guards what describes the file: another value may be meant
            case.values, case.dates, case.damage = {}, None, "flipped bits of the footer"
        path.write_bytes(bytes(data))
    return case


def judge(path: Path, case: Case) -> tuple[str, str]:
    """Read a file; a verdict ("right", "refused", "noted" or a fault) and what goes with it."""
    read = Sequences.from_parquet if path.suffix == ".parquet" else Sequences.from_csv
    try:
        data = read(path, **case.options)
    except RekalError as error:
        message = str(error)
        if "\n" in message or len(message) > 900 or not message.strip():
            return "bad sentence", message
        located = case.damage in ("text in a cell", "impossible date", "extra cell")
        if (
            located
            and f"row {case.row} " not in message
            and "Unnamed" not in message
            and "fit the" not in message
        ):
            return "another row", message
        return "refused", message
    except Exception:
        return "exception", traceback.format_exc()
    notes = " ".join(data.notes)
    if case.damage in REFUSED:
        return "wrong", f"read in spite of: {case.damage}; {notes}"
    if not case.values:
        return "right", ""
    difference = compared(data, case)
    if difference is None:
        return "right", notes
    said = (
        "fewer cells",
        "end of line",
        "as the names",
        "which were read as",
        "between the rows",
        "as Latin-1",
    )
    said += ("was ignored",) if case.damage == "wrong encoding" else ()
    if case.damage is not None and any(words in notes for words in said):
        return "noted", f"{difference}; {notes}"
    if "which were read as" in notes and difference == "dates":
        return "noted", notes
    return "wrong", f"{difference}; {notes}"


def compared(data: Sequences, case: Case) -> str | None:
    """What differs between what was written and what was read, or None."""
    wanted = list(case.values.values())
    seen = np.where(data.mask[0], data.values[0], np.nan)
    dates = case.dates
    if case.damage == "cut":  # what is there must be right
        wanted = [values[: len(seen)] for values in wanted]
        dates = None if dates is None else dates[: len(seen)]
    if len(seen) != len(wanted[0]):
        return f"{len(seen)} rows instead of {len(wanted[0])}"
    if seen.shape[1] != len(wanted):
        return f"columns {data.names} instead of {tuple(case.values)}"
    for name, column, values in zip(data.names, seen.T, wanted, strict=True):
        if not np.array_equal(column, values, equal_nan=True):
            row = int(np.argmax(~((column == values) | (np.isnan(column) & np.isnan(values)))))
            return f"row {row + 1} of {name} is {column[row]} instead of {values[row]}"
    if dates is not None and not (
        data.time_kind == "date" and np.all(pd.DatetimeIndex(data.index()) == dates)
    ):
        return "dates"
    return None


def run(count: int, seed: int = 0, folder: Path | None = None) -> tuple[Counter, list[str]]:
    """Write and read so many files.

    Returns:
        How often each verdict was given, by "whole" or the damage, and a line for each fault.
    """
    verdicts: Counter = Counter()
    faults = []
    with tempfile.TemporaryDirectory() as made:
        for i in range(count):
            rng = np.random.default_rng([seed, i])
            damage = str(rng.choice(DAMAGE)) if rng.random() < 0.5 else None
            parquet = rng.random() < 0.2
            path = Path(folder or made) / f"{i}.{'parquet' if parquet else 'csv'}"
            case = (write_parquet if parquet else write_csv)(path, rng, damage)
            verdict, detail = judge(path, case)
            verdicts[case.damage or "whole", verdict] += 1
            if verdict not in ("right", "refused", "noted"):
                faults.append(f"{path.name} ({case.damage}, {case.dialect}): {verdict}: {detail}")
            elif verdict == "refused" and case.damage is None:
                faults.append(f"{path.name} ({case.dialect}): whole, but refused: {detail}")
            if folder is None:
                path.unlink()
    return verdicts, faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep the files in")
    given = parser.parse_args()
    begun = time.perf_counter()
    counts, lines = run(given.count, given.seed, given.keep)
    print("\n".join(lines))
    for (kind, verdict), times in sorted(counts.items()):
        print(f"{kind:28} {verdict:12} {times}")
    print(f"{given.count} files in {time.perf_counter() - begun:.0f} s")
