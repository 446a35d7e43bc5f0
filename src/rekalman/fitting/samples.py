"""What a stream makes of a sample: a row of numbers in the units of the model, or a frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.core.row import FilmRow
from rekalman.data.numeric import numeric_array
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.tables.named import Known, ordered
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError


class Sample(NamedTuple):
    """One sample as `Filter.update` takes it.

    Attributes:
        values: of the step, in the units of the model.
        mask: what of it is there.
        seen: which columns are observed.
        log_scale: of each column what a log density in raw units is smaller by than one in those of the
            model, 0 where nothing is observed.
        log_slope: likewise of the transform.
    """

    values: Any
    mask: Any
    seen: Bool[np.ndarray, " obs"]
    log_scale: Float[np.ndarray, " obs"]
    log_slope: Float[np.ndarray, " obs"]


class Rows:
    """Rows of numbers, by name or in the order of the columns."""

    def __init__(
        self, standardiser: Standardiser, labels: Labels, input_names: tuple[str, ...]
    ) -> None:
        """Take rows in raw units.

        Args:
            standardiser: from raw to standardised units.
            labels: names of the columns.
            input_names: names of the inputs, which a row may hold, too.
        """
        self._standardiser, self._labels = standardiser, labels
        self._known = Known(input_names, labels.time_name)
        self._scale = np.asarray(standardiser.scale)
        self._log_scale = np.log(self._scale)

    def read(self, y: Any, number: int) -> Sample:
        """A sample in raw units.

        Args:
            y: one number for each column; NaN = missing, None = all are.
            number: of the sample, from 1.

        Raises:
            RekalError: another number of columns, no real numbers, or an infinite one.
        """
        names = self._labels.names
        what = f"sample {number}"
        y = np.full(len(names), np.nan) if y is None else y
        values = np.atleast_1d(numeric_array(ordered(y, names, what, self._known), what))
        if values.shape != (len(names),):
            raise RekalError(f"a sample has {len(names)} columns, but {values.shape} was given")
        if np.isinf(values).any():
            raise RekalError(f"{what} holds an infinite value")
        seen, transform = ~np.isnan(values), self._standardiser.transform
        curved, slope = values, np.zeros(len(values))
        if transform is not None:
            transform.check(values, seen, names, lambda _: what)
            curved, slope = transform.apply(values), transform.log_derivative(values)
        with np.errstate(over="ignore"):  # what is beyond the numbers is refused later
            scaled = np.where(seen, (curved - self._standardiser.location) / self._scale, 0.0)
            row = jnp.asarray(scaled, jnp.result_type(float))
        log_scale = np.where(seen, self._log_scale, 0.0)
        return Sample(row, jnp.asarray(seen), seen, log_scale, np.where(seen, slope, 0.0))

    def refusal(self, y: Any, number: int) -> str:
        """Why a sample cannot be taken after which the belief is not finite."""
        names = self._labels.names
        values = np.atleast_1d(numeric_array(ordered(y, names, "y", self._known), "y"))
        transform = self._standardiser.transform
        curved = values if transform is None else transform.apply(values)
        with np.errstate(over="ignore"):
            far = np.abs(np.nan_to_num((curved - self._standardiser.location) / self._scale))
        k = int(np.argmax(far))
        return (
            f"sample {number} cannot be taken, since the belief or the likelihood would no longer be finite: "
            f"column '{names[k]}' lies {far[k]:.3g} standard deviations from the mean of the training data"
        )


class Films:
    """Frames, whose targets are not known."""

    def __init__(self, shape: tuple[int, ...], targets: int) -> None:
        """Take frames of one shape.

        Args:
            shape: height, width and channels.
            targets: how many numbers are told of a frame.
        """
        self._shape, self._nothing = shape, np.zeros(targets)
        self._unknown = jnp.zeros(targets, bool)

    def read(self, y: Any, number: int) -> Sample:
        """A frame as bytes.

        Args:
            y: `(height, width, channel)`, without the last axis where there is one channel; None = missing.
            number: of the frame, from 1.

        Raises:
            RekalError: another shape or type, or hidden pixels.
        """
        pixels = self._pixels(y, number)
        return Sample(
            FilmRow(pixels, jnp.asarray(self._nothing, jnp.result_type(float))),
            FilmRow(jnp.asarray(y is not None), self._unknown),
            np.zeros(len(self._nothing), bool),
            self._nothing,
            self._nothing,
        )

    def refusal(self, y: Any, number: int) -> str:
        """Why a frame cannot be taken after which the belief is not finite."""
        return (
            f"frame {number} cannot be taken, since the belief would no longer be finite: its inputs or its "
            "dt are far from what the network was trained on"
        )

    def _pixels(self, frame: Any, number: int) -> Array:
        if frame is None:
            return jnp.zeros(self._shape, jnp.uint8)
        if isinstance(frame, np.ma.MaskedArray) and np.ma.getmaskarray(frame).any():
            raise RekalError(
                f"frame {number} hides some of its pixels, but a frame is seen or missing whole: give None "
                "where it is missing"
            )
        pixels = np.asarray(frame)
        if pixels.shape == self._shape[:2] and self._shape[2:] == (1,):
            pixels = pixels[..., None]
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise RekalError(
                f"the network was trained on frames of shape {self._shape} of bytes (uint8), but frame "
                f"{number} has shape {np.shape(frame)} and type {pixels.dtype}"
            )
        return jnp.asarray(pixels)
