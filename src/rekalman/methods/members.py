"""Methods with their options as text, and back: `linear, seasonal(period=12)`."""

from __future__ import annotations

import re

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.options import options_of
from rekalman.methods.registry import get

ONE = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


def written(method: Method) -> str:
    """A method as text, with the options that differ from their defaults.

    Raises:
        RekalError: an option is a function, or the method is a combination itself.

    Examples:
        >>> import rekalman
        >>> from rekalman.methods.members import written
        >>> written(rekalman.methods.get("seasonal")(period=12)), written(rekalman.methods.Linear())
        ('seasonal(period=12)', 'linear')
    """
    for name, value in method.options.items():
        if callable(value) or name == "members":
            raise RekalError(f"{name} of {method.title()} cannot be written as text")
    given = [
        f"{name}={option.text(method.options[name])}"
        for name, option in options_of(type(method)).items()
        if method.options[name] != option.default
    ]
    return method.title() + (f"({', '.join(given)})" if given else "")


def read_methods(text: str) -> tuple[Method, ...]:
    """The methods that a text names.

    Args:
        text: names separated by commas, each with options in parentheses where it needs some.

    Raises:
        RekalError: it cannot be read, a name or an option is unknown, or a value is out of range.

    Examples:
        >>> from rekalman.methods.members import read_methods
        >>> [each.title() for each in read_methods("linear(states=2), local-level")]
        ['linear', 'local-level']
    """
    made, place = [], 0
    while place < len(text):
        match = ONE.match(text, place)
        if match is None:
            raise RekalError(
                f"{text[place:].strip()!r} is no list of methods: write linear, seasonal(period=12)"
            )
        made.append(_method(match[1], match[2] or ""))
        place = match.end()
    return tuple(made)


def _method(name: str, options: str) -> Method:
    kind = get(name)
    given = {}
    for part in filter(None, map(str.strip, options.split(","))):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals:
            raise RekalError(f"{part!r} is no option of {name}: write {name}(option=value)")
        kind.check_option(key)
        given[key] = options_of(kind)[key].parse(value, name)
    return kind(**given)
