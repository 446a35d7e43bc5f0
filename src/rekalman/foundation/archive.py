"""The model file: JSON and arrays in one safetensors file, sealed with a checksum.

A model file is an ordinary safetensors file. Its metadata have one entry, called rekalman, with
the version of the format, the configuration as JSON and a SHA-256 over configuration, array
names, types, shapes and contents. (One entry, because safetensors writes several in random
order, and the same model shall give the same file.) Nothing in it is ever run: there is no
pickle and no code.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from rekalman.foundation.errors import RekalError
from rekalman.foundation.files import write_whole

FORMAT = "rekalman"
OLDER_FORMAT = "rekal"
"""What the entry was called up to 0.1, when the project had another name."""
VERSION = 2


def save_archive(path: str | Path, config: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write configuration and arrays as one file, whole or not at all.

    Args:
        path: where to; by custom it ends in `.rekalman`.
        config: anything JSON can hold; numpy scalars become numbers.
        arrays: numpy or JAX arrays by name, of any shape, of booleans, integers or floats.

    Raises:
        RekalError: the file cannot be written.
        TypeError: `config` holds what JSON cannot.
    """
    text = json.dumps(dict(config), default=_plain, sort_keys=True)
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    about = {"version": VERSION, "sha256": _seal(text, tensors), "config": text}
    write_whole(path, save(tensors, metadata={FORMAT: json.dumps(about)}))


def load_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `save_archive` wrote.

    Args:
        path: a model file.

    Returns:
        The configuration and the arrays by name.

    Raises:
        RekalError: there is no such file; it is no model file of rekalman; it was written by a
            newer rekalman; it was cut short or altered.
    """
    data = _read(Path(path))
    metadata = _metadata(data)
    if metadata is None:
        raise RekalError(f"{path}: this is not a rekalman model file, or it was cut short.")
    if FORMAT not in metadata and OLDER_FORMAT in metadata:
        raise RekalError(
            f"{path}: this model file was written by rekal 0.1, and this version reads format {VERSION}: "
            "train the model again, or use it with that version."
        )
    if FORMAT not in metadata:
        raise RekalError(f"{path}: this is a safetensors file but not a rekalman model file.")
    damaged = RekalError(f"{path}: this model file is damaged: it was altered or cut short.")
    try:
        about = json.loads(metadata[FORMAT])
        version = int(about["version"])
    except Exception:
        raise damaged from None
    if version != VERSION:
        remedy = "; install a newer rekalman." if version > VERSION else "."
        raise RekalError(
            f"{path}: this model file has format {version} and this rekalman reads {VERSION}{remedy}"
        )
    try:
        arrays = load(data)
        text = about["config"]
        intact = _seal(text, arrays) == about["sha256"]
        config = json.loads(text)
    except Exception:  # safetensors and json answer damage with exceptions of many kinds
        raise damaged from None
    if not intact or not isinstance(config, dict):
        raise damaged
    return config, arrays


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise RekalError(f"{path}: this is a folder, not a model file.")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RekalError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise RekalError(f"{path}: it cannot be read ({error.strerror}).") from None
    if not data:
        raise RekalError(f"{path}: the file is empty.")
    return data


def _metadata(data: bytes) -> dict[str, Any] | None:
    """The metadata of a safetensors file, or None of anything else.

    The file begins with the length of its header (8 bytes, little endian) and the header, a
    JSON object.
    """
    if len(data) < 8:
        return None
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        return None
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    metadata = header.get("__metadata__", {})
    return metadata if isinstance(metadata, dict) else None


def _seal(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the configuration and all that makes up the arrays."""
    digest = hashlib.sha256()
    for part in (FORMAT, str(VERSION), text):
        digest.update(f"{len(part)}:{part}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{len(name)}:{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Numpy scalars as numbers, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not belong into the configuration: {value!r}")
