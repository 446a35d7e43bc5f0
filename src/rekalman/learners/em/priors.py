r"""Weak priors that fit the scale of the data, so that no covariance can collapse.

Maximum likelihood is unbounded here: one state that reproduces the data exactly drives `R` to zero,
and with a single series `P` has one sample (reference: the paper's footnote 2 learns the initial
state). All priors are stated in pseudo-steps, relative to moments under the starting model:

* weights: mean zero, precision `weight_steps * E[feature^2]`, a ridge that is the same for any scale of
  the states;
* `Q`: mode `noise_share * E[x_i^2]`, counted `noise_steps` times; `R` likewise with `Var[y]`;
* `P`: mode `E[x_i^2]` (the stationary spread), counted `initial_steps` times;
* `m`: mean zero, which counts `mean_steps` times.

`SAFEGUARD` counts for a hundredth of a step: a fraction of a nat, unless a noise variance falls far below a
thousandth of the signal's. Where the likelihood has a maximum, what it finds is that maximum but for this.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.learners.em.maximise import Priors
from rekalman.learners.em.statistics import Statistics
from rekalman.learners.likelihood.regression import RegressionPrior


class PriorStrength(eqx.Module):
    """How many steps of data each prior counts for (see the module text).

    Attributes:
        weight_steps: ridge on `[A B c]` and `[C D d]`.
        noise_steps: weight of the priors on `Q` and `R`.
        noise_share: prior mode of the noise variances, as a share of the signal's.
        initial_steps: weight of the prior on `P`.
        mean_steps: weight of the prior on `m`.
    """

    weight_steps: float = 0.1
    noise_steps: float = 2.0
    noise_share: float = 0.01
    initial_steps: float = 5.0
    mean_steps: float = 1.0

    def priors(self, statistics: Statistics, floor: float = 1e-6) -> Priors:
        """Priors scaled by the moments of an E-step under the starting model."""
        transition, observation = statistics.transition, statistics.observation
        x_scale = self._scale(transition.targets, transition.count, floor)
        y_scale = self._scale(observation.targets, observation.count, floor)
        n = x_scale.shape[0]
        return Priors(
            transition=self._regression(statistics.transition.features, transition.count, x_scale),
            observation=self._regression(observation.features, observation.count, y_scale),
            initial=RegressionPrior(
                mean=jnp.zeros((n, 1), x_scale.dtype),
                precision=jnp.full(1, self.mean_steps, x_scale.dtype),
                noise=jnp.diag(x_scale),
                noise_weight=jnp.asarray(self.initial_steps, x_scale.dtype),
            ),
        )

    def _regression(self, features: Array, count: Array, scale: Array) -> RegressionPrior:
        p, q = scale.shape[0], features.shape[0]
        return RegressionPrior(
            mean=jnp.zeros((p, q), scale.dtype),
            precision=self.weight_steps * jnp.diagonal(features) / count,
            noise=jnp.diag(self.noise_share * scale),
            noise_weight=jnp.asarray(self.noise_steps, scale.dtype),
        )

    @staticmethod
    def _scale(targets: Array, count: Array, floor: float) -> Float[Array, " p"]:
        return jnp.maximum(jnp.diagonal(targets) / count, floor)


SAFEGUARD = PriorStrength(weight_steps=0.0, noise_steps=0.01, initial_steps=0.01, mean_steps=0.0)
"""Keeps covariances from collapsing and changes nothing else (see the module text)."""
