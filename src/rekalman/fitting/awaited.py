"""Forecasts of a stream that wait for their step, to be compared with what comes.

Without inputs and in equal steps they are made at their origin, and means and deviations wait (`Made`).
With inputs, or steps of any length, they depend on what is known only later: then the beliefs of their
origins wait, and they are made when their step comes (`Origins`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray, PyTree

from rekalman.core.belief_arrays import belief_arrays, belief_from
from rekalman.core.filter import Belief, Filter
from rekalman.forecasting import Forecast
from rekalman.forecasting.ahead import forecast_ahead
from rekalman.forecasting.drive import Drive
from rekalman.forecasting.running import moments
from rekalman.foundation.errors import RekalError


@dataclasses.dataclass(frozen=True)
class Forecaster:
    """How forecasts 1 to H steps ahead are made.

    Attributes:
        algorithm: the filter.
        horizon: H.
        key: randomness, where there is any; an origin has its own.
    """

    algorithm: Filter
    horizon: int
    key: PRNGKeyArray

    @property
    def driven(self) -> bool:
        """Whether its forecasts depend on what is known only later."""
        return self.algorithm.n_inputs > 0 or self.algorithm.continuous

    def forecast(self, beliefs: list[PyTree], steps: np.ndarray, drive: Drive) -> Forecast:
        """From the moments of beliefs at some steps, in the units of the model."""
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *beliefs)
        series, ahead = np.zeros(len(steps), int), tuple(range(1, self.horizon + 1))
        return forecast_ahead(self.algorithm, stacked, drive, series, steps, ahead, self.key)

    def held(self, belief: Belief) -> PyTree:
        """What of a belief its forecasts need."""
        return jax.tree.map(np.asarray, self.algorithm.moments(belief))


@dataclasses.dataclass(frozen=True)
class Made:
    """Means and deviations, made at their origins.

    Attributes:
        made: `(2, origin, horizon, column)`, the latest origin first; NaN where nothing was forecast.
    """

    made: Float[np.ndarray, "2 horizons horizons obs"]

    @classmethod
    def start(cls, by: Forecaster) -> Made:
        """Before the first sample."""
        return cls(np.full((2, by.horizon, by.horizon, by.algorithm.observations), np.nan))

    def arriving(self, u: Any, length: float) -> Made:
        """With the next step; nothing depends on its inputs and its length."""
        return self

    def due(self, by: Forecaster, step: int) -> Float[np.ndarray, "2 horizons obs"]:
        """Means and deviations of the step that has come, by horizon."""
        ahead = np.arange(by.horizon)
        return self.made[:, ahead, ahead]

    def with_origin(self, by: Forecaster, belief: Belief, step: int) -> Made:
        """With the forecasts from one more step."""
        here = np.full_like(self.made[:, :1], np.nan)
        if by.algorithm.proper(belief):
            made = by.forecast([by.held(belief)], np.array([step]), _equal_steps(step))
            here = np.stack(moments(made))
        return Made(np.concatenate([here, self.made[:, :-1]], axis=1))

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds."""
        return {"made": self.made}

    def restored(
        self, by: Forecaster, shapes: Any, step: int, arrays: dict[str, np.ndarray]
    ) -> Made:
        """From what a file holds."""
        return Made(taken(arrays, "made", self.made.shape))


