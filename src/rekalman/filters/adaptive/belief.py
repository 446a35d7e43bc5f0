"""What an adaptive filter knows at a step, and what it leaves of a series."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rekalman.core.trajectory import OneStep, Predicted


class Issued(eqx.Module):
    """What is forecast at a step, for each horizon and column.

    Attributes:
        mean: of the observation so many steps later.
        var: its variance.
    """

    mean: Float[Array, "*steps horizons obs"]
    var: Float[Array, "*steps horizons obs"]


class Errors(eqx.Module):
    """Running mean squares of the errors of forecasts, for each horizon and column.

    Attributes:
        square: weighted sum of squared errors.
        weight: sum of the weights.
    """

    square: Float[Array, "horizons obs"]
    weight: Float[Array, "horizons obs"]


class AdaptiveBelief(eqx.Module):
    """What an adaptive filter knows at a step.

    Attributes:
        issued: the latest forecasts.
        members: what each forecaster knows; empty where only forecasts are made.
        past: means issued at the last steps, the latest first.
        errors: of the forecasts.
        low: smallest value seen of each column.
        high: largest value.
        step: number of rows so far.
    """

    issued: Issued
    members: tuple[Any, ...] = ()
    past: Float[Array, "horizons horizons obs"] | None = None
    errors: Errors | None = None
    low: Float[Array, " obs"] | None = None
    high: Float[Array, " obs"] | None = None
    step: Int[Array, ""] | None = None


class AdaptivePath(Predicted):
    """What an adaptive filter leaves of series.

    Attributes:
        issued: the forecasts of every step.
        mean: of each row one step ahead, `(*batch, steps, obs)`.
        var: its variances.
        log_evidence: log densities of the observed entries.
    """

    issued: Issued
    mean: Float[Array, "*steps obs"]
    var: Float[Array, "*steps obs"]
    log_evidence: Float[Array, "*steps"]  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def moments(self) -> Issued:
        """The forecasts."""
        return self.issued

    def one_step(self, y: Float[Array, "*steps obs"]) -> OneStep:
        """What was forecast of each row (`y` is not used)."""
        return OneStep(self.mean, self.var)


def variance(errors: Errors) -> Float[Array, "horizons obs"]:
    """Mean squares of the errors; 1, that of the data, where none is known."""
    known = errors.weight > 0
    return jnp.where(known, errors.square / jnp.where(known, errors.weight, 1.0), 1.0)
