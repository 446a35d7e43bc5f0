"""Text that a terminal shows and does not obey.

A control character in a column name, a file name or a stranger's model file can set the title of a terminal,
move its cursor, overwrite what stands there or turn the reading direction round. Whatever is printed for
people therefore goes through `printable`, and JSON through `printable_json`.
"""

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, and C1
_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the reading direction round
_BREAKS = r"\u2028\u2029"  # line and paragraph separators
_SURROGATES = r"\ud800-\udfff"  # halves of a pair, as in file names that are no UTF-8
_UNSAFE = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_BREAKS}{_SURROGATES}]")
_IN_A_LINE = re.compile(f"[\\t\\n{_CONTROLS}{_DIRECTIONS}{_BREAKS}{_SURROGATES}]")


def printable(text: object) -> str:
    r"""Text whose control characters are written out, such as `\x1b` for escape.

    Tabs and line feeds stay: this is for text of several lines. Characters that turn the reading direction
    round, separators of lines and paragraphs, and halves of surrogate pairs are written out too.
    """
    return _UNSAFE.sub(_written_out, str(text))


def printable_line(text: object) -> str:
    """The same for what has to stay in one line, such as a name: tabs and line feeds are written out too."""
    return _IN_A_LINE.sub(_written_out, str(text))


def printable_json(text: str) -> str:
    r"""The same JSON document with such characters as `\u001b`, which every reader takes back.

    JSON has them only inside strings, so the value does not change.
    """
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code in (0x09, 0x0A, 0x0D):
        return {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}[code]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
