"""Checkpoints of a run of training, by Orbax: each is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jaxtyping import Array

from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.configuration import difference

ARRAYS, WORDS = "arrays", "words"
MISSING = "checkpoints need Orbax: pip install 'rekalman[train]'"
Comparison = Callable[[dict[str, str], dict[str, str]], str | None]


class Checkpoint(NamedTuple):
    """What a run continues from.

    Attributes:
        arrays: the leaves of everything that is an array.
        words: the rest, as JSON holds it.
    """

    arrays: list[Array]
    words: dict[str, Any]


class Checkpoints:
    """A folder of checkpoints, one for each epoch, of which the last is kept.

    Orbax marks a checkpoint as finished when all of it is written; the one before is removed after that. A
    kill leaves at worst an unfinished folder, which the next start removes.
    """

    def __init__(
        self, folder: str | Path, configuration: dict[str, str], only_read: bool = False
    ) -> None:
        """Open a folder, or make it.

        Args:
            folder: the folder.
            configuration: of the run.
            only_read: nothing is changed there: another run may be writing.

        Raises:
            RekalError: Orbax is not installed, or the folder cannot be used.
        """
        self._ocp = _orbax()
        self.folder, self._configuration = Path(folder).absolute(), configuration
        try:
            if not only_read:
                self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RekalError(
                f"{folder}: checkpoints cannot be kept there ({error.strerror})"
            ) from None
        options = self._ocp.CheckpointManagerOptions(
            max_to_keep=None if only_read else 1,
            cleanup_tmp_directories=not only_read,
            enable_async_checkpointing=False,
            create=not only_read,
        )
        self._manager = self._ocp.CheckpointManager(self.folder, options=options)

    def load(
        self, like: list[Array] | None = None, compare: Comparison = difference
    ) -> Checkpoint | None:
        """The last checkpoint, or None.

        Args:
            like: arrays of the types, shapes and places to give those of the checkpoint; None = as they are.
            compare: says in what the configuration differs from that of the checkpoint.

        Raises:
            RekalError: it is of another configuration, or damaged.
        """
        epoch, args = self._manager.latest_step(), self._ocp.args
        if epoch is None:
            return None
        try:
            words = self._manager.restore(epoch, args=args.Composite(**{WORDS: args.JsonRestore()}))
            differs = compare(self._configuration, words[WORDS]["configuration"])
            if differs is None:
                leaves = args.StandardRestore(None if like is None else _named(like))
                result = self._manager.restore(epoch, args=args.Composite(**{ARRAYS: leaves}))
                arrays = [result[ARRAYS][name] for name in sorted(result[ARRAYS])]
                return Checkpoint(arrays, words[WORDS])
        except Exception as error:
            raise RekalError(
                f"{self.folder / str(epoch)}: this checkpoint cannot be read "
                f"({type(error).__name__}), so remove the folder to begin again"
            ) from error
        raise RekalError(f"{self.folder}: this checkpoint is of another run: {differs}")

    def save(self, epoch: int, checkpoint: Checkpoint) -> None:
        """Write the checkpoint of an epoch.

        Raises:
            RekalError: it cannot be written.
        """
        args = self._ocp.args
        words = checkpoint.words | {"configuration": self._configuration}
        parts = {
            ARRAYS: args.StandardSave(_named(checkpoint.arrays)),
            WORDS: args.JsonSave(words),
        }
        try:
            self._manager.save(epoch, args=args.Composite(**parts), force=True)
        except Exception as error:
            raise RekalError(
                f"{self.folder}: the checkpoint of epoch {epoch} could not be written ({error})"
            ) from error

    def close(self) -> None:
        """Let go of the folder."""
        self._manager.close()


def _named(arrays: list[Array]) -> dict[str, Array]:
    return {f"{i:03d}": array for i, array in enumerate(arrays)}


def check_checkpoints(folder: str | Path) -> None:
    """Make sure that checkpoints can be kept in a folder, so that long work fails before it starts.

    Raises:
        RekalError: Orbax is not installed, or the folder cannot be made or written.
    """
    if find_spec("orbax") is None or find_spec("orbax.checkpoint") is None:
        raise RekalError(MISSING)
    place = Path(folder).absolute()
    if place.exists() and not place.is_dir():
        raise RekalError(f"{folder}: checkpoints cannot be kept there (it is not a folder)")
    above = next(each for each in (place, *place.parents) if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise RekalError(f"{folder}: checkpoints cannot be kept there ({above} cannot be written)")


def _orbax() -> ModuleType:
    try:
        import orbax.checkpoint
    except ImportError:
        raise RekalError(MISSING) from None
    return orbax.checkpoint
