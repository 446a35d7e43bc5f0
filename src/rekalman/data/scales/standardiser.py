"""Standardising: every quantity to mean 0 and standard deviation 1, and exactly back.

Observations may pass through a power transform first (`data/scales/box_cox.py`): this is the one place where
raw units become those of a model, and back.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data.numeric import numeric_array
from rekalman.data.scales.box_cox import BoxCox
from rekalman.foundation.errors import RekalError
from rekalman.numerics.placing import AnyArray

if TYPE_CHECKING:
    from rekalman.data.container import Sequences


class Standardiser(eqx.Module):
    """A map for each quantity, standardised = (raw - location) / scale, after a transform where there is one.

    Attributes:
        location: mean of the observed entries of each observation (transformed); with leading axes
            `(batch, 1)` where each series has its own (`Panel.rows`).
        scale: their standard deviation; 1 where it is 0 or nothing was observed.
        input_location: likewise of each input, or None without inputs.
        input_scale: likewise.
        transform: of the raw observations, before all else; None = none.

    Examples:
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> scales = rekalman.Standardiser.of(data)
        >>> round(float(scales.location[0]), 1)
        919.4
        >>> round(float(scales.apply(data).values.std()), 2)
        1.0
    """

    location: Float[AnyArray, "*series obs"]
    scale: Float[AnyArray, "*series obs"]
    input_location: Float[AnyArray, " input"] | None = None
    input_scale: Float[AnyArray, " input"] | None = None
    transform: BoxCox | None = None

    @classmethod
    def of(cls, sequences: Sequences, transform: BoxCox | None = None) -> Standardiser:
        """Estimate location and scale from the observed entries of all series.

        Args:
            sequences: in raw units.
            transform: what the observations pass through first.

        Raises:
            RekalError: a column too large or too small for double precision, or one that varies in its last
                digit alone; a value that has no transform.
        """
        mask, names = np.asarray(sequences.mask), sequences.names
        location, scale = _moments(np.asarray(sequences.values), mask, names)
        if transform is not None:
            sequences = transform.apply_to(sequences)
            location, scale = _moments(np.asarray(sequences.values), mask, names)
        if sequences.inputs is None:
            return cls(location, scale, transform=transform)
        real = np.broadcast_to(sequences.valid()[:, :, None], sequences.inputs.shape)
        inputs = _moments(np.asarray(sequences.inputs), real, sequences.input_names)
        return cls(location, scale, *inputs, transform)

    def apply(self, sequences: Sequences) -> Sequences:
        """Standardise observations and inputs; zeros stay where nothing was observed.

        Args:
            sequences: with the same numbers of observations and inputs as this was made of.

        Returns:
            The same sequences in standardised numbers, without units.

        Raises:
            RekalError: an observed value has no transform.
        """
        if self.transform is not None:
            sequences = self.transform.apply_to(sequences)
        mask = np.asarray(sequences.mask)
        values = _scaled(np.asarray(sequences.values), mask, self.location, self.scale)
        inputs = sequences.inputs
        if inputs is not None and self.input_location is not None and self.input_scale is not None:
            real = np.broadcast_to(sequences.valid()[:, :, None], inputs.shape)
            inputs = _scaled(np.asarray(inputs), real, self.input_location, self.input_scale)
        units = (None,) * len(sequences.units)
        return dataclasses.replace(sequences, values=values, inputs=inputs, units=units)

    def apply_inputs(self, inputs: Any) -> Float[Array, "*lead input"] | None:
        """Inputs alone, in the computation's precision; None where there are none.

        Raises:
            RekalError: inputs are given, but the data that this was made of had none; something that is no
                real number.
        """
        if inputs is None:
            return None
        if self.input_location is None or self.input_scale is None:
            raise RekalError("the model takes no inputs, so leave them out")
        raw, count = numeric_array(inputs, "inputs"), len(self.input_location)
        if raw.shape[-1:] != (count,):
            raise RekalError(
                f"inputs have one column for each input of the model, {count} in all, but their shape is "
                f"{raw.shape}"
            )
        with np.errstate(over="ignore"):  # too large for a number: whoever uses them refuses them
            scaled = (raw - self.input_location) / self.input_scale
            return jnp.asarray(scaled, jnp.result_type(float))

    def invert(self, values: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Samples or quantiles back in raw units; means too, where there is no transform."""
        moved = self.unscale(values)
        return moved if self.transform is None else self.transform.invert(moved)

    def unscale(self, values: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Means, samples or quantiles back in the units of the transform, raw ones where there is none."""
        return values * self.scale + self.location

    def unscale_var(self, var: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Variances back in the units of the transform."""
        return var * self.scale**2

    def unscale_cov(
        self, cov: Float[AnyArray, "*lead obs obs"]
    ) -> Float[AnyArray, "*lead obs obs"]:
        """Covariances back in the units of the transform."""
        return cov * (self.scale[..., :, None] * self.scale[..., None, :])

    def rows(self, sequences: Sequences) -> Standardiser:
        """The maps of the series of some data: this one, which all share."""
        return self

    def alone(self, sequences: Sequences) -> Standardiser:
        """The map of a single series: this one."""
        return self

    def named(self, series: str | None) -> Standardiser:
        """The map of one series by name: all share this one, and none is to be named.

        Raises:
            RekalError: a series is named.
        """
        if series is not None:
            raise RekalError("all series of the model share one scale: leave series out")
        return self

    def of_rows(self, series: Any) -> tuple[Any, Any]:
        """Location and scale for rows that belong to these series, counted from 0.

        Returns:
            `(obs,)` each where all series share them, else `(rows, obs)`.
        """
        if np.ndim(self.location) == 1:
            return self.location, self.scale
        at = np.asarray(series)
        return np.asarray(self.location)[at, 0], np.asarray(self.scale)[at, 0]

    def with_one_scale(self) -> Standardiser:
        """The same, with the root mean square of the scales for every column."""
        scale = np.asarray(self.scale)
        largest = scale.max()  # its square may be beyond all numbers
        common = np.full(scale.shape, largest * np.sqrt(np.mean((scale / largest) ** 2)))
        return dataclasses.replace(self, scale=common)


def _scaled(
    values: Float[np.ndarray, "batch time column"], used: np.ndarray, location: Any, scale: Any
) -> np.ndarray:
    """Standardised entries where they are `used`, 0 elsewhere."""
    if not _mostly_padding(used):
        return np.where(used, (values - location) / scale, 0.0)
    out = np.zeros(values.shape)
    each = (np.broadcast_to(part, (len(out), 1, values.shape[-1])) for part in (location, scale))
    for row, value, real, middle, size in zip(out, values, used, *each, strict=True):
        stop = _end(real)
        row[:stop] = np.where(real[:stop], (value[:stop] - middle) / size, 0.0)
    return out


def _moments(
    values: Float[np.ndarray, "batch time column"], used: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (1 where it is 0) of each column over the entries `used`.

    Each column is divided by a power of two of its size first, which changes no digit, so that no sum or
    square can overflow or underflow.
    """
    count = np.maximum(used.sum(axis=(0, 1)), 1)
    columns = values.shape[-1]
    if _mostly_padding(used):
        pieces = [
            (value[: _end(real)], real[: _end(real)])
            for value, real in zip(values, used, strict=True)
        ]
    else:
        pieces = [(values.reshape(-1, columns), used.reshape(-1, columns))]
    size = np.max([np.abs(v).max(axis=0, where=real, initial=0.0) for v, real in pieces], axis=0)
    exponent = np.frexp(size)[1]
    pieces = [(np.ldexp(np.where(real, v, 0.0), -exponent), real) for v, real in pieces]
    mean = np.sum([v.sum(axis=0) for v, _ in pieces], axis=0) / count
    squares = [np.where(real, (v - mean) ** 2, 0.0).sum(axis=0) for v, real in pieces]
    deviation = np.ldexp(np.sqrt(np.sum(squares, axis=0) / count), exponent)
    mean = np.ldexp(mean, exponent)
    _check_moments(names, mean, deviation)
    return mean, np.where(deviation > 0, deviation, 1.0)


LARGEST = 1e140
"""Standard deviation up to which variances and their quotients are numbers; the smallest is its inverse."""


def _check_moments(names: tuple[str, ...], means: np.ndarray, deviations: np.ndarray) -> None:
    """Every column can be standardised, and results be told in its unit.

    Raises:
        RekalError: the square of a mean or a standard deviation over- or underflows, or a column varies in
            its last digit alone.
    """
    for i, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
        column = f"column {names[i] if i < len(names) else i!r}"
        small = 0 < deviation < 1 / LARGEST
        if small or max(deviation, abs(mean)) > LARGEST:
            raise RekalError(
                f"{column} has mean {mean:.3g} and standard deviation {deviation:.3g}, whose squares are "
                "beyond double precision: give it in another unit"
            )
        if 0 < deviation < 2 * np.finfo(np.float64).eps * abs(mean):
            raise RekalError(
                f"{column} varies by {deviation:.1g} about {mean:.6g}, which is the rounding of its last "
                "digit: take an offset off before the values are rounded, or leave it out"
            )


def _mostly_padding(used: np.ndarray) -> bool:
    """Whether large arrays are worked on series by series, to leave their padding alone."""
    return used.size > 10_000_000 and float(used.mean()) < 0.1


def _end(used: np.ndarray) -> int:
    """The step after the last one that is used."""
    steps = np.flatnonzero(used.any(axis=1))
    return int(steps[-1]) + 1 if len(steps) else 0
