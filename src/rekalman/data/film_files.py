"""Films as files: the arrays of `Frames` by name in one `.npz` archive of NumPy."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import write_whole

if TYPE_CHECKING:
    from rekalman.data.images import Frames

ARRAYS = ("frames", "targets", "mask", "inputs", "dt", "names", "notes")
"""What a file may hold; only `frames` is needed."""
SUFFIX = ".npz"


def read_film(path: str | Path) -> dict[str, Any]:
    """The arguments of `Frames.from_arrays` from a file.

    Raises:
        RekalError: the file is missing, is no archive of arrays, lacks the frames, or holds an array of
            another name.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise RekalError(f"{path}: there is no such file.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0]
        raise RekalError(f"{path}: it is no archive of plain arrays (np.savez): {reason}") from None
    except TypeError:  # a single array, which is no archive
        raise RekalError(
            f"{path}: it holds one array without a name: write it by np.savez"
        ) from None
    unknown = [name for name in arrays if name not in ARRAYS]
    if "frames" not in arrays or unknown:
        wrong = f"it holds '{unknown[0]}'" if unknown else "it holds no array 'frames'"
        raise RekalError(
            f"{path}: {wrong}; a film has frames, and may have {', '.join(ARRAYS[1:])}."
        )
    for name in {"names", "notes"} & set(arrays):
        arrays[name] = tuple(map(str, np.atleast_1d(arrays[name])))
    return {"values" if name == "frames" else name: array for name, array in arrays.items()}


def write_film(frames: Frames, path: str | Path) -> None:
    """Write frames whole or not at all.

    Raises:
        RekalError: the file cannot be written.
    """
    held = {"frames": frames.values, "targets": frames.targets, "mask": frames.mask}
    held |= {"inputs": frames.inputs, "dt": frames.dt}
    arrays = {name: np.asarray(array) for name, array in held.items() if array is not None}
    for name, words in (("names", frames.names), ("notes", frames.notes)):
        if words:
            arrays[name] = np.array(words)
    if not np.size(arrays["targets"]):
        del arrays["targets"]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_whole(path, buffer.getvalue())
