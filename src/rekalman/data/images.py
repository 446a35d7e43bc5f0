"""Filmed series: frames instead of columns, with what is wanted of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8

from rekalman.data.facts import frames_facts
from rekalman.data.film_files import read_film, write_film
from rekalman.data.numeric import numeric_array
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import shown, shown_html

if TYPE_CHECKING:
    from rekalman.data.filmed import FilmedSequences


class Frames(eqx.Module):
    """Several series of images.

    Pixels stay bytes (a tenth of the memory of `Sequences`), are neither standardised nor missing one by one:
    a whole frame is there or not. That is why this is a noun of its own.

    Attributes:
        values: pixels `(batch, time, height, width, channel)`; anything where `mask` is False.
        targets: what is wanted at each step: numbers `(batch, time, target)`, NaN = unknown, or clean images.
        mask: True where the frame was seen.
        inputs: known inputs, or None.
        dt: time since the frame before, for irregular sampling, or None.
        names: names of the targets, static.
        notes: what is to be known of how they were made, static.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> films = np.zeros((2, 10, 24, 24), np.uint8)  # two films of ten frames
        >>> angles = np.zeros((2, 10, 1))
        >>> frames = rekalman.Frames.from_arrays(films, angles, names=("angle",))
        >>> frames.batch, frames.steps, frames.shape
        (2, 10, (24, 24, 1))
    """

    values: UInt8[np.ndarray, "batch time height width channel"]
    targets: (
        Float[np.ndarray, "batch time target"]
        | UInt8[np.ndarray, "batch time height width channel"]
    )
    mask: Bool[np.ndarray, "batch time"]
    inputs: Float[np.ndarray, "batch time input"] | None = None
    dt: Float[np.ndarray, "batch time"] | None = None
    names: tuple[str, ...] = eqx.field(static=True, default=())
    notes: tuple[str, ...] = eqx.field(static=True, default=())

    @classmethod
    def from_arrays(
        cls,
        values: Any,
        targets: Any = None,
        *,
        mask: Any = None,
        inputs: Any = None,
        dt: Any = None,
        names: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Frames:
        """Make frames of arrays.

        Args:
            values: bytes `(batch, time, height, width, channel)`, or without the channel axis.
            targets: `(batch, time, target)` numbers, or images of any size as bytes; None where nothing is to
                be learned, only told.
            mask: `(batch, time)` booleans, True = seen; default all.
            inputs: `(batch, time, input)`, no NaN.
            dt: `(batch, time)`, positive and finite.
            names: one for each target.
            notes: sentences to keep.

        Raises:
            RekalError: pixels that are no bytes, or some of which a masked array hides; a mask that is not of
                booleans, shapes that do not match, or numbers that are not finite.
        """
        for name, given in (("values", values), ("mask", mask)):
            if isinstance(given, np.ma.MaskedArray) and np.ma.getmaskarray(given).any():
                raise RekalError(
                    f"{name} of the frames hide entries, but a frame is seen or missing whole: say which by "
                    "mask"
                )
        pixels = np.asarray(values)
        if targets is None:
            targets = np.zeros((*pixels.shape[:2], 0))
        wanted = np.asanyarray(targets)
        if pixels.dtype != np.uint8:
            raise RekalError(f"frames are bytes (uint8, 0 to 255), but these are {pixels.dtype}")
        pixels = pixels[..., None] if pixels.ndim == 4 else pixels
        if pixels.ndim != 5:
            raise RekalError(
                f"frames have the axes (batch, time, height, width, channel), but these have shape "
                f"{np.shape(values)}"
            )
        if not pixels.size:
            raise RekalError(
                f"frames of shape {np.shape(values)} hold no pixel: give at least one frame"
            )
        if wanted.dtype == np.uint8:
            if isinstance(wanted, np.ma.MaskedArray) and np.ma.getmaskarray(wanted).any():
                raise RekalError(
                    "targets that are images hide entries, but pixels of a target are all known"
                )
            wanted = np.asarray(wanted)
            wanted = wanted[..., None] if wanted.ndim == 4 else wanted
        else:
            wanted = _single(wanted, "targets")
        seen = np.ones(pixels.shape[:2], bool) if mask is None else np.asarray(mask)
        if seen.dtype != bool:
            raise RekalError(
                f"the mask of the frames is of booleans, True = seen, not of type {seen.dtype}"
            )
        rest = {
            "inputs": None if inputs is None else _single(inputs, "inputs"),
            "dt": None if dt is None else _single(dt, "dt"),
        }
        axes = {"targets": 5 if wanted.dtype == np.uint8 else 3, "mask": 2, "inputs": 3, "dt": 2}
        for name, array in {"targets": wanted, "mask": seen, **rest}.items():
            if array is None:
                continue
            if array.ndim != axes[name] or array.shape[:2] != pixels.shape[:2]:
                raise RekalError(
                    f"{name} of shape {array.shape} do not go with {pixels.shape[0]} series of "
                    f"{pixels.shape[1]} frames: they have {axes[name]} axes, the first two like these"
                )
        if axes["targets"] == 3 and np.isinf(wanted).any():
            raise RekalError("a target of the frames is infinite: give NaN where it is unknown")
        if rest["inputs"] is not None and not np.isfinite(rest["inputs"]).all():
            raise RekalError("an input of the frames is missing or infinite: inputs must be known")
        if rest["dt"] is not None and not ((rest["dt"] > 0) & np.isfinite(rest["dt"])).all():
            raise RekalError("dt of the frames must be finite times above 0")
        return cls(pixels, wanted, seen, **rest, names=tuple(names), notes=tuple(notes))

    @classmethod
    def from_npz(cls, path: str | Path) -> Frames:
        """Read what `save` wrote, or an archive of `np.savez` with the same names.

        Args:
            path: holds `frames`, and may hold `targets`, `mask`, `inputs`, `dt`, `names` and `notes`
                (see `from_arrays`).

        Raises:
            RekalError: the file cannot be read, or as for `from_arrays`.
        """
        arguments = read_film(path)
        try:
            return cls.from_arrays(**arguments)
        except RekalError as error:
            raise RekalError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write one compressed file, which `from_npz` and the command line read.

        Raises:
            RekalError: the file cannot be written.
        """
        write_film(self, path)

    def __repr__(self) -> str:
        return shown(self, frames_facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, frames_facts)

    @property
    def batch(self) -> int:
        """Number of series."""
        return self.values.shape[0]

    @property
    def steps(self) -> int:
        """Number of frames of each series."""
        return self.values.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of a frame."""
        return self.values.shape[2:]

    def as_sequences(self, names: Sequence[str] = ()) -> FilmedSequences:
        """The targets as columns, and the frames beside them; that is what models are trained on.

        Args:
            names: of the columns; default those of the targets.

        Raises:
            RekalError: there are no targets and no names, or the targets are others.
        """
        from rekalman.data.filmed import filmed

        return filmed(self, names)

    def take(self, which: Any) -> Frames:
        """Some of the series, by a slice or an index array."""
        return jax.tree.map(lambda leaf: leaf[which], self)


def _single(data: Any, what: str) -> np.ndarray:
    """Numbers in single precision, infinite where they are too large for it."""
    with np.errstate(over="ignore"):
        return numeric_array(data, f"{what} of the frames").astype(np.float32)
