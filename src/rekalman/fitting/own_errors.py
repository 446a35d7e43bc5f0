"""The errors of a stream's own forecasts, of which its running intervals are made."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.core.filter import Belief, Filter
from rekalman.fitting.awaited import Forecaster, Made, Origins, taken
from rekalman.forecasting import Forecast
from rekalman.forecasting.checks import check_reach
from rekalman.forecasting.running import no_errors, with_errors, with_newest
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError

USUAL_HORIZON = 10
"""So many steps ahead errors are remembered where nothing else is asked for."""


@dataclasses.dataclass(frozen=True)
class OwnErrors:
    """Errors of forecasts 1 to H steps ahead, in the units of the model; the next sample gives a new object.

    Attributes:
        by: how the forecasts are made.
        last: the last standardised errors of each horizon and column, the oldest first.
        awaited: forecasts that wait for their steps.
    """

    by: Forecaster
    last: Float[np.ndarray, "horizons memory obs"]
    awaited: Made | Origins

    @classmethod
    def start(
        cls,
        algorithm: Filter,
        horizon: int,
        key: PRNGKeyArray,
        last: Float[np.ndarray, "horizons memory obs"] | None = None,
    ) -> OwnErrors:
        """Before the first sample.

        Args:
            algorithm: the filter, in the units of the model.
            horizon: H, the number of steps ahead.
            key: randomness of the forecasts.
            last: errors that are known already; default quantiles of the standard normal law.

        Raises:
            RekalError: the horizon is no whole number above 0 or longer than the filter forecasts, or the
                filter is one of frames or for a number of steps only.
        """
        if algorithm.frame_shape is not None:
            raise RekalError(
                "a stream of frames is never told its targets, so that no error is ever known: leave "
                "intervals out"
            )
        if algorithm.limited:
            raise RekalError(
                "the model is defined for a number of steps only, beyond which a stream cannot try its "
                "forecasts: leave intervals out"
            )
        horizon = whole("horizon", horizon)
        check_reach(algorithm.longest_horizon, horizon)
        by = Forecaster(algorithm, horizon, key)
        known = no_errors(horizon, algorithm.observations) if last is None else last
        return cls(by, known, (Origins if by.driven else Made).start(by))

    def after(
        self,
        y: Float[Array, " obs"],
        seen: Bool[np.ndarray, " obs"],
        belief: Belief,
        step: int,
        u: Any,
        length: float,
    ) -> OwnErrors:
        """What is remembered after one more sample.

        Args:
            y: the sample, in the units of the model.
            seen: where it was observed.
            belief: after it.
            step: its number, counted from 0.
            u: its inputs, in the units of the model.
            length: time since the sample before.

        Raises:
            RekalError: the forecasts from here are beyond all numbers.
        """
        awaited = self.awaited.arriving(u, length)
        mean, deviation = awaited.due(self.by, step)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(seen, (np.asarray(y, np.float64) - mean) / deviation, np.nan)
        return OwnErrors(
            self.by, with_newest(self.last, z), awaited.with_origin(self.by, belief, step)
        )

    def law_of(self, forecast: Forecast) -> Forecast:
        """A forecast of one origin with the law of the known errors.

        Raises:
            RekalError: it is of more steps than errors are remembered for.
        """
        self.check(max(forecast.horizons))
        return with_errors(forecast, self.last[None, [h - 1 for h in forecast.horizons]])

    def check(self, horizon: int) -> None:
        """Refuse more steps ahead than errors are remembered for.

        Raises:
            RekalError: it is more.
        """
        if horizon > self.by.horizon:
            raise RekalError(
                f"the stream remembers its errors up to {self.by.horizon} steps ahead, not {horizon}: make "
                f"it with horizon={horizon}"
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file of the stream holds of it."""
        return {"last": self.last, **self.awaited.arrays()}

    def restored(self, shapes: Any, step: int, arrays: dict[str, np.ndarray]) -> OwnErrors:
        """What `arrays` gave.

        Args:
            shapes: of the moments of a belief.
            step: number of samples so far.
            arrays: by name.

        Raises:
            RekalError: one is missing, unknown or does not fit.
        """
        left = dict(arrays)
        last = taken(left, "last", self.last.shape)
        awaited = self.awaited.restored(self.by, shapes, step, left)
        if left:
            raise RekalError(f"the stream's own errors have no array {min(left)!r}")
        return OwnErrors(self.by, last, awaited)
