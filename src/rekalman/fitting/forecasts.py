"""Forecasts of a trained model, after the end of data, from every step of them, and as they arrive."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from rekalman.core.trajectory import Trajectory
from rekalman.data import Sequences
from rekalman.fitting.data import Data, TakesData
from rekalman.fitting.stream import Stream
from rekalman.fitting.verbs import filter_paths
from rekalman.forecasting import Forecast, forecast_from, rolling_forecast
from rekalman.forecasting.future import future_rows
from rekalman.forecasting.running import check_intervals, known_errors, with_errors
from rekalman.foundation.arguments import positive_time
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision

FAN_PARTICLES = (
    2000  # a forecast beyond the data is one origin: smooth quantiles cost nothing there
)


class Forecasts(TakesData):
    """A trained model that forecasts, in the units of the data."""

    seed: eqx.AbstractVar[int]

    @abc.abstractmethod
    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of it holds: JSON configuration and arrays, never code."""

    @in_own_precision
    def paths(self, data: Data) -> Trajectory:
        """Beliefs about every series of the data, in standardised units."""
        return self._paths_of(self.prepare(data))

    def _paths_of(self, prepared: Sequences) -> Trajectory:
        """Beliefs about every series of data that are prepared already."""
        return filter_paths(self.algorithm, prepared, jax.random.key(self.seed))

    @in_own_precision
    def forecast(
        self,
        data: Data,
        horizon: int,
        future_inputs: Any = None,
        dt: int | float | None = None,
        *,
        intervals: str = "model",
    ) -> Forecast:
        """Forecast `horizon` steps beyond the end of every series, in raw units.

        A step is the sampling interval; that of irregular series is their median step. Where each series
        has a scale of its own, that of a series unseen in the training comes from the data given here, all of
        which lie before what is forecast.

        Args:
            data: what has been observed so far.
            horizon: number of steps, at least 1.
            future_inputs: inputs of those steps `(batch, horizon, input)` or `(horizon, input)` in
                raw units, as many rows as the horizon; needed when the model has inputs. Columns of a
                frame are found by name; it may have a column of dates, which must be those of the steps
                to come, one that tells several series apart, and the observed columns, which are left
                aside.
            dt: another length of each step, in the unit of the data's time stamps, for a model in continuous
                time.
            intervals: "model" takes the noise of the model; "running" the errors that the model made in
                these data, the last hundred of each horizon and column (`forecasting/running.py`), which
                follows noise whose size drifts.

        Raises:
            RekalError: the horizon is no whole number above 0; future inputs are missing, or more or fewer
                than the horizon; a frame that lacks a column, has an unknown one or other dates; a `dt` that
                is not positive or that the model does not take.
        """
        data = self.read(data)
        scales = self._scales(data)
        same = scales is self.standardiser
        able = self if same else dataclasses.replace(self, standardiser=scales)
        path = able.paths(data)
        made = able._forecast(data, path, horizon, future_inputs, dt)
        if not check_intervals(intervals, self.algorithm.binary):
            return made
        past = able._roll(data, path, made.horizons, None)
        return with_errors(made, _errors(past, data, made))

    def _forecast(
        self,
        data: Sequences,
        path: Trajectory,
        horizon: int,
        future_inputs: Any,
        dt: int | float | None,
    ) -> Forecast:
        """Forecast from the end of filtered series."""
        step = data.interval if dt is None else positive_time(dt, "dt")
        if dt is not None and not self.continuous:
            raise RekalError("the model runs in equal steps: leave dt out")
        length = self._label_step(data, step)
        made = forecast_from(
            self.algorithm,
            path,
            horizon,
            self._key(1),
            future_inputs=self.standardiser.apply_inputs(future_rows(future_inputs, data, length)),
            lengths=data.lengths,
            dt=self._model_step(data, step),
            particles=FAN_PARTICLES,
            input_names=data.input_names,
        )
        return self._raw(made, data).label(data, length)

    @in_own_precision
    def roll(
        self,
        data: Data,
        horizons: int | Sequence[int],
        origins: Any = None,
        *,
        intervals: str = "model",
    ) -> Forecast:
        """Forecast from every step of the data without running the filter again, in raw units.

        Args:
            data: the series to roll over; nothing after a step enters the forecasts made there.
            horizons: steps ahead.
            origins: steps to forecast from; default every step. A list with an array for each series says it
                for each.
            intervals: "model", or "running", as for `forecast`; each origin knows the errors of forecasts
                whose steps had come by then.

        Raises:
            RekalError: a horizon or an origin is no whole number, or lies outside the series.
        """
        data = self.read(data)
        path = self.paths(data)
        made = self._roll(data, path, horizons, origins)
        if not check_intervals(intervals, self.algorithm.binary):
            return made
        past = made if origins is None else self._roll(data, path, horizons, None)
        return with_errors(made, _errors(past, data, made))

    def _roll(
        self, data: Sequences, path: Trajectory, horizons: int | Sequence[int], origins: Any
    ) -> Forecast:
        """Forecast from steps of filtered series."""
        prepared = self.prepare(data)
        made = rolling_forecast(
            self.algorithm,
            path,
            horizons,
            self._key(1),
            inputs=prepared.inputs,
            dt=prepared.dt if self.continuous else None,
            lengths=data.lengths,
            origins=origins,
            input_names=data.input_names,
            step=self._model_step(data, data.interval),
        )
        return self._raw(made, data).label(data)

    @in_own_precision
    def stream(self, series: str | None = None) -> Stream:
        """A belief that takes samples as they arrive (`update`) and forecasts (`forecast`).

        Args:
            series: which series they continue, for a model where each has a scale of its own.

        Raises:
            RekalError: no series is named where each has its scale, one that is not known, or one where all
                share a scale.
        """
        own = self.standardiser.named(series)
        return Stream(
            self.algorithm,
            own,
            self.labels,
            self.seed,
            stored=functools.partial(_stored, self, series),
            input_names=self.input_names,
        )

    def _raw(self, made: Forecast, data: Sequences) -> Forecast:
        """A forecast of standardised data in raw units."""
        rows = self.standardiser.rows(data)
        return made.rescale(*rows.of_rows(made.series)).inverted(rows.transform)

    def _key(self, stream: int) -> Any:
        return jax.random.fold_in(jax.random.key(self.seed), stream)


def _errors(past: Forecast, data: Sequences, made: Forecast) -> np.ndarray:
    """Errors of past forecasts that are known where some forecasts were made."""
    where = np.asarray(made.series), np.asarray(made.origins)
    return known_errors(past, np.asarray(data.values), np.asarray(data.mask), *where)


def _stored(fit: Forecasts, series: str | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file of a stream holds of its model, and of the series that it continues."""
    config, arrays = fit.stored()
    return config if series is None else {**config, "series": series}, arrays
