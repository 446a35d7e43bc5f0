"""How a network that watches films is scored: log-likelihood, errors and calibration, blind frames apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.datasets.filmed import Filmed
from rekalman.networks.network import Network

BLIND = 0.1
"""A frame with less picture than this is blind: of its pixels the noise hides all but traces."""
Z90 = 1.6448536
"""Half of the central 90 % interval of a standard normal."""


class Predicted(NamedTuple):
    """What a network says of every step of some films, `(batch, time, target)`."""

    mean: Float[np.ndarray, "batch time target"]
    var: Float[np.ndarray, "batch time target"]


def scored(network: Network, film: Filmed) -> dict[str, float]:
    """Run a network over films and score what it says (`scores`)."""
    return scores(predicted(network, film), film)


def predicted(network: Network, film: Filmed, at_once: int = 250) -> Predicted:
    """Run a network over films, some at a time."""
    frames = film.frames
    parts: list[tuple[Array, Array]] = []
    for begin in range(0, frames.batch, at_once):
        some = frames.take(slice(begin, begin + at_once))
        parts.append(_run(network, some.values, some.mask, some.dt))
    return Predicted(*(np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(2)))


def scores(described: Predicted, film: Filmed) -> dict[str, float]:
    """Figures of one network; steps whose target is unknown do not count.

    The log-likelihood is the mean over steps of the sum over the entries of the target, as Becker et al.
    (2019) give it. ANEES is the mean over steps and entries of the squared error divided by the predicted
    variance: 1 for a network that knows its errors.
    """
    target = np.asarray(film.frames.targets, np.float64)
    known = ~np.isnan(target).any(-1)
    factor = film.factor.reshape(*known.shape, -1).min(-1)
    parts = {"": known, "_clear": known & (factor >= BLIND), "_blind": known & (factor < BLIND)}
    mean, var = (np.asarray(each, np.float64) for each in described)
    error = np.square(np.nan_to_num(target) - mean)
    density = (-0.5 * (np.log(2 * np.pi * var) + error / var)).sum(-1)
    inside = (error <= Z90**2 * var).mean(-1)
    result: dict[str, float] = {}
    for name, part in parts.items():
        if part.any():
            result[f"log_likelihood{name}"] = float(density[part].mean())
            result[f"mse{name}"] = float(error[part].mean())
            result[f"rmse{name}"] = float(np.sqrt(error[part].mean()))
            result[f"coverage_90{name}"] = float(inside[part].mean())
            result[f"anees{name}"] = float((error / var)[part].mean())
    return result


@eqx.filter_jit
def _run(network: Network, values: Any, seen: Any, dt: Any) -> tuple[Array, Array]:
    target = network.run(jnp.asarray(values), jnp.asarray(seen), None, dt).distribution
    return target.mean, target.var
