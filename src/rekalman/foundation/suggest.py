"""The name that somebody probably meant."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is; case, `-`, `_` and spaces do not count."""
    plain = {_plain(each): each for each in known}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def choices(name: object, known: Iterable[str]) -> str:
    """What to say after "there is no ...": the nearest name, or all that there are.

    Returns:
        Such as "did you mean 'local-level'?" or "use one of fit, forecast".
    """
    known = list(known)
    close = nearest(name, known) if isinstance(name, str) else None
    listed = f"use one of {', '.join(known)}"
    return listed if close is None else f"did you mean '{close}'? Otherwise {listed}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")
