"""What an object says of itself in one to three lines, and as a small table in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple, TypeVar

import equinox as eqx

from rekalman.foundation.printable import printable_line

MOST_NAMES = 6
"""So many names are listed; of more the number is said."""

Object = TypeVar("Object")


class Facts(NamedTuple):
    """What is said of an object.

    Attributes:
        title: its kind, and of what it is.
        rows: names of facts and the facts.

    Examples:
        >>> from rekalman.foundation.facts import Facts
        >>> print(Facts("Stream of flow", (("samples", "4"), ("log-likelihood", "-6.1 nats"))).text())
        Stream of flow
        samples: 4; log-likelihood: -6.1 nats
    """

    title: str
    rows: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Two lines of plain text, without control characters."""
        facts = "; ".join(f"{name}: {fact}" for name, fact in self.rows)
        return "\n".join(printable_line(line) for line in (self.title, facts) if line)

    def html(self) -> str:
        """A table; whatever stands in the facts is text, not markup."""
        said = lambda text: escape(printable_line(text))  # noqa: E731
        rows = "".join(
            f'<tr><th style="text-align: left">{said(name)}</th>'
            f'<td style="text-align: left">{said(fact)}</td></tr>'
            for name, fact in self.rows
        )
        caption = f'<caption style="text-align: left"><b>{said(self.title)}</b></caption>'
        return f"<table>{caption}<tbody>{rows}</tbody></table>"


def shown(it: Object, facts: Callable[[Object], Facts]) -> str:
    """The `repr` of an object: its facts, or its tree where its arrays hold no numbers.

    Within compiled functions arrays are traced, and trees may be filled with anything.
    """
    try:
        return facts(it).text()
    except (
        Exception
    ):  # whatever it holds, a repr that raises would hide the error that it is printed for
        return eqx.tree_pformat(it) if isinstance(it, eqx.Module) else object.__repr__(it)


def shown_html(it: Object, facts: Callable[[Object], Facts]) -> str:
    """The same for a notebook."""
    try:
        return facts(it).html()
    except Exception:
        return f"<pre>{escape(shown(it, facts))}</pre>"


def listed(names: Sequence[str], units: Sequence[str | None] = ()) -> str:
    """Names with their units in parentheses; the number of those that are too many.

    Examples:
        >>> from rekalman.foundation.facts import listed
        >>> listed(("flow", "rain"), ("m3", None))
        'flow (m3), rain'
    """
    known = [*units, *[None] * (len(names) - len(units))]
    each = [f"{name} ({unit})" if unit else name for name, unit in zip(names, known, strict=True)]
    more = len(each) - MOST_NAMES
    return ", ".join(each) if more <= 0 else f"{', '.join(each[:MOST_NAMES])} and {more} more"


def counted(number: int, what: str, plural: str | None = None) -> str:
    """A number with its noun.

    Examples:
        >>> from rekalman.foundation.facts import counted
        >>> counted(1, "step"), counted(2, "step"), counted(3, "series", "series")
        ('1 step', '2 steps', '3 series')
    """
    return f"{number} {what if number == 1 else plural or what + 's'}"


def nats(value: Any, entries: int = 0) -> str:
    """A log-likelihood, and where the number of entries is known what it is for each."""
    text = f"{float(value):.1f} nats"
    return f"{text} ({float(value) / entries:.3f} per value)" if entries else text
