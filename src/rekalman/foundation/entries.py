"""Reading the entries of a model file, none of which is trusted.

A file may come from a stranger, from a newer version, or from a disk that forgot some of it. Every entry is
therefore asked for by name and kind, and what is left over is refused: it may change what the rest means.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError

KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
         list: "a list", dict: "an object", type(None): "null"}  # fmt: skip
_REQUIRED = object()


@contextmanager
def reading(path: object) -> Generator[None]:
    """Begin every refusal with the name of the file, and let no other exception out.

    Raises:
        RekalError: whatever went wrong.
    """
    try:
        yield
    except RekalError as error:
        said = str(error)
        raise RekalError(said if said.startswith(str(path)) else f"{path}: {said}") from None
    except MemoryError:
        raise RekalError(f"{path}: there is not enough memory for this model") from None
    except Exception as error:
        first = (str(error).strip() or "no reason given").splitlines()[0][:200]
        raise RekalError(
            f"{path}: this model cannot be rebuilt ({type(error).__name__}: {first})"
        ) from None


class Entries:
    """A JSON object whose entries are taken one by one."""

    def __init__(self, values: Any, place: str = "") -> None:
        """Begin to read.

        Args:
            values: what should be an object.
            place: what it is called in refusals.

        Raises:
            RekalError: it is none.
        """
        if not isinstance(values, Mapping):
            raise RekalError(f"{place or 'the configuration'} is {kind_of(values)}, not an object")
        self._left, self._place = dict(values), place

    def take(
        self,
        name: str,
        *kinds: type,
        default: Any = _REQUIRED,
        one_of: Collection[Any] | None = None,
    ) -> Any:
        """One entry.

        Args:
            name: of the entry.
            kinds: what it may be; a `float` may be whole, too.
            default: what stands for an entry that older files lack; without one it is required.
            one_of: the values that it may have.

        Raises:
            RekalError: it is missing, of another kind, or has another value.
        """
        if name not in self._left:
            if default is not _REQUIRED:
                return default
            raise RekalError(f"{self._named(name)} is missing")
        value = self._left.pop(name)
        if not is_one(value, kinds):
            wanted = " or ".join(KINDS[kind] for kind in kinds)
            raise RekalError(f"{self._named(name)} is {kind_of(value)}, not {wanted}")
        if one_of is not None and value not in one_of:
            known = ", ".join(map(str, one_of))
            raise RekalError(
                f"{self._named(name)} is {value!r}, but this rekalman knows only {known}"
            )
        return _as(kinds, value)

    def number(
        self, name: str, *, above: int | float | None = None, least: int | float | None = None
    ) -> float:
        """A finite number within bounds.

        Raises:
            RekalError: it is none.
        """
        value = self.take(name, float)
        low = (above is not None and not value > above) or (
            least is not None and not value >= least
        )
        if not math.isfinite(value) or low:
            raise RekalError(f"{self._named(name)} is {value:g}, which cannot be")
        return value

    def count(self, name: str, least: int = 0, most: int = 2**53) -> int:
        """A whole number within bounds.

        Raises:
            RekalError: it is none.
        """
        value = self.take(name, int)
        if not least <= value <= most:
            raise RekalError(f"{self._named(name)} is {value}, which cannot be")
        return value

    def items(
        self, name: str, *kinds: type, length: int | None = None, default: Any = _REQUIRED
    ) -> tuple[Any, ...]:
        """A list of one kind of thing, of a known length if one is given.

        Args:
            name: of the entry.
            kinds: what each thing may be.
            length: how many there are; default any number.
            default: what stands for an entry that older files lack; without one it is required.

        Raises:
            RekalError: it is none.
        """
        values = self.take(name, list, default=default)
        for value in values:
            if not is_one(value, kinds):
                wanted = " or ".join(KINDS[kind] for kind in kinds)
                raise RekalError(f"{self._named(name)} holds {kind_of(value)}, not {wanted}")
        if length is not None and len(values) != length:
            raise RekalError(f"{self._named(name)} has {len(values)} entries, not {length}")
        return tuple(values)

    def rows(
        self, name: str, *kinds: type, least: int | None = None, default: Any = _REQUIRED
    ) -> tuple[tuple[Any, ...], ...]:
        """A list of rows, each with one thing of each kind.

        Args:
            name: of the entry.
            kinds: of the things in a row.
            least: how many of them a row has at least (files of earlier versions have fewer); default all.
            default: what stands for an entry that older files lack; without one it is required.

        Raises:
            RekalError: it is none.
        """
        if name not in self._left and default is not _REQUIRED:
            return default
        rows = self.items(name, list)
        for row in rows:
            enough = (len(kinds) if least is None else least) <= len(row) <= len(kinds)
            if not enough or not all(
                is_one(value, (kind,)) for value, kind in zip(row, kinds, strict=False)
            ):
                wanted = ", ".join(KINDS[kind] for kind in kinds)
                raise RekalError(f"{self._named(name)} holds a row that is not: {wanted}")
        return tuple(
            tuple(_as((kind,), value) for value, kind in zip(row, kinds, strict=True))
            for row in rows
        )

    def part(self, name: str) -> Entries:
        """An object within this one.

        Raises:
            RekalError: it is missing or none.
        """
        return Entries(self.take(name, dict), self._named(name))

    def end(self) -> None:
        """Refuse what was not asked for.

        Raises:
            RekalError: there is such an entry.
        """
        if self._left:
            raise RekalError(
                f"it holds {self._named(min(self._left))}, which this version of rekalman does not know"
            )

    def _named(self, name: str) -> str:
        return f"'{self._place.strip(chr(39))}.{name}'" if self._place else f"'{name}'"


def floats(
    arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...] | None, what: str = ""
) -> np.ndarray:
    """Take an array of finite numbers.

    Args:
        arrays: by name; it is removed.
        name: of the array.
        shape: that it must have, or None for any.
        what: what the names begin with, for refusals.

    Raises:
        RekalError: it is missing, holds no numbers or one that is not finite, or has another shape.
    """
    if name not in arrays:
        raise RekalError(f"the array '{what}{name}' is missing")
    array = arrays.pop(name)
    check_floats(array, f"{what}{name}")
    if shape is not None and array.shape != shape:
        raise RekalError(f"the array '{what}{name}' has shape {array.shape}, not {shape}")
    return array


def check_floats(array: np.ndarray, name: str) -> None:
    """Refuse an array that does not hold finite floating-point numbers.

    Raises:
        RekalError: it does not.
    """
    if not np.issubdtype(array.dtype, np.floating):
        raise RekalError(f"the array '{name}' holds {array.dtype}, not floating-point numbers")
    if not np.isfinite(array).all():
        raise RekalError(f"the array '{name}' holds a value that is not finite")


def is_one(value: Any, kinds: Collection[type]) -> bool:
    """Whether a JSON value is of one of some kinds; true and false are no numbers, a whole number is one."""
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, tuple(kinds)) or (isinstance(value, int) and float in kinds)


def _as(kinds: Collection[type], value: Any) -> Any:
    """A value of some kinds, a whole number as a floating-point one where only such are asked for."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and float in kinds and int not in kinds else value


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return next((word for kind, word in KINDS.items() if is_one(value, (kind,))), "something else")
