"""Distributions of the next observations as the components of Gaussian mixtures, which a `Forecast` holds."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.core.bernoulli import Bernoulli
from rekalman.core.distribution import Distribution
from rekalman.core.gaussian import DiagonalGaussian, Gaussian
from rekalman.core.mixture import GaussianMixture
from rekalman.foundation.errors import RekalError


class Components(NamedTuple):
    """Forecasts at every step up to the longest horizon, from one origin or from several (a first axis).

    Attributes:
        means: of the components.
        log_weights: of the components, the same at every step.
        cov: of each component; `(obs, obs)` where all steps and origins share it.
        path: the noise-free observations.
    """

    means: Float[Array, "*origins steps components obs"]
    log_weights: Float[Array, "*origins components"]
    cov: Float[Array, "*lead obs obs"]
    path: Float[Array, "*origins steps obs"]

    def at(self, steps: np.ndarray, origins: int) -> tuple[np.ndarray, ...]:
        """Some steps of the first origins; a shared covariance stays as it is."""
        cov = np.asarray(self.cov)
        return (
            np.asarray(self.means)[:origins, steps],
            np.asarray(self.log_weights)[:origins],
            cov if cov.ndim == 2 else cov[:origins, steps],
            np.asarray(self.path)[:origins, steps],
        )


def components(ahead: Distribution, path: Float[Array, "steps obs"] | None) -> Components:
    """The components of the distributions of the next observations.

    Args:
        ahead: with a leading axis of steps.
        path: the noise-free observations; None = the means.

    Raises:
        RekalError: they are no mixtures with weights that all steps share.
    """
    if isinstance(ahead, GaussianMixture) and ahead.log_weights.shape[0] == 1:
        made = ahead.means, ahead.log_weights[0], ahead.within
    elif isinstance(ahead, Gaussian | DiagonalGaussian):
        made = ahead.mean[:, None], jnp.zeros(1, ahead.mean.dtype), ahead.cov
    elif isinstance(ahead, Bernoulli):
        obs = ahead.mean.shape[-1]
        cov = jnp.zeros((obs, obs), ahead.mean.dtype)  # the variance follows from the probability
        made = ahead.mean[:, None], jnp.zeros(1, ahead.mean.dtype), cov
    else:
        raise RekalError(
            f"a forecast is a Gaussian, a mixture of Gaussians or one of pixels that are on or off, not a "
            f"{type(ahead).__name__}"
        )
    return Components(*made, path=ahead.mean if path is None else path)
