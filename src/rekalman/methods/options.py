"""Options of a method: declared once, then checked, read from text, written as text and described."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices as suggested

METADATA = "rekalman option"
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a method.

    Attributes:
        name: of the field.
        type: of the field: int, float, bool, str or Path, or a union of them, with None or a callable.
        default: value where nothing else is asked for.
        help: one line of what it is.
        at_least: smallest value, or None.
        at_most: largest value, or None.
        above: bound that a value must exceed, or None.
        below: bound that a value must stay under, or None.
        choices: names that a text may be; empty = any text.
        by_default: the default in words, where the value alone does not say it.

    Examples:
        >>> import rekalman
        >>> states = rekalman.methods.options_of(rekalman.methods.Linear)["states"]
        >>> states.check(3, "linear")
        3
    """

    name: str = ""
    type: Any = None
    default: Any = None
    help: str = ""
    at_least: int | float | None = None
    at_most: int | float | None = None
    above: int | float | None = None
    below: int | float | None = None
    choices: tuple[str, ...] = ()
    by_default: str = ""

    @property
    def types(self) -> tuple[Any, ...]:
        """The members of a union, or the type alone."""
        union = typing.get_origin(self.type) in (typing.Union, UnionType)
        return typing.get_args(self.type) if union else (self.type,)

    @property
    def default_text(self) -> str:
        """The default as a person reads it."""
        return self.by_default or self.text(self.default)

    @property
    def range(self) -> str:
        """What the option may be, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if bool in self.types:
            return "true or false"
        number = "whole number" if int in self.types and float not in self.types else "number"
        if not {int, float} & set(self.types):
            return "path" if Path in self.types else "text"
        if self.above is not None and self.below is not None:
            return f"{number} between {self.above:g} and {self.below:g}"
        if self.at_least is not None and self.at_most is not None:
            return f"{number} from {_shown(self.at_least)} to {_shown(self.at_most)}"
        bounds = [
            f"{word} {_shown(bound)}"
            for word, bound in (
                ("of at least", self.at_least),
                ("above", self.above),
                ("of at most", self.at_most),
                ("below", self.below),
            )
            if bound is not None
        ]
        return " ".join([number, " and ".join(bounds)]).strip()

    def check(self, value: Any, method: str) -> Any:
        """The value in the type of the option.

        Args:
            value: what was given.
            method: name of the method, for the refusal.

        Raises:
            RekalError: it is of another type or out of range; the sentence says range and default.
        """
        if value is None and NoneType in self.types:
            return None
        try:
            return self._checked(value)
        except RekalError as error:
            about = f"of {method}: {self.range}; default {self.default_text}"
            raise RekalError(f"{error} ({about})") from None

    def parse(self, text: str, method: str) -> Any:
        """The value that a text from the command line stands for.

        Args:
            text: such as "12", "0.2", "true", "none" or a name.
            method: name of the method, for the refusal.

        Raises:
            RekalError: it stands for none; the sentence says range and default.
        """
        written = text.strip()
        if NoneType in self.types and written.lower() == "none":
            return None
        value: Any = written
        if bool in self.types and written.lower() in TRUE + FALSE:
            value = written.lower() in TRUE
        for kind in (float, int):
            if kind in self.types:
                try:
                    value = kind(written)
                except ValueError:
                    continue
        return self.check(value, method)

    def text(self, value: Any) -> str:
        """The text that `parse` reads as this value."""
        if value is None:
            return "none"
        if isinstance(value, bool):
            return TRUE[0] if value else FALSE[0]
        return _shown(value)

    def _checked(self, value: Any) -> Any:
        if bool in self.types:
            if not isinstance(value, bool):
                raise RekalError(f"{self.name} must be True or False, but is {value!r}")
            return value
        if int in self.types and float not in self.types:
            least, most = int(self.at_least or 0), self.at_most
            return whole(self.name, value, least, None if most is None else int(most))
        if float in self.types:
            return self._real(value)
        if callable(value) and any(map(_is_callable, self.types)):
            return value
        if Path in self.types and isinstance(value, Path):
            return value
        if not isinstance(value, str):
            raise RekalError(f"{self.name} must be {self._noun}, but is {value!r}")
        if self.choices and value not in self.choices:
            raise RekalError(f"unknown {self.name} {value!r}: {suggested(value, self.choices)}")
        return value

    @property
    def _noun(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "a path" if Path in self.types else "a text"

    def _real(self, value: Any) -> float:
        least = None if self.at_least is None else self.at_least
        if self.above is None or self.below is None:
            number = real(self.name, value, above=self.above, least=least)
        else:
            number = real(self.name, value)
            if not self.above < number < self.below:
                low, high = _shown(self.above), _shown(self.below)
                raise RekalError(f"{self.name} must lie between {low} and {high}, but is {value}")
        if self.at_most is not None and number > self.at_most:
            raise RekalError(f"{self.name} must be at most {_shown(self.at_most)}, but is {value}")
        if self.below is not None and not number < self.below:
            raise RekalError(f"{self.name} must be below {_shown(self.below)}, but is {value}")
        return number


def option(
    default: Any,
    *,
    help: str,
    at_least: int | float | None = None,
    at_most: int | float | None = None,
    above: int | float | None = None,
    below: int | float | None = None,
    choices: tuple[str, ...] = (),
    by_default: str = "",
) -> Any:
    """A field of a method's dataclass that is one of its options.

    Args:
        default: value where nothing else is asked for.
        help: one line of what it is.
        at_least: smallest value; whole numbers are at least 1 where nothing is said.
        at_most: largest value.
        above: bound that a value must exceed.
        below: bound that a value must stay under.
        choices: names that a text may be.
        by_default: the default in words, where the value alone does not say it.

    Examples:
        >>> from dataclasses import dataclass
        >>> from rekalman.methods import option
        >>> @dataclass(frozen=True)
        ... class Smoothing:
        ...     alpha: float = option(0.5, help="Weight of the newest value.", above=0, below=1)
        >>> Smoothing().alpha
        0.5
    """
    declared = Option(
        default=default,
        help=help,
        at_least=at_least,
        at_most=at_most,
        above=above,
        below=below,
        choices=choices,
        by_default=by_default,
    )
    return dataclasses.field(default=default, metadata={METADATA: declared})


@functools.cache
def options_of(method: type) -> Mapping[str, Option]:
    """The options of a method's class by name, in the order of its fields.

    Examples:
        >>> import rekalman
        >>> list(rekalman.methods.options_of(rekalman.methods.Oscillator))
        ['period']
    """
    declared = [each for each in dataclasses.fields(method) if METADATA in each.metadata]
    if not declared:
        return {}
    types = typing.get_type_hints(method)
    made = {}
    for each in declared:
        one = dataclasses.replace(each.metadata[METADATA], name=each.name, type=types[each.name])
        if int in one.types and float not in one.types and one.at_least is None:
            one = dataclasses.replace(one, at_least=1)
        made[each.name] = one
    return made


def _is_callable(kind: Any) -> bool:
    """Whether a type is that of functions, with or without their arguments."""
    return Callable in (kind, typing.get_origin(kind))


def _shown(value: Any) -> str:
    """A number without needless digits, everything else as it is."""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)
