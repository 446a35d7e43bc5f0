"""What of a model a gradient may move: its weights as a dictionary, and the model with others."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from rekalman.models.gaussian import GaussianModel
from rekalman.models.rbf import RBFNetwork

WEIGHTS = ("A", "H", "B", "c", "C", "D", "d")
SHARES = {"d": 0.0, "centers": 0.01, "log_radii": 0.1}
"""How much of a penalty on squared weights these feel: an offset none; kernels little, so that none is lost
far from all data or grows flat."""

Model = TypeVar("Model", bound=GaussianModel)


def weights_of(model: GaussianModel) -> dict[str, Array]:
    """All weights by name.

    Those of an `RBFNetwork` include the centres of the transition's kernels and `log_radii`, logarithms of
    factors on the axes of their spreads, which begin at zero. Kernels of the observation stay as they are.
    """
    weights = {name: getattr(model, name) for name in WEIGHTS if hasattr(model, name)}
    if isinstance(model, RBFNetwork):
        centers = model.kernels.centers
        weights |= {"centers": centers, "log_radii": jnp.zeros_like(centers)}
    return weights


def shares_of(model: GaussianModel) -> dict[str, Array]:
    """How much each entry feels of a penalty on squared weights: one, but for `SHARES`."""
    weights = weights_of(model)
    return {name: jnp.full_like(leaf, SHARES.get(name, 1.0)) for name, leaf in weights.items()}


def with_weights(model: Model, weights: dict[str, Array]) -> Model:
    """The model with other weights."""
    names = [name for name in WEIGHTS if name in weights]
    new = [weights[name] for name in names]
    made = eqx.tree_at(lambda m: [getattr(m, name) for name in names], model, new)
    if isinstance(model, RBFNetwork):
        factor = jnp.exp(weights["log_radii"])
        spreads = model.kernels.spreads * factor[:, :, None] * factor[:, None, :]
        kernels = (weights["centers"], spreads)
        made = eqx.tree_at(lambda m: (m.kernels.centers, m.kernels.spreads), made, kernels)
    return made
