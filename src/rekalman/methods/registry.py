"""The methods by name; others may register theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.methods.base import Method
from rekalman.methods.lookup import METHODS
from rekalman.methods.plugins import load_plugins

Kind = TypeVar("Kind", bound=type[Method])


def register(name: str) -> Callable[[Kind], Kind]:
    """Make a method known by a name, to `rekalman.fit`, the command line and `rekalman models`.

    Args:
        name: lower case, words joined by hyphens.

    Raises:
        RekalError: the name is taken, or the class is no frozen dataclass that derives from `Method`.

    Examples:
        >>> from dataclasses import dataclass
        >>> import rekalman
        >>> @rekalman.methods.register("trend")
        ... @dataclass(frozen=True, kw_only=True)
        ... class Trend(rekalman.methods.LocalLinearTrend):
        ...     summary = "a level with a slope, by another name"
        >>> rekalman.methods.get("trend").summary
        'a level with a slope, by another name'
        >>> rekalman.methods.unregister("trend")
    """

    def decorate(method: Kind) -> Kind:
        if name in METHODS:
            raise RekalError(f"there is a model {name!r} already: register yours by another name")
        if not (isinstance(method, type) and issubclass(method, Method)):
            raise RekalError(f"the model {name!r} must be a class that derives from Method")
        parameters = vars(method).get("__dataclass_params__")
        if parameters is None or not parameters.frozen:
            raise RekalError(f"the model {name!r} must be a dataclass with frozen=True")
        method.name = name
        method()  # the defaults are within their ranges
        METHODS[name] = method
        return method

    return decorate


def get(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        RekalError: there is none of that name; the sentence names the nearest.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.get("gru")(states=12).units is None
        True
    """
    if name not in METHODS:
        load_plugins()
    if name not in METHODS:
        raise RekalError(f"unknown model {name!r}: {choices(name, METHODS)}")
    return METHODS[name]


def names() -> tuple[str, ...]:
    """The names of all methods, in the order in which they were registered.

    Examples:
        >>> import rekalman
        >>> rekalman.methods.names()[:4]
        ('em-rnn', 'driven-rnn', 'rbf', 'linear')
    """
    return tuple(METHODS)


def unregister(name: str) -> None:
    """Forget a method, so that its name is free again.

    Raises:
        RekalError: there is none of that name.

    Examples:
        >>> from dataclasses import dataclass
        >>> import rekalman
        >>> @rekalman.methods.register("wander")
        ... @dataclass(frozen=True, kw_only=True)
        ... class Wander(rekalman.methods.LocalLevel):
        ...     pass
        >>> rekalman.methods.unregister("wander")
        >>> "wander" in rekalman.methods.names()
        False
    """
    get(name)
    del METHODS[name]


__all__ = ["get", "names", "register", "unregister"]
