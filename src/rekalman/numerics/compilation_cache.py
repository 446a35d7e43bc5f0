"""Compiled functions kept on disk, so that a program compiles once and then starts at once."""

from __future__ import annotations

import os
from pathlib import Path

from rekalman.foundation.errors import RekalError


def keep_compiled(folder: str | Path | None = None) -> Path | None:
    """Turn on JAX's persistent compilation cache, which is off by default, for the whole process.

    Most of the time of a first fit goes into compiling. With the cache, a later process takes from disk
    whatever was compiled before. The command line does this by itself. Call it before anything is compiled.

    Args:
        folder: where to; it is made where it is missing. None = the folder that JAX already uses, by
            `JAX_COMPILATION_CACHE_DIR` or its configuration, and otherwise one in the user's cache folder.

    Returns:
        The folder, or None where there is none that can be written: then everything works without a cache.

    Raises:
        RekalError: `folder` is given and cannot be written.

    Examples:
        >>> import rekalman
        >>> folder = rekalman.keep_compiled()  # doctest: +SKIP
        >>> try:
        ...     rekalman.keep_compiled("/dev/null/nowhere")
        ... except rekalman.RekalError as error:
        ...     print(error)
        /dev/null/nowhere: this is no folder in which compiled functions can be written.
    """
    import jax

    already = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None and already:
        _keep_small_ones()
        return Path(already)
    chosen = _users_folder() if folder is None else Path(folder)
    if chosen is None or not _writable(chosen):
        if folder is None:
            return None
        raise RekalError(f"{folder}: this is no folder in which compiled functions can be written.")
    jax.config.update("jax_compilation_cache_dir", str(chosen))
    _keep_small_ones()
    return chosen


def _keep_small_ones() -> None:
    """Keep every function, unless the user says otherwise: many small ones take as long as a large one."""
    import jax

    for name in (
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    ):
        if name.upper() not in os.environ:
            jax.config.update(name, 0)


def _users_folder() -> Path | None:
    import pooch

    try:
        return Path(pooch.os_cache("rekalman")) / "compiled"
    except (OSError, RuntimeError):  # no home folder
        return None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
