"""Options of a method as they stand on the command line: short flags, and `--set NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.options import options_of
from rekalman.methods.registry import get
from rekalman.methods.selection import select


def method_of(model: str, flags: Mapping[str, Any], settings: Sequence[str]) -> Method:
    """The method with the options that were given.

    Args:
        model: its name.
        flags: values of the short flags by the name of the option; None where one was not given.
        settings: texts NAME=VALUE.

    Raises:
        RekalError: there is no such method; an option is not one of it, given twice, of the wrong type or
            out of range.

    Examples:
        >>> from rekalman.cli.method_options import method_of
        >>> method_of("gru", {"states": 12, "units": None}, ["hold-out=0.3"]).options
        {'states': 12, 'hold_out': 0.3, 'units': None}
    """
    kind, options = get(model), {name: value for name, value in flags.items() if value is not None}
    for each in settings:
        name, equals, text = each.partition("=")
        name = name.strip().replace("-", "_")
        if not (equals and name):
            raise RekalError(f"--set takes NAME=VALUE, such as --set states=5, not {each!r}.")
        kind.check_option(name)
        if name in options:
            raise RekalError(f"{name} is given twice: once is enough.")
        options[name] = options_of(kind)[name].parse(text, model)
    # None is an option's own value here, not one that was not given.
    given = {name: value for name, value in options.items() if value is not None}
    return select(model, given)
