"""Films beside what is wanted of them: the targets are columns of `Sequences`, each step has a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, UInt8

from rekalman.data.container import Sequences
from rekalman.data.facts import filmed_facts
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import shown, shown_html
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    from rekalman.data.images import Frames

BYTE = 255.0
"""The largest value of a pixel."""


class FilmedSequences(Sequences):
    """Series whose columns are to be told from frames: what `Frames` are to a trained model.

    The columns are the targets of the frames, and unknown targets are missing entries. Of images that are
    targets each pixel is a column, from 0 (black) to 1.

    Attributes:
        target_shape: of the targets of a step, `(obs,)` or height, width and channels.
        frames: pixels of each step; anything where `seen` is False.
        seen: True where the frame was seen.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> films, angles = np.zeros((2, 10, 8, 8), np.uint8), np.zeros((2, 10, 1))
        >>> data = rekalman.Frames.from_arrays(films, angles, names=("angle",)).as_sequences()
        >>> data.names, data.values.shape, data.frames.shape
        (('angle',), (2, 10, 1), (2, 10, 8, 8, 1))
    """

    target_shape: tuple[int, ...] = eqx.field(static=True, kw_only=True)
    frames: UInt8[AnyArray, "batch time height width channel"] = eqx.field(kw_only=True)
    seen: Bool[AnyArray, "batch time"] = eqx.field(kw_only=True)

    def __repr__(self) -> str:
        return shown(self, filmed_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, filmed_facts)

    @property
    def measured(self) -> bool:
        """Whether the columns are what is seen: the frames are."""
        return False

    @property
    def pixels(self) -> bool:
        """Whether the columns are pixels."""
        return len(self.target_shape) > 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Height, width and channels of a frame."""
        return self.frames.shape[2:]

    def select(self, names: Sequence[str]) -> FilmedSequences:
        """Some of the targets, in the order given.

        Raises:
            RekalError: there is no such target, or the targets are images.
        """
        if self.pixels:
            raise RekalError("the targets are images, of which single pixels cannot be selected")
        chosen: Any = super().select(names)
        return dataclasses.replace(chosen, target_shape=(len(names),))

    def by_step(self) -> dict[str, tuple[AnyArray | None, float | bool]]:
        """The arrays that hold something of each step, see `Sequences.by_step`."""
        return {**super().by_step(), "frames": (self.frames, False), "seen": (self.seen, False)}


def filmed(frames: Frames, names: Sequence[str] = ()) -> FilmedSequences:
    """The targets of frames as columns, and the frames beside them.

    Args:
        frames: with targets, or without any where `names` says which columns are wanted.
        names: of the columns; default those of the frames.

    Raises:
        RekalError: the frames have other targets than `names`.
    """
    targets = np.asarray(frames.targets)
    images = targets.dtype == np.uint8
    own = pixel_names(targets.shape[2:]) if images else tuple(frames.names)
    if images:
        targets = targets.reshape(frames.batch, frames.steps, -1) / BYTE
    width = targets.shape[-1]
    if not width and names:
        width, own = len(names), tuple(names)
        targets = np.full((frames.batch, frames.steps, width), np.nan)
    if not width:
        raise RekalError(
            "the frames have no targets, so there is nothing to learn from: give targets"
        )
    if names and own and own != tuple(names):
        raise RekalError(
            f"the model tells of {_listed(names)}, but the targets of the frames are {_listed(own)}"
        )
    if names and len(names) != width:
        raise RekalError(
            f"the model tells of {len(names)} numbers at each step ({_listed(names)}), but the frames have "
            f"{width} targets"
        )
    inputs, dt = frames.inputs, frames.dt
    columns = Sequences.from_arrays(
        np.asarray(targets, np.float64),
        inputs=None if inputs is None else np.asarray(inputs, np.float64),
        dt=None if dt is None else np.asarray(dt, np.float64),
        names=tuple(names) or own or None,
    )
    fields = {**vars(columns), "notes": (*columns.notes, *frames.notes)}
    shape = tuple(np.shape(frames.targets)[2:]) if images else (columns.observations,)
    return FilmedSequences(**fields, target_shape=shape, frames=frames.values, seen=frames.mask)


def pixel_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the columns that stand for the pixels of an image, row by row.

    Args:
        shape: height, width and channels.
    """
    height, width, channels = map(int, shape)
    return tuple(
        f"pixel {row},{column}" + (f",{channel}" if channels > 1 else "")
        for row in range(height)
        for column in range(width)
        for channel in range(channels)
    )


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    few = ", ".join(names[:4])
    return few if len(names) <= 4 else f"{few} and {len(names) - 4} more"
