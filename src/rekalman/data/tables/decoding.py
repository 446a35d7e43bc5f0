"""From the bytes of a file to its text: read once, so that pipes work, in whatever encoding it has."""

import codecs
from pathlib import Path

from rekalman.foundation.errors import RekalError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks; those of UTF-32 stand first because one begins with a mark of UTF-16."""

_FOREIGN = (
    (b"\x1f\x8b", "it is compressed (gzip), so unpack it"),
    (b"BZh", "it is compressed (bzip2), so unpack it"),
    (b"\xfd7zXZ", "it is compressed (xz), so unpack it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed (Zstandard), so unpack it"),
    (b"PK\x03\x04", "it is an archive or a workbook, so save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "it is a workbook, so save the table as CSV"),
    (b"PAR1", "it is a Parquet file, so let its name end in .parquet"),
)

_CONTROLS = "".join(map(chr, [*range(7), 8, *range(14, 27), *range(28, 32), 127]))
"""Characters that no text file holds. Tabs, ends of lines and pages are none of them, nor what terminals take
for orders, the bell and the escape: names may hold it, and it is made harmless where they are printed."""


def require_file(path: Path) -> None:
    """Refuse a folder and a path where there is nothing.

    Raises:
        RekalError: that is so.
    """
    try:
        if path.is_dir():
            raise RekalError(f"{path}: this is a folder, not a file.")
        if not path.exists():
            raise RekalError(f"{path}: there is no such file.")
    except RekalError:
        raise
    except (OSError, ValueError) as error:
        raise RekalError(f"{path}: it cannot be read ({_reason(error)}).") from None


def read_text(path: Path, encoding: str | None = None) -> tuple[str, list[str]]:
    r"""Read a text file.

    Args:
        path: the file, or a pipe.
        encoding: its encoding; None = what its byte-order mark says, else UTF-8, else Latin-1.

    Returns:
        The text, lines ending in `\n`, and notes on what was assumed of it.

    Raises:
        RekalError: there is no such file, it cannot be read, it is no text, or it is not in the encoding.
    """
    require_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RekalError(f"{path}: it cannot be read ({_reason(error)}).") from None
    text, notes = decode(data, encoding, str(path))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip("\x1a"), notes


def decode(data: bytes, encoding: str | None, where: str) -> tuple[str, list[str]]:
    """The text of `data` and notes on its encoding; as `read_text`."""
    if encoding is not None:
        return _strictly(data, encoding, where), []
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strictly(data, name, where), []
    for start, advice in _FOREIGN:
        if data.startswith(start):
            raise RekalError(f"{where}: this is not a text file: {advice}.")
    if b"\0" in data:
        return _without_mark(data, where)
    try:
        text, notes = data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        # Windows-1252 is Latin-1 with letters where that has rarely used control characters.
        text = data.decode("cp1252", "replace")
        if "\ufffd" in text:
            text = data.decode("latin-1")
        notes = [
            f"Line {line} is not UTF-8, so the file was read as Latin-1 (Windows-1252); if a name looks "
            "wrong, say the encoding (encoding=, --encoding)."
        ]
    _refuse_binary(text, where)
    return text, notes


def _strictly(data: bytes, encoding: str, where: str) -> str:
    try:
        text = data.decode(encoding)
    except LookupError:
        raise RekalError(
            f"{where}: there is no encoding '{encoding}'; utf-8, latin-1 and utf-16 are some."
        ) from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = data[:start].decode(encoding, "replace").count("\n") + 1
        raise RekalError(
            f"{where}: line {line} is not {encoding} text; say its encoding (encoding=, --encoding)."
        ) from None
    if not isinstance(text, str):
        raise RekalError(f"{where}: '{encoding}' is no encoding of text; utf-8 is one.")
    text = text.removeprefix("\ufeff")
    _refuse_binary(text, where)
    return text


def _without_mark(data: bytes, where: str) -> tuple[str, list[str]]:
    """UTF-16 without a byte-order mark: every other byte of Western text is zero."""
    for name, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[0::2])):
        if len(data) % 2 == 0 and zeros.count(0) > 0.7 * len(zeros):
            try:
                text = data.decode(name)
            except UnicodeDecodeError:
                continue
            _refuse_binary(text, where)
            return text, [f"The file has no byte-order mark and was read as {name.upper()}."]
    raise RekalError(f"{where}: this is not a text file.")


def _refuse_binary(text: str, where: str) -> None:
    body = text.rstrip("\x1a")
    if any(control in body for control in _CONTROLS):
        raise RekalError(f"{where}: this is not a text file.")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
