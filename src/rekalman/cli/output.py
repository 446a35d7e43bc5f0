"""What the commands print: results on stdout, everything else on stderr."""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rekalman.foundation.plain import plain
from rekalman.foundation.printable import printable, printable_json, printable_line

WIDTH = 100
"""Columns of a table that does not go to a terminal."""


def complain(sentence: str) -> None:
    """A refusal on stderr: one line, whatever the message looked like."""
    print(f"rekalman: {printable(' '.join(sentence.split()))}", file=sys.stderr)


def remark(sentence: str, quiet: bool = False) -> None:
    """What a person should know, on stderr."""
    if not quiet:
        print(printable_line(sentence), file=sys.stderr)


def emit_json(answer: Mapping[str, Any]) -> None:
    """The answer of a command as the one JSON object on stdout."""
    text = json.dumps(plain(answer), indent=1, ensure_ascii=False, allow_nan=False)
    typer.echo(printable_json(text))


def emit_text(text: str) -> None:
    """Lines on stdout, control characters written out."""
    typer.echo(printable(text))


def emit_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """A table on stdout; numbers are rounded to four digits and stand on the right.

    Args:
        headers: names of the columns.
        rows: cells: text, numbers or None for nothing.
        title: what stands above.
    """
    if title:
        emit_text(printable_line(title))
    table = Table()
    rows = [tuple(row) for row in rows]
    for k, header in enumerate(headers):
        text = any(isinstance(row[k], str) for row in rows)
        table.add_column(Text(printable_line(header)), justify="left" if text else "right")
    for row in rows:
        table.add_row(*(Text(printable_line(shown(cell))) for cell in row))
    emit_rich(table)


def emit_rich(thing: Any) -> None:
    """Anything Rich can draw, on stdout."""
    width = None if sys.stdout.isatty() else WIDTH
    _Stdout(width=width, highlight=False).print(thing)


class _Stdout(Console):
    """A console that lets a closed pipe be seen, as any other output does."""

    def on_broken_pipe(self) -> None:
        """Say so: Rich would end the process with exit code 1."""
        raise BrokenPipeError


def shown(value: Any) -> str:
    """A cell of a table as text."""
    if value is None:
        return ""
    if isinstance(value, str | bool | int):
        return str(value)
    return number(float(value))


def number(value: float) -> str:
    """A number with four digits that say something."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"
    return f"{value:.3e}"


def stamp(value: Any) -> str:
    """A time stamp as a person writes it: no needless digits, no midnight."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).removesuffix(" 00:00:00")
