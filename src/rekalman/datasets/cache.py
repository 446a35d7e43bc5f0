"""Simulated films are kept on disk, so that a study films once."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pooch

from rekalman.data.images import Frames
from rekalman.datasets.filmed import Filmed
from rekalman.foundation.archive import load_archive, save_archive
from rekalman.foundation.errors import RekalError
from rekalman.foundation.printable import printable_line

VERSION = 1
"""Of the simulators: to be raised when one of them comes to give other films for the same settings."""


def cached(
    name: str, settings: Mapping[str, Any], make: Callable[[], Sequence[Filmed]]
) -> list[Filmed]:
    """Films from the cache, or made and put there.

    They lie in $REKAL_CACHE/simulated, by default in the user's cache folder, one sealed file for each name,
    settings and version of the simulators. It is written whole, so that processes side by side do not
    disturb each other. A damaged file is made anew with a warning; so it is where nothing can be written.

    Args:
        name: what is filmed.
        settings: all that the films depend on; numbers, text and lists of them.
        make: films them.
    """
    config = {"films": name, "version": VERSION, "settings": dict(settings)}
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    path = _folder() / f"{name}-{key}.rekalman"
    if path.exists():
        try:
            return _unpack(*load_archive(path))
        except (RekalError, LookupError, TypeError):  # broken, or an archive of something else
            warnings.warn(
                f"{printable_line(path)} was damaged, so its films are made anew", stacklevel=4
            )
    films = list(make())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_archive(path, *_pack(config, films))
    except (OSError, RekalError) as error:
        warnings.warn(f"the films could not be kept for the next time: {error}", stacklevel=4)
    return films


def _folder() -> Path:
    return Path(os.environ.get("REKAL_CACHE") or pooch.os_cache("rekalman")) / "simulated"


def _pack(
    config: dict[str, Any], films: list[Filmed]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of an archive."""
    labels = [{"names": film.frames.names, "notes": film.frames.notes} for film in films]
    arrays: dict[str, np.ndarray] = {}
    for i, film in enumerate(films):
        parts = {**vars(film.frames), "angles": film.angles, "factor": film.factor}
        arrays |= {f"{i}/{k}": part for k, part in parts.items() if isinstance(part, np.ndarray)}
    return {**config, "labels": labels}, arrays


def _unpack(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[Filmed]:
    films = []
    for i, labels in enumerate(config["labels"]):
        start = f"{i}/"
        parts = {k[len(start) :]: part for k, part in arrays.items() if k.startswith(start)}
        angles, factor = parts.pop("angles"), parts.pop("factor")
        frames = Frames(**parts, names=tuple(labels["names"]), notes=tuple(labels["notes"]))
        films.append(Filmed(frames, angles, factor))
    return films
