"""Compiled functions are kept on disk, so that a command compiles once and then starts at once."""

import os
from pathlib import Path


def keep_compiled() -> None:
    """Turn on JAX's persistent compilation cache in the user's cache folder.

    A folder named by `JAX_COMPILATION_CACHE_DIR` has precedence. Where no folder can be written
    everything works without a cache.
    """
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = _folder()
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _folder() -> Path | None:
    """The folder, made where it is missing, or None where it cannot be written."""
    import pooch

    try:
        folder = Path(pooch.os_cache("rekal")) / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        return folder if os.access(folder, os.W_OK | os.X_OK) else None
    except (OSError, RuntimeError):
        return None
