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
        """Estimate location and scale from the observed entries of all series."""
        location, scale = _moments(np.asarray(sequences.values), np.asarray(sequences.mask))
        if sequences.inputs is None:
            return cls(location, scale)
        real = np.broadcast_to(sequences.valid()[:, :, None], sequences.inputs.shape)
        return cls(location, scale, *_moments(np.asarray(sequences.inputs), real))

    def apply(self, sequences: Sequences) -> Sequences:
        """Standardise observations and inputs; zeros stay where nothing was observed.

        Args:
            sequences: with the same numbers of observations and inputs as this was made of.

        Returns:
            The same sequences in standardised numbers, without units.
        """
        values = np.where(sequences.mask, (sequences.values - self.location) / self.scale, 0.0)
        inputs = sequences.inputs
        if inputs is not None and self.input_location is not None and self.input_scale is not None:
            scaled = (inputs - self.input_location) / self.input_scale
            inputs = np.where(sequences.valid()[:, :, None], scaled, 0.0)
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
        with np.errstate(over="ignore"):  # too large for a number: whoever uses them refuses them
            scaled = (numeric_array(inputs, "inputs") - self.input_location) / self.input_scale
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


def _moments(
    values: Float[np.ndarray, "batch time column"], used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column over the entries `used`.

    They are worked out in units of a power of two near the largest entry: that changes no digit, and no
    square over- or underflows.
    """
    held = np.where(used, values, 0.0)
    exponent = np.frexp(np.abs(held).max(axis=(0, 1), initial=0.0))[1]
    held = np.ldexp(held, -exponent)
    count = np.maximum(used.sum(axis=(0, 1)), 1)
    mean = held.sum(axis=(0, 1)) / count
    var = np.where(used, (held - mean) ** 2, 0.0).sum(axis=(0, 1)) / count
    return np.ldexp(mean, exponent), np.where(var > 0, np.ldexp(np.sqrt(var), exponent), 1.0)
