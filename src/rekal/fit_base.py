"""What every trained model has in common: units, names, and forecasts in the units of the data."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from rekal.archive import save_archive
from rekal.arguments import positive_time
from rekal.core.filter import Filter
from rekal.core.trajectory import Trajectory
from rekal.diagnostics import Diagnostics
from rekal.errors import RekalError
from rekal.forecasting import Forecast, Labels, forecast_from, rolling_forecast
from rekal.forecasting.checks import check_steps
from rekal.forecasting.future import future_rows
from rekal.history import History
from rekal.posterior import Scored
from rekal.precision import in_own_precision
from rekal.printable import printable_line
from rekal.sequences import Sequences
from rekal.sequences.clocks import in_unit, ratio
from rekal.sequences.named import Known, ordered
from rekal.sequences.numeric import holds_tables
from rekal.sequences.panel import Panel
from rekal.sequences.slicing import with_steps
from rekal.sequences.standardiser import Standardiser
from rekal.sequences.volume import log_volume
from rekal.stream import Stream

Data = Sequences | pd.DataFrame | pd.Series | list[pd.DataFrame] | list[pd.Series]
"""What the methods of a trained model take: frames are read by the names of its columns."""

Own = TypeVar("Own", bound="BaseFit")

FAN_PARTICLES = (
    2000  # a forecast beyond the data is one origin: smooth quantiles cost nothing there
)


class BaseFit(eqx.Module):
    """A trained model together with the units of the data it was trained on.

    The model speaks of standardised data; every method takes and returns raw units.

    Attributes:
        standardiser: from raw to standardised units and back; a `Panel` where each series has its own.
        history: how the model was found.
        seed: start of all randomness.
        labels: names, units and clock of the training data.
        input_names: names of its inputs.
        kind: what `rekal.fit` was asked for.
    """

    standardiser: eqx.AbstractVar[Standardiser | Panel]
    history: eqx.AbstractVar[History]
    seed: eqx.AbstractVar[int]
    labels: eqx.AbstractVar[Labels]
    input_names: eqx.AbstractVar[tuple[str, ...]]
    kind: eqx.AbstractVar[str]

    @property
    @abc.abstractmethod
    def continuous(self) -> bool:
        """Whether data may be sampled at any times."""

    @property
    @abc.abstractmethod
    def algorithm(self) -> Filter:
        """What follows the data, in standardised units."""

    @abc.abstractmethod
    def paths(self, data: Data) -> Trajectory:
        """Beliefs about every series of the data, in standardised units."""

    @abc.abstractmethod
    def filter(self, data: Data) -> Scored:
        """One-step predictions of the data and what they were worth, in raw units."""

    @abc.abstractmethod
    def simulate(
        self,
        steps: int,
        batch: int = 1,
        seed: int = 0,
        inputs: Any = None,
        *,
        series: str | None = None,
    ) -> Sequences:
        """Draw new series from the model, in raw units."""

    @abc.abstractmethod
    def summary(self) -> str:
        """A page of text: how the training went, and what came of it."""

    @abc.abstractmethod
    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of it holds: JSON configuration and arrays, never code.

        Raises:
            RekalError: it holds what a file cannot.
        """

    def save(self, path: str | FilePath) -> None:
        """Write one file: JSON configuration and arrays, never code.

        Raises:
            RekalError: the folder does not exist or cannot be written, or the model holds what a file
                cannot, such as a function of your own.
        """
        save_archive(path, *self.stored())

    def read(self, data: Data) -> Sequences:
        """The columns of the model from frames of pandas; `Sequences` stay as they are.

        Args:
            data: `Sequences`, a frame with a row for each step, or a list with a frame for each series.

        Raises:
            RekalError: a column is missing, or as for `Sequences.from_pandas`.
        """
        if isinstance(data, Sequences):
            return data
        if not holds_tables(data):
            raise RekalError(
                f"a trained model works on Sequences or frames, not on {type(data).__name__}: make some "
                "with Sequences.from_arrays"
            )
        return Sequences.from_pandas(
            data,
            columns=self.labels.names,
            inputs=self.input_names,
            learnable=False,
            irregular=self.continuous and self.labels.time_kind != "step",
        )

    def prepare(self, data: Data) -> Sequences:
        """Standardise data of the kind the model was trained on.

        Raises:
            RekalError: other columns, units or inputs, or another sampling interval; no data; a series whose
                scale is not known, of a model where each has its own.
        """
        data = self.read(data)
        self._check_kind(data)
        if self.continuous:
            own = in_unit(data, self.labels.time_unit)
            return self.standardiser.apply(with_steps(own, self.labels.interval))
        return self.standardiser.apply(data)

    def _check_kind(self, data: Sequences) -> None:
        """Refuse other columns, units or inputs, and another sampling interval."""
        for expected, found, what in (
            (self.labels.names, data.names, "columns"),
            (self.input_names, data.input_names, "input columns"),
        ):
            if tuple(found) != tuple(expected):
                raise RekalError(
                    f"the model was trained on the {what} {', '.join(expected) or '(none)'}, "
                    f"but the data have {', '.join(found) or '(none)'}"
                )
        for name, unit, own in zip(data.names, self.labels.units, data.units, strict=True):
            if unit is not None and own is not None and unit != own:
                raise RekalError(
                    f"the model was trained on '{name}' in {unit}, but the data have it in {own}"
                )
        check_steps(self.labels, data, any_length=self.continuous)
        if isinstance(self.standardiser, Panel):
            self.standardiser.check_numbered(data)

    @in_own_precision
    def diagnose(self, data: Data) -> Diagnostics:
        """Whether the model keeps what it promises of some data: NIS, whiteness, PIT, coverage.

        Raises:
            RekalError: other columns or inputs than the model was trained on, or another sampling interval.
        """
        return self.filter(data).diagnose()

    @in_own_precision
    def forecast(
        self,
        data: Data,
        horizon: int,
        future_inputs: Any = None,
        dt: int | float | None = None,
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

        Raises:
            RekalError: the horizon is no whole number above 0; future inputs are missing, or more or fewer
                than the horizon; a frame that lacks a column, has an unknown one or other dates; a `dt` that
                is not positive or that the model does not take.
        """
        data = self.read(data)
        scales = self._scales(data)
        same = scales is self.standardiser
        able = self if same else dataclasses.replace(self, standardiser=scales)
        return able._forecast(data, able.paths(data), horizon, future_inputs, dt)

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
    def roll(self, data: Data, horizons: int | Sequence[int], origins: Any = None) -> Forecast:
        """Forecast from every step of the data without running the filter again, in raw units.

        Args:
            data: the series to roll over; nothing after a step enters the forecasts made there.
            horizons: steps ahead.
            origins: steps to forecast from; default every step.

        Raises:
            RekalError: a horizon or an origin is no whole number, or lies outside the series.
        """
        data = self.read(data)
        prepared = self.prepare(data)
        made = rolling_forecast(
            self.algorithm,
            self.paths(data),
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

        def stored() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
            config, arrays = self.stored()
            return config if series is None else {**config, "series": series}, arrays

        return Stream(
            self.algorithm,
            own,
            self.labels,
            self.seed,
            stored=stored,
            input_names=self.input_names,
        )

    def with_series(self: Own, past: Data) -> Own:
        """The same model, which also knows the scales of series that it was not trained on.

        They come from what is given here alone, so that `roll`, `filter` and `diagnose` of later data do not
        look ahead.

        Args:
            past: the new series, at least five values in each column; known ones keep their scale.

        Raises:
            RekalError: all series of the model share one scale, a series is too short or never varies, or
                the data are others than the model was trained on.
        """
        if isinstance(self.standardiser, Standardiser):
            raise RekalError("all series of the model share one scale: it takes new ones as it is")
        past = self.read(past)
        return dataclasses.replace(self, standardiser=self._scales(past))

    def _scales(self, data: Sequences) -> Standardiser | Panel:
        """The scales of the model, and of series unseen in the training from these data."""
        if isinstance(self.standardiser, Standardiser):
            return self.standardiser
        self._check_kind(data)
        return self.standardiser.extended(data)

    def _raw(self, made: Forecast, data: Sequences) -> Forecast:
        """A forecast of standardised data in raw units."""
        rows = self.standardiser.rows(data)
        return made.rescale(*rows.of_rows(made.series)).inverted(rows.transform)

    def _model_step(self, data: Sequences, step: float | None) -> float | None:
        """A step in the unit of the model's time; None where it runs in equal steps, or in its own."""
        if step is None or not self.continuous:
            return None
        return step * ratio(data.time_unit, self.labels.time_unit)

    def _label_step(self, data: Sequences, step: float | None) -> float:
        """A step in the unit of the data's time stamps, or in steps where there are none."""
        own = self._own_interval() if self.continuous else self.labels.interval
        if data.times is None:
            return 1.0 if step is None or not self.continuous else step / own
        # One sample alone has no sampling interval: then that of the training holds.
        return own * ratio(self.labels.time_unit, data.time_unit) if step is None else step

    def _own_interval(self) -> float:
        """Length of a step where none is given, of a model in continuous time."""
        return self.algorithm.interval or self.labels.interval

    def _key(self, stream: int) -> Any:
        return jax.random.fold_in(jax.random.key(self.seed), stream)

    def _volume(self, data: Sequences) -> Float[np.ndarray, "batch steps"]:
        """What to subtract from log densities of standardised rows to get those of raw ones."""
        return log_volume(self.standardiser.rows(data), data).sum(-1)

    def _transform_lines(self) -> list[str]:
        """What a summary says of the transform."""
        transform = self.standardiser.transform
        if transform is None:
            return []
        described = transform.described(tuple(map(printable_line, self.labels.names)))
        return [f"transform       the model describes {described}"]

    def _inputs_of_run(self, inputs: Any) -> Any:
        """Inputs of a simulation, columns of a frame by name."""
        if not self.input_names:
            return inputs
        known = Known(self.labels.names, self.labels.time_name)
        return ordered(inputs, self.input_names, "inputs", known)

    def _drawn(self, y: Any, inputs: Any, own: Standardiser) -> Sequences:
        """Simulated series in raw units, with the names of the training data."""
        values = np.asarray(own.invert(np.asarray(y, np.float64)))
        if inputs is not None:
            inputs = np.broadcast_to(inputs, (*values.shape[:2], np.shape(inputs)[-1]))
        return Sequences.from_arrays(
            values,
            inputs=inputs,
            names=self.labels.names,
            units=self.labels.units,
            input_names=self.input_names,
            interval=self.labels.interval,
        )

    def _config(self) -> dict[str, Any]:
        """What a file of every kind holds beside the model: no arrays."""
        return {
            "history": self.history.settings(),
            "seed": self.seed,
            "labels": dataclasses.asdict(self.labels),
            "input_names": self.input_names,
            "model_kind": self.kind,
            **({"scales": self.standardiser.names} if isinstance(self.standardiser, Panel) else {}),
        }

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays that go with `_config`."""
        arrays = self.history.arrays()
        for name in ("location", "scale", "input_location", "input_scale"):
            value = getattr(self.standardiser, name)
            if value is not None:
                arrays[f"standardiser.{name}"] = np.asarray(value)
        if self.standardiser.transform is not None:
            arrays["standardiser.power"] = np.asarray(self.standardiser.transform.power)
        return arrays
