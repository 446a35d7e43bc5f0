r"""What a maximum-likelihood search finds: the estimate, how sure it is, and the criteria to choose by.

Akaike's criterion is `-2 L + 2 k`, corrected `+ 2 k (k + 1) / (n - k - 1)` (Hurvich and Tsai 1989); Schwarz's
is `-2 L + k log n`. `k` counts the parameters and the diffuse coordinates, `n` the steps with an observation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtri

from rekalman.foundation.errors import RekalError
from rekalman.learners.likelihood.information import Information
from rekalman.learners.likelihood.parameters import Parameters
from rekalman.learners.protocol import TrainResult
from rekalman.models.bounds import interval
from rekalman.models.parametrised import Parametrised

VANISHED = (
    10.0  # standard errors of this many times a variance: it is zero as far as the data can say
)


class Estimate(TrainResult):
    """A maximum-likelihood estimate.

    Attributes:
        model: the model of the estimate.
        history: the log-likelihood in nats at the start and after each iteration; the last is that of the
            estimate. It stops by "converged", "iterations", "no better point" or "interrupted".
        structure: the structure or parametric model it was built of, or None.
        starts: those that were climbed, with the log-likelihood in nats where each climb was left; the first
            went on to the estimate.
        names: names of the free parameters.
        estimates: their values in natural units.
        standard_errors: of these values; NaN where the data do not determine one.
        boundary: names of variances that are zero, as far as the data can say; the standard errors of the
            others take them as known.
        gradient: largest slope of the log-likelihood in a free parameter, in nats.
        steps: number of steps with an observation.
        information: what the data say of the free parameters, or None where it was not worked out.
        parameters: the free parameters and how a model is built of them.
        vector: their values without bounds.
    """

    structure: Parametrised | None
    starts: tuple[tuple[str, float], ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    estimates: Float[np.ndarray, " parameters"]
    standard_errors: Float[np.ndarray, " parameters"]
    boundary: tuple[str, ...] = eqx.field(static=True)
    gradient: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    information: Information | None
    parameters: Parameters
    vector: Float[np.ndarray, " parameters"]

    @property
    def value(self) -> float:
        """The log-likelihood of the estimate, in nats."""
        return float(self.log_likelihood[-1])

    @property
    def counted(self) -> int:
        """Number of parameters and diffuse coordinates.

        Of a linear model only the directions that the data determine: its states have no basis of their own.

        Raises:
            RekalError: these directions were not worked out.
        """
        free = len(self.names) if self.structure is not None else self._known.rank
        return free + len(self.model.diffuse)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return -2 * self.value + 2 * self.counted

    @property
    def aicc(self) -> float:
        """The same, corrected for short series; infinite where they are too short for it."""
        k, n = self.counted, self.steps
        return self.aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("inf")

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return -2 * self.value + self.counted * float(np.log(self.steps))

    def interval(
        self, level: float = 0.95
    ) -> tuple[Float[np.ndarray, " parameters"], Float[np.ndarray, " parameters"]]:
        """Lower and upper ends of confidence intervals of the parameters, in natural units.

        A positive parameter has an interval on its logarithm, so that both ends are positive; one between
        two bounds has it on its logit.
        """
        z = float(ndtri(0.5 + level / 2))
        return interval(self.parameters.bounds, self.estimates, self.standard_errors, z)

    def standard_error_of(
        self, function: Callable[[Any], Float[Array, "*shape"]]
    ) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
        """Value and standard error of a differentiable function of the model (delta method).

        Raises:
            RekalError: standard errors were not worked out.
        """
        with jax.enable_x64(True):
            vector = jnp.asarray(self.vector)
            flat = lambda v: jnp.ravel(function(self.parameters.build(v)))  # noqa: E731
            value = np.asarray(function(self.parameters.build(vector)))
            jacobian = np.asarray(jax.jacfwd(flat)(vector))
        return value, self._known.standard_errors(jacobian).reshape(value.shape)

    @property
    def _known(self) -> Information:
        if self.information is None:
            raise RekalError(
                "standard errors were not worked out: use MaximumLikelihood(errors=True)"
            )
        return self.information

    def summary(self) -> str:
        """The estimate as a table."""
        low, high = self.interval()
        width = max(len(name) for name in self.names)
        criteria = ""
        if self.structure is not None or self.information is not None:
            criteria = f"AIC {self.aic:.2f}   AICc {self.aicc:.2f}   BIC {self.bic:.2f}   "
        lines = [
            f"log-likelihood {self.value:.4f}   {criteria}({self.steps} steps)",
            f"stopped: {self.stopped} after {len(self.log_likelihood) - 1} iterations, "
            f"largest slope {self.gradient:.2g} nats, {self.seconds:.2f} s",
            f"{'':{width}}  {'estimate':>12} {'std. error':>12} {'95 % interval':>27}",
        ]
        for row in zip(self.names, self.estimates, self.standard_errors, low, high, strict=True):
            if row[0] in self.boundary:
                lines.append(f"{row[0]:{width}}  {row[1]:>12.5g} {'zero: at the boundary':>40}")
                continue
            lines.append("{:{w}}  {:>12.5g} {:>12.4g} {:>13.5g} {:>13.5g}".format(*row, w=width))
        return "\n".join(lines)
