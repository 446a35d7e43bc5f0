"""Methods of other packages, which declare them by entry points of the group `rekalman.methods`."""

from __future__ import annotations

import functools

from rekalman.foundation.errors import RekalError

GROUP = "rekalman.methods"


@functools.cache
def load_plugins() -> None:
    """Import the modules that installed packages declare; they register their methods.

    Raises:
        RekalError: one of them cannot be imported.
    """
    from importlib.metadata import entry_points

    for each in entry_points(group=GROUP):
        try:
            each.load()
        except RekalError:
            raise
        except Exception as error:
            raise RekalError(
                f"the method {each.name} of {each.value} cannot be imported: {error}"
            ) from error
