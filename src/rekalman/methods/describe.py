"""What a method is, in words and in plain data: for the command line, the documentation and the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rekalman.foundation.plain import plain
from rekalman.methods.base import Method
from rekalman.methods.learners import learner_name
from rekalman.methods.options import options_of
from rekalman.methods.registry import get, names

CAPABILITIES = {
    "smooth": "smooths",
    "simulate": "simulates",
    "identify": "identifies",
    "irregular": "irregular",
    "inputs": "inputs",
    "missing": "missing",
    "films": "films",
}
"""What a method may be able to do, and the attribute that says so."""
MANY = 4
"""A default that so many methods share is that of "others"."""


def capabilities(method: type[Method]) -> dict[str, bool]:
    """What a method can do, by the words of `CAPABILITIES`."""
    return {word: getattr(method, attribute) for word, attribute in CAPABILITIES.items()}


def describe(method: type[Method]) -> dict[str, Any]:
    """Everything that is declared of a method, as JSON has it.

    Examples:
        >>> import rekalman
        >>> from rekalman.methods.describe import describe
        >>> describe(rekalman.methods.GRU)["options"][0]["default"]
        10
    """
    options = [
        {
            "name": name,
            "default": plain(each.default),
            "by_default": each.default_text,
            "range": each.range,
            "help": each.help,
        }
        for name, each in options_of(method).items()
    ]
    return {
        "name": method.name,
        "summary": method.summary,
        "needs": method.needs,
        **capabilities(method),
        "learners": [learner_name(each) for each in method.learners],
        "filter": method.default_filter or None,
        "transform": method.default_transform,
        "options": options,
    }


def option_defaults(option: str) -> str:
    """The default of an option in all methods that have it, such as "5 for em-rnn; 2 for rbf, ar"."""
    return _grouped(
        {
            name: options_of(get(name))[option].default_text
            for name in names()
            if option in options_of(get(name))
        }
    )


def setting_defaults(setting: str) -> str:
    """The default of a learner's setting in all methods that say it."""
    settings = {name: get(name).learner_defaults.get(setting) for name in names()}
    return _grouped({name: f"{value:g}" for name, value in settings.items() if value is not None})


def filter_defaults() -> str:
    """The filter of the trained model in all methods that have one."""
    filters = {name: get(name).default_filter for name in names()}
    return _grouped({name: kind for name, kind in filters.items() if kind})


def transform_defaults() -> str:
    """The transform of positive columns in all methods."""
    return _grouped({name: get(name).default_transform for name in names()})


def _grouped(texts: Mapping[str, str]) -> str:
    """Values with the names that have them; one that many share is that of others, one alone is all."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    largest = max(groups, key=lambda text: len(groups[text]))
    if len(groups[largest]) > MANY:
        groups[largest] = ["others"]
        groups[largest] = groups.pop(largest)
    return "; ".join(f"{text} for {', '.join(group)}" for text, group in groups.items())
