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
from jaxtyping import Float

from rekalman.core.capabilities import LearnsOnline
from rekalman.core.trajectory import Trajectory
from rekalman.data import Sequences
from rekalman.fitting.data import Data, TakesData
from rekalman.fitting.own_errors import USUAL_HORIZON, OwnErrors
from rekalman.fitting.past_errors import errors_of, known_before, one_series
from rekalman.fitting.stream import Stream
from rekalman.fitting.verbs import filter_paths
from rekalman.forecasting import Forecast, forecast_from, rolling_forecast
from rekalman.forecasting.future import future_rows
from rekalman.forecasting.running import check_intervals, with_errors
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
        step = data.interval if dt is None else positive_time(dt, "dt")
        if dt is not None and not self.continuous:
            raise RekalError("the model runs in equal steps: leave dt out")
        length = self._label_step(data, step)
        future = able.standardiser.apply_inputs(future_rows(future_inputs, data, length))
        made = able._forecast(data, path, horizon, future, step).label(data, length)
        if not check_intervals(intervals, self.algorithm.binary):
            return made
        return with_errors(made, able._errors_at(made, data, path, future))

    def _forecast(
        self,
        data: Sequences,
        path: Trajectory,
        horizon: int,
        future_inputs: Any,
        step: float | None,
    ) -> Forecast:
        """Forecast from the end of filtered series; the inputs are standardised."""
        made = forecast_from(
            self.algorithm,
            path,
            horizon,
            self._key(1),
            future_inputs=future_inputs,
            lengths=data.lengths,
            dt=self._model_step(data, step),
            particles=FAN_PARTICLES,
            input_names=data.input_names,
        )
        return self._raw(made, data)

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
        if origins is None:  # every origin whose errors are known at another is among them
            return with_errors(made, errors_of(made, data, made.series, made.origins))
        return with_errors(made, self._errors_at(made, data, path))

    def _errors_at(
        self, made: Forecast, data: Sequences, path: Trajectory, future_inputs: Any = None
    ) -> Float[np.ndarray, "origins horizons memory obs"]:
        """The errors that were known where forecasts were made."""
        roll = functools.partial(self._roll, data, path, made.horizons, future_inputs=future_inputs)
        return known_before(roll, data, path, made.horizons, made.series, made.origins)

    def _roll(
        self,
        data: Sequences,
        path: Trajectory,
        horizons: int | Sequence[int],
        origins: Any,
        future_inputs: Any = None,
    ) -> Forecast:
        """Forecast from steps of filtered series; the inputs after their end are standardised."""
        prepared = self.prepare(data)
        made = rolling_forecast(
            self.algorithm,
            path,
            horizons,
            self._key(1),
            inputs=prepared.inputs,
            future_inputs=future_inputs,
            dt=prepared.dt if self.continuous else None,
            lengths=data.lengths,
            origins=origins,
            input_names=data.input_names,
            step=self._model_step(data, data.interval),
        )
        return self._raw(made, data).label(data)

    @in_own_precision
    def stream(
        self,
        series: str | None = None,
        *,
        learn: bool = False,
        intervals: str = "model",
        horizon: int | None = None,
        history: Data | None = None,
    ) -> Stream:
        """A belief that takes samples as they arrive (`update`) and forecasts (`forecast`).

        Args:
            series: which series they continue, for a model where each has a scale of its own.
            learn: whether a network that was trained online goes on learning, from each sample. The weights
                are then part of the belief, and stand in the file of the stream.
            intervals: "model", or "running", as for `forecast`: the stream remembers the errors of its own
                forecasts, the last hundred of each horizon and column. Its intervals are those of `roll`.
            horizon: for "running": so many steps ahead it remembers errors and can forecast; default 10,
                or as far as the model forecasts.
            history: for "running": one series, such as the training data, all of which lies before the first
                sample: its errors are the first that are known, of a short one those of short horizons. The
                belief does not go on from it. Before any error is known, the intervals are those of the
                model.

        Raises:
            RekalError: no series is named where each has its scale, one that is not known, or one where all
                share a scale; `learn` of a model that was not trained online; a horizon beyond that of the
                model; a horizon or a history without running intervals, which frames, and models for a number
                of steps, do not have.
        """
        own = self.standardiser.named(series)
        if learn:
            return self._learning().stream(
                series, intervals=intervals, horizon=horizon, history=history
            )
        return Stream(
            self.algorithm,
            own,
            self.labels,
            self.seed,
            stored=functools.partial(_stored, self, series),
            input_names=self.input_names,
            errors=self._own_errors(intervals, horizon, history, series),
        )

    def _learning(self) -> Forecasts:
        """The same with a filter that learns."""
        if not isinstance(self.algorithm, LearnsOnline):
            raise RekalError(
                "this model was not trained online, so that it cannot go on learning: leave learn out, or "
                'train a network by learner="ekf" or another rule'
            )
        return dataclasses.replace(self, algorithm=self.algorithm.learning())

    def _own_errors(
        self, intervals: str, horizon: int | None, history: Data | None, series: str | None
    ) -> OwnErrors | None:
        """What a stream remembers of its own forecasts before its first sample."""
        if not check_intervals(intervals, self.algorithm.binary):
            for name, given in (("horizon", horizon), ("history", history)):
                if given is not None:
                    raise RekalError(
                        f"{name} is for running intervals: ask for intervals='running'"
                    )
            return None
        longest = self.algorithm.longest_horizon or USUAL_HORIZON
        horizon = min(USUAL_HORIZON, longest) if horizon is None else horizon
        start = OwnErrors.start(self.algorithm, horizon, self._key(1))
        if history is None:
            return start
        last = self._errors_at_end(one_series(self.read(history), series), start.by.horizon)
        return dataclasses.replace(start, last=last)

    def _errors_at_end(
        self, data: Sequences, horizon: int
    ) -> Float[np.ndarray, "horizons memory obs"]:
        """The errors that are known at the end of a series, up to some steps ahead.

        Forecasts of steps beyond the end have none: any inputs will do for them, here the last ones.
        """
        path, ahead, end = self.paths(data), range(1, horizon + 1), int(data.lengths[0])
        inputs = self.prepare(data).inputs
        after = None
        if inputs is not None:
            after = np.repeat(np.asarray(inputs)[:, end - 1 : end], horizon, axis=1)
        roll = functools.partial(self._roll, data, path, ahead, future_inputs=after)
        where = np.zeros(1, int), np.array([end - 1])
        return known_before(roll, data, path, ahead, *where)[0]

    def _raw(self, made: Forecast, data: Sequences) -> Forecast:
        """A forecast of standardised data in raw units."""
        rows = self.standardiser.rows(data)
        return made.rescale(*rows.of_rows(made.series)).inverted(rows.transform)

    def _key(self, stream: int) -> Any:
        return jax.random.fold_in(jax.random.key(self.seed), stream)


def _stored(fit: Forecasts, series: str | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file of a stream holds of its model, and of the series that it continues."""
    config, arrays = fit.stored()
    return config if series is None else {**config, "series": series}, arrays
