"""Standardising: every quantity to mean 0 and standard deviation 1, and exactly back."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekal.errors import RekalError
from rekal.sequences.container import AnyArray, Sequences
from rekal.sequences.numeric import numeric_array


class Standardiser(eqx.Module):
    """An affine map for each quantity: standardised = (raw - location) / scale.

    Attributes:
        location: mean of the observed entries of each observation.
        scale: their standard deviation; 1 where it is 0 or nothing was observed.
        input_location: likewise of each input, or None without inputs.
        input_scale: likewise.
    """

    location: Float[AnyArray, " obs"]
    scale: Float[AnyArray, " obs"]
    input_location: Float[AnyArray, " input"] | None = None
    input_scale: Float[AnyArray, " input"] | None = None

    @classmethod
    def of(cls, sequences: Sequences) -> "Standardiser":
        """Estimate location and scale from the observed entries of all series.

        Raises:
            RekalError: a column too large or too small for double precision, or one that varies in its last
                digit alone.
        """
        location, scale = _moments(
            np.asarray(sequences.values), np.asarray(sequences.mask), sequences.names
        )
        if sequences.inputs is None:
            return cls(location, scale)
        real = np.broadcast_to(sequences.valid()[:, :, None], sequences.inputs.shape)
        inputs = _moments(np.asarray(sequences.inputs), real, sequences.input_names)
        return cls(location, scale, *inputs)

    def apply(self, sequences: Sequences) -> Sequences:
        """Standardise observations and inputs; zeros stay where nothing was observed.

        Args:
            sequences: with the same numbers of observations and inputs as this was made of.

        Returns:
            The same sequences in standardised numbers, without units.
        """
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
        """Means, samples or quantiles back in raw units."""
        return values * self.scale + self.location

    def invert_var(self, var: Float[AnyArray, "*lead obs"]) -> Float[AnyArray, "*lead obs"]:
        """Variances back in raw units."""
        return var * self.scale**2

    def invert_cov(self, cov: Float[AnyArray, "*lead obs obs"]) -> Float[AnyArray, "*lead obs obs"]:
        """Covariances back in raw units."""
        return cov * (self.scale[:, None] * self.scale[None, :])

    def log_volume(self, sequences: Sequences) -> float:
        """What to subtract from a log-likelihood of standardised data to get that of raw data.

        A density of a raw value is that of the standardised value divided by the scale, so
        this is the sum of log(scale) over all observed entries, in nats.
        """
        observed = np.asarray(sequences.mask).sum(axis=(0, 1))
        return float(np.sum(observed * np.log(np.asarray(self.scale))))


def _scaled(
    values: Float[np.ndarray, "batch time column"], used: np.ndarray, location: Any, scale: Any
) -> np.ndarray:
    """Standardised entries where they are `used`, 0 elsewhere."""
    if not _mostly_padding(used):
        return np.where(used, (values - location) / scale, 0.0)
    out = np.zeros(values.shape)
    for row, value, real in zip(out, values, used, strict=True):
        stop = _end(real)
        row[:stop] = np.where(real[:stop], (value[:stop] - location) / scale, 0.0)
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
