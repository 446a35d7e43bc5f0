"""Writing files whole or not at all."""

import contextlib
import os
import re
import secrets
from pathlib import Path
from types import ModuleType

from rekalman.foundation.errors import RekalError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not a POSIX system: temporary files of killed processes stay there
    fcntl = None


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file so that it is either the new one, complete, or the old one, untouched.

    The data go to a temporary file in the same folder, are forced to the disk, and take the
    place of the old file in one step. Whatever goes wrong before, a full disk, Ctrl-C or a
    power cut, leaves the old file alone; the temporary file is removed. One that a killed process left is
    removed by the next write to the same path; another process that is writing there holds a lock on its own.

    Args:
        path: where to; a link is followed.
        data: bytes, or text that is written as UTF-8.

    Raises:
        RekalError: the folder does not exist or cannot be written, the path is a folder or a
            device, or the disk refuses the data.
    """
    content = data.encode() if isinstance(data, str) else data
    target, temporary, descriptor = _open_beside(path)
    try:
        # The descriptor, and with it the lock, lives until the file has its final name.
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o7777)
            if fcntl is not None:
                os.replace(temporary, target)
        if fcntl is None:  # Windows renames no open file
            os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RekalError(f"{path}: it could not be written ({error.strerror}).") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def check_writable(path: str | Path) -> None:
    """Make sure that `write_whole` can write there, so that long work fails before it starts.

    Args:
        path: where to write later. An existing file there is left as it is.

    Raises:
        RekalError: as `write_whole`, except for a disk that is full later.
    """
    _, temporary, descriptor = _open_beside(path)
    os.close(descriptor)
    temporary.unlink(missing_ok=True)


def _open_beside(path: str | Path) -> tuple[Path, Path, int]:
    """Open a new temporary file next to `path`: the target, the file, its locked descriptor."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise RekalError(f"{path}: this is a folder, not a file.")
    if target.exists() and not target.is_file():
        raise RekalError(f"{path}: this is not an ordinary file, so it cannot be written whole.")
    if not target.parent.is_dir():
        raise RekalError(f"{path}: the folder {target.parent} does not exist.")
    _remove_abandoned(target)
    while True:
        temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(6)}.part")
        try:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except OSError as error:
            raise RekalError(
                f"{path}: the folder {target.parent} cannot be written ({error.strerror})."
            ) from None
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink or fcntl is None:
            return target, temporary, descriptor
        os.close(descriptor)  # taken for abandoned between its opening and its locking


def _prefix(target: Path) -> str:
    """How the names of temporary files of a target begin."""
    return f".{target.name[:100]}."


def _remove_abandoned(target: Path) -> None:
    """Remove temporary files of this target that no living process has locked."""
    if fcntl is None:
        return
    name = re.compile(re.escape(_prefix(target)) + r"[0-9a-f]{12}\.part")
    try:
        left = [each for each in os.listdir(target.parent) if name.fullmatch(each)]
    except OSError:  # a folder that can be written and not listed
        return
    for each in left:
        try:
            descriptor = os.open(target.parent / each, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (target.parent / each).unlink(missing_ok=True)
        except OSError:  # somebody is writing it, or the file system knows no locks
            pass
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Hold a temporary file; the system lets go of it when the process ends, however it ends."""
    if fcntl is None:
        return
    # A file system that knows no locks refuses: nothing there is then taken for abandoned.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where the system allows it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
