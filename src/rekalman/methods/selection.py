"""From what `rekalman.fit` was given, a name, a method or a model, to the method that trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.lookup import known_options
from rekalman.methods.registry import get


def select(model: Any, options: Mapping[str, Any]) -> Method:
    """The method that is meant.

    Args:
        model: the name of a method, a method with its options, or a model to begin with.
        options: those of the method by name; None, of an option that some method has, is as if it were not
            given.

    Raises:
        RekalError: there is none, or an option does not belong to it, is of the wrong type or out of range.
    """
    known = known_options()
    given = {
        name: value for name, value in options.items() if value is not None or name not in known
    }
    if isinstance(model, str):
        return get(model)(**given)
    if isinstance(model, Method):
        if given:
            name, kind = next(iter(given)), type(model)
            kind.check_option(name)
            raise RekalError(
                f"{name} belongs into the method: {kind.__name__}({name}={given[name]!r})"
            )
        return model
    from rekalman.methods.own.models import method_of

    method = method_of(model)
    for name in given:
        method.check_option(name)
    return method