@dataclasses.dataclass(frozen=True)
class Origins:
    """Beliefs at the last steps, and what drove those steps.

    Attributes:
        beliefs: their moments, the latest first; None = nothing can be forecast from there.
        inputs: `(step, input)`, the latest first.
        lengths: of the steps, the latest first.
    """

    beliefs: tuple[PyTree | None, ...]
    inputs: Float[np.ndarray, "steps input"]
    lengths: Float[np.ndarray, " steps"]

    @classmethod
    def start(cls, by: Forecaster) -> Origins:
        """Before the first sample."""
        return cls((), np.zeros((by.horizon, by.algorithm.n_inputs)), np.zeros(by.horizon))

    def arriving(self, u: Any, length: float) -> Origins:
        """With what drives the next step."""
        row = np.zeros(self.inputs.shape[1]) if u is None else np.asarray(u, np.float64)
        inputs = np.concatenate([row[None], self.inputs[:-1]])
        return Origins(self.beliefs, inputs, np.append(length, self.lengths[:-1]))

    def due(self, by: Forecaster, step: int) -> Float[np.ndarray, "2 horizons obs"]:
        """Means and deviations of the step that has come, by horizon."""
        result = np.full((2, by.horizon, by.algorithm.observations), np.nan)
        back = np.array([k for k, each in enumerate(self.beliefs) if each is not None], int)
        if len(back):
            steps, chosen = step - 1 - back, [self.beliefs[k] for k in back]
            made = by.forecast(chosen, steps, self._drive(by, step))
            result[:, back] = np.stack(moments(made))[:, np.arange(len(back)), back]
        return result

    def with_origin(self, by: Forecaster, belief: Belief, step: int) -> Origins:
        """With one more step to forecast from."""
        here = by.held(belief) if by.algorithm.proper(belief) else None
        beliefs = (here, *self.beliefs)[: by.horizon]
        return dataclasses.replace(self, beliefs=beliefs)

    def _drive(self, by: Forecaster, step: int) -> Drive:
        """What drove the last steps. What comes after `step` is not looked at, and repeats the last one."""
        steps, algorithm = by.horizon, by.algorithm
        inputs = np.concatenate([self.inputs[::-1], np.repeat(self.inputs[:1], steps, 0)])
        lengths = np.concatenate([self.lengths[::-1], np.repeat(self.lengths[:1], steps)])
        return Drive(
            np.array([step + 1 - steps]),
            [inputs] if algorithm.n_inputs else None,
            [lengths] if algorithm.continuous else None,
            tuple(f"u{k + 1}" for k in range(algorithm.n_inputs)),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds."""
        waiting = [each for each in self.beliefs if each is not None]
        there = np.array([each is not None for each in self.beliefs], bool)
        return {
            "inputs": self.inputs,
            "lengths": self.lengths,
            "there": there,
            **belief_arrays(waiting),
        }

    def restored(
        self, by: Forecaster, shapes: Any, step: int, arrays: dict[str, np.ndarray]
    ) -> Origins:
        """From what a file holds.

        Args:
            by: how forecasts are made.
            shapes: of the moments of a belief.
            step: number of samples so far.
            arrays: by name; those that are used are taken out.

        Raises:
            RekalError: one is missing or does not fit.
        """
        inputs = taken(arrays, "inputs", self.inputs.shape)
        lengths = taken(arrays, "lengths", self.lengths.shape)
        there = taken(arrays, "there", (min(step, by.horizon),), bool).tolist()
        waiting = iter(belief_from([shapes] * sum(there), _beliefs(arrays)))
        beliefs = [jax.tree.map(np.asarray, next(waiting)) if each else None for each in there]
        return Origins(tuple(beliefs), inputs, lengths)


def taken(
    arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], kind: type = np.float64
) -> np.ndarray:
    """An array of a file, which may hold NaN; it is removed.

    Raises:
        RekalError: it is missing, or of another shape or type.
    """
    array = arrays.pop(name, None)
    if array is None or array.shape != shape or array.dtype != kind:
        found = "is missing" if array is None else f"is {array.dtype} of shape {array.shape}"
        raise RekalError(f"the array {name!r} of the stream's own errors {found}")
    return array


def _beliefs(arrays: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """The arrays of beliefs, which are removed."""
    return {
        name: arrays.pop(name) for name in [each for each in arrays if each.startswith("belief")]
    }


def _equal_steps(step: int) -> Drive:
    """No inputs, and steps that have no length."""
    return Drive(np.array([step + 1]), None, None, ())
