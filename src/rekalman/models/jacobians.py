"""The slope of a transition, by forward-mode differentiation."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian


def transition_jacobian(
    model: GaussianModel,
    x: Float[Array, " states"],
    u: Float[Array, " input"] | None,
    dt: Float[Array, ""] | None = None,
) -> Float[Array, "states states"]:
    """`dg/dx` of the transition mean at one state; exactly `A` for a linear model."""
    if isinstance(model, LinearGaussian):
        return model.A
    return jax.jacfwd(lambda a: model.transition_mean(a[None], u, dt)[0])(x)
