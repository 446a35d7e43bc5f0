"""What of a penalty on squared weights each weight of a model feels."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from rekalman.models.gaussian import GaussianModel

SHARES = {"d": 0.0, "centers": 0.01, "log_radii": 0.1}
"""How much of a penalty on squared weights these feel: an offset none; kernels little, so that none is lost
far from all data or grows flat."""


def shares_of(model: GaussianModel) -> dict[str, Array]:
    """How much each entry feels of a penalty on squared weights: one, but for `SHARES`."""
    weights = model.weights()
    return {name: jnp.full_like(leaf, SHARES.get(name, 1.0)) for name, leaf in weights.items()}
