"""One series on an index of pandas: data that are read, and forecasts at steps counted from its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from rekalman.data import Sequences
from rekalman.fitting.result import Fit
from rekalman.forecasting import Forecast
from rekalman.foundation.errors import RekalError

Statistic = Callable[[Forecast], Any]
"""What is asked of a forecast: an array `(origins, horizons, columns)`."""


def sequences_of(y: pd.DataFrame, X: pd.DataFrame | None = None) -> Sequences:
    """One series as `Sequences`; rows that an index of periods or whole numbers leaves out are missing.

    Args:
        y: the observed columns, a row for each step, in the order of time.
        X: the inputs, with a row for each row of `y` at least; in a gap they hold.

    Raises:
        RekalError: a row of `y` has no inputs, or as for `Sequences.from_arrays`.
    """
    names = [str(name) for name in y.columns]
    inputs, input_names = None, None
    if X is not None:
        absent = y.index.difference(X.index)
        if len(absent):
            raise RekalError(f"X has no row for {absent[0]}, at which y has one: give its inputs")
        inputs = X.loc[y.index].to_numpy(np.float64)
        input_names = [str(name) for name in X.columns]
        input_names = [f"{name} (input)" if name in names else name for name in input_names]
    values, index = y.to_numpy(np.float64), y.index
    numbers = _numbers(index)
    times: Any = index if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    if numbers is not None:
        rows = numbers - numbers[0]
        every = np.arange(rows[-1] + 1)
        gapless = np.full((len(every), values.shape[1]), np.nan)
        gapless[rows] = values
        last = np.searchsorted(rows, every, side="right") - 1
        values, inputs = gapless, None if inputs is None else inputs[last]
        if isinstance(index, pd.PeriodIndex):
            times = pd.period_range(index[0], index[-1], freq=index.freq)
    return Sequences.from_arrays(
        values, inputs=inputs, names=names, input_names=input_names, times=times
    )


def _numbers(index: pd.Index) -> Int[np.ndarray, " rows"] | None:
    """Periods and whole numbers as numbers whose unit is a step; None for other stamps."""
    if isinstance(index, pd.PeriodIndex):
        return (index.asi8 - index.asi8[0]) // index.freq.n
    return index.to_numpy() if pd.api.types.is_integer_dtype(index) else None


@dataclasses.dataclass(frozen=True)
class StepForecasts:
    """Forecasts of one series at some steps.

    Attributes:
        steps: the steps, counted from the last one of the series: 1 is the next one.
        length: number of steps of the series.
        columns: number of observed columns.
        ahead: the forecast of the steps after the end, from the end; None where none is wanted.
        fitted: those one step ahead from each step before; None where none is wanted.
    """

    steps: Int[np.ndarray, " steps"]
    length: int
    columns: int
    ahead: Forecast | None
    fitted: Forecast | None

    @classmethod
    def of(
        cls,
        fit: Fit,
        data: Sequences,
        steps: Int[np.ndarray, " steps"],
        future_inputs: Callable[[int], Any],
        intervals: str,
    ) -> StepForecasts:
        """The forecasts of a trained model.

        Args:
            fit: the model.
            data: one series.
            steps: those to forecast; of steps of the series (0, -1, ...) one step ahead from the one before.
            future_inputs: the inputs of so many steps to come.
            intervals: as for `Fit.forecast`.

        Raises:
            RekalError: a step lies before the first one, or as for `Fit.forecast`.
        """
        length = int(data.lengths[0])
        if steps.min() <= -length:
            raise RekalError(
                f"the series has {length} steps, so that step {int(steps.min())} before its last one lies "
                "before the first: forecast later ones"
            )
        most, seen = int(steps.max()), bool((steps < 1).any())
        ahead = None
        if most > 0:
            u = future_inputs(most) if data.n_inputs else None
            ahead = fit.forecast(data, most, u, intervals=intervals)
        fitted = fit.roll(data, 1, intervals=intervals) if seen else None
        return cls(steps, length, data.observations, ahead, fitted)

    def __call__(self, statistic: Statistic) -> Float[np.ndarray, "steps columns"]:
        """A statistic at every step; NaN where no observation before tells of a step.

        Args:
            statistic: such as `lambda forecast: forecast.mean`.
        """
        table = np.full((len(self.steps), self.columns), np.nan)
        later = self.steps > 0
        if self.ahead is not None:
            table[later] = np.asarray(statistic(self.ahead))[0, self.steps[later] - 1]
        if self.fitted is not None:
            by_origin = np.full((self.length, self.columns), np.nan)
            by_origin[np.asarray(self.fitted.origins)] = np.asarray(statistic(self.fitted))[:, 0]
            origins = self.length - 2 + self.steps[~later]
            known = np.where(origins[:, None] >= 0, by_origin[np.maximum(origins, 0)], np.nan)
            table[~later] = known
        return table
