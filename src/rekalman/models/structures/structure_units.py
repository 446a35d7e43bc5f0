r"""A structure in other units: what its parameters are when data and inputs are standardised.

With `y = location + s z` and `u = o + k v` (one scale `s` for all columns, which share their noise),

    variances: s^2 of those of z,    coefficients: s D / k,    mean: location + s mean_z - (s D / k) o,

and periods, damping factors and autoregressive coefficients are the same.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.data.scales.standardiser import Standardiser
from rekalman.models.structures.structures import Structure


def raw_parameters(
    structure: Structure, standardiser: Standardiser
) -> tuple[Float[np.ndarray, "parameters parameters"], Float[np.ndarray, " parameters"]]:
    """`M` and `b`: the parameters in raw units are `M` times those in standardised ones, plus `b`.

    Series with scales of their own have no raw unit in common: those parameters stay in standardised units,
    but for the inputs.
    """
    s, location = _unit(standardiser)
    k, o = _inputs(structure, standardiser)
    means, (p, width) = structure.mean.size, structure.coefficients.shape
    first = len(structure.names) - means - p * width
    diagonal = np.where(structure.variances, s**2, 1.0)
    diagonal[first : first + means] = s
    slopes = slice(first + means, None)
    diagonal[slopes] = np.tile(s / k, p)
    M, b = np.diag(diagonal), np.zeros(len(diagonal))
    for j in range(means):
        b[first + j] = location[j]
        begin = first + means + j * width
        M[first + j, begin : begin + width] = -s / k * o
    return M, b


def standardised(structure: Structure, standardiser: Standardiser) -> Structure:
    """A structure whose parameters are in raw units, in those of standardised data."""
    s, location = _unit(standardiser)
    k, o = _inputs(structure, standardiser)
    D = np.asarray(structure.coefficients, float)
    vector = np.asarray(structure.vector, float) - np.where(structure.variances, 2 * np.log(s), 0.0)
    means = structure.mean.size
    rest = D * k / s
    mean = np.zeros(0)
    if means:
        mean = (np.asarray(structure.mean, float) - location + D @ o) / s
    first = len(vector) - means - rest.size
    vector = np.concatenate([vector[:first], mean, rest.reshape(-1)])
    return structure.replaced(jnp.asarray(vector, structure.log_noise.dtype))


def _unit(standardiser: Standardiser) -> tuple[float, np.ndarray]:
    """Scale and locations of the observations that all series share: 1 and 0 where each has its own."""
    location = np.asarray(standardiser.location)
    if location.ndim > 1:
        return 1.0, np.zeros(location.shape[-1])
    return float(standardiser.scale[0]), location


def _inputs(structure: Structure, standardiser: Standardiser) -> tuple[np.ndarray, np.ndarray]:
    """Scales and locations of the inputs."""
    if not structure.inputs:
        return np.ones(0), np.zeros(0)
    return np.asarray(standardiser.input_scale), np.asarray(standardiser.input_location)
