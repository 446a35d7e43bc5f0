"""The result of learning: a model with its units, how it was found, and all one asks of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import equinox as eqx
import jax
import numpy as np

from rekal.archive import save_archive
from rekal.beliefs import GaussianPath, Path
from rekal.diagnostics import Diagnostics
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.particle import ParticleFilter
from rekal.forecast import Forecast, Labels, forecast_from, rolling_forecast
from rekal.free_run import free_run
from rekal.history import History
from rekal.identify import Identification, identify
from rekal.learning.uncertainty import Uncertainty, model_uncertainty
from rekal.models.gaussian import GaussianModel
from rekal.models.linear_model import LinearModel
from rekal.models.serial import model_arrays, model_config
from rekal.posterior import Posterior
from rekal.sequences import Sequences
from rekal.sequences.slicing import with_steps
from rekal.sequences.standardiser import Standardiser
from rekal.simulate import simulate
from rekal.stream import Stream
from rekal.trained import Parameter
from rekal.verbs import filter_paths, filtered_posterior

FAN_PARTICLES = (
    2000  # a forecast beyond the data is one origin: smooth quantiles cost nothing there
)


class Fit(eqx.Module):
    """A trained model together with the units of the data it was trained on.

    The model speaks of standardised data; every method takes and returns raw units.

    Attributes:
        model: the trained model.
        standardiser: from raw to standardised units and back.
        history: how it was found.
        filtering: the filter behind `filter`, `forecast` and `stream`.
        seed: start of their randomness.
        labels: names, units and clock of the training data.
        input_names: names of its inputs.
        kind: what `rekal.fit` was asked for: "em-rnn", "rbf", "linear", the name of a structure, or "own".
        parameters: those of a structure with their standard errors, in raw units.
        uncertainty: of a linear model learned by maximum likelihood, else None.
    """

    model: GaussianModel
    standardiser: Standardiser
    history: History
    filtering: Filtering = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    labels: Labels = eqx.field(static=True)
    input_names: tuple[str, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="own")
    parameters: tuple[Parameter, ...] = eqx.field(static=True, default=())
    uncertainty: Uncertainty | None = None

    def prepare(self, data: Sequences) -> Sequences:
        """Standardise data of the kind the model was trained on.

        Raises:
            RekalError: other columns or inputs, or another sampling interval.
        """
        for expected, found, what in (
            (self.labels.names, data.names, "columns"),
            (self.input_names, data.input_names, "input columns"),
        ):
            if tuple(found) != tuple(expected):
                raise RekalError(
                    f"the model was trained on the {what} {', '.join(expected) or '(none)'}, "
                    f"but the data have {', '.join(found) or '(none)'}"
                )
        interval = self.labels.interval
        if self.continuous:
            return self.standardiser.apply(with_steps(data, interval))
        if data.interval and abs(data.interval / interval - 1) > 0.25:
            raise RekalError(
                f"the model was trained on a sampling interval of {interval:g}, "
                f"but the data have {data.interval:g}"
            )
        return self.standardiser.apply(data)

    @property
    def continuous(self) -> bool:
        """Whether the model runs in continuous time, so that data may be sampled at any times."""
        return isinstance(self.model, LinearModel) and self.model.continuous

    @property
    def algorithm(self) -> ParticleFilter | GaussianFilter:
        """The filter of the model, in standardised units."""
        return self.filtering.of(self.model, self.seed)

    def paths(self, data: Sequences) -> Path | GaussianPath:
        """Beliefs about every series of the data, in standardised units."""
        return filter_paths(self.algorithm, self.prepare(data), jax.random.key(self.seed))

    def filter(self, data: Sequences) -> Posterior:
        """Filtered moments of the state, the likelihood being that of the raw data."""
        path = self.paths(data)
        posterior = filtered_posterior(self.algorithm, self.prepare(data), path)
        volume = np.sum(np.asarray(data.mask) * np.log(np.asarray(self.standardiser.scale)), -1)
        return dataclasses.replace(
            posterior,
            observed_mean=np.asarray(self.standardiser.invert(np.asarray(posterior.observed_mean))),
            log_evidence=np.asarray(posterior.log_evidence) - volume,
            data=data,
        )

    def diagnose(self, data: Sequences) -> Diagnostics:
        """Whether the filter keeps what it promises of some data: NIS, whiteness, PIT, coverage.

        Raises:
            RekalError: other columns or inputs than the model was trained on, or another sampling interval.
        """
        return self.filter(data).diagnose()

    def forecast(self, data: Sequences, horizon: int, future_inputs: Any = None) -> Forecast:
        """Forecast `horizon` steps beyond the end of every series, in raw units.

        A step is the sampling interval; that of irregular series is their median step.

        Args:
            data: what has been observed so far.
            horizon: number of steps, at least 1.
            future_inputs: inputs of those steps `(batch, horizon, input)` or `(horizon, input)` in
                raw units; needed when the model has inputs.

        Raises:
            RekalError: the horizon is below 1, or future inputs are missing.
        """
        made = forecast_from(
            self._source(),
            self.paths(data),
            horizon,
            self._key(1),
            future_inputs=self.standardiser.apply_inputs(future_inputs),
            lengths=data.lengths,
            dt=data.interval if self.continuous else None,
            particles=FAN_PARTICLES,
            input_names=data.input_names,
        )
        return made.rescale(self.standardiser.location, self.standardiser.scale).label(data)

    def roll(self, data: Sequences, horizons: int | Sequence[int], origins: Any = None) -> Forecast:
        """Forecast from every step of the data without running the filter again, in raw units.

        Args:
            data: the series to roll over; nothing after a step enters the forecasts made there.
            horizons: steps ahead.
            origins: steps to forecast from; default every step.
        """
        prepared = self.prepare(data)
        made = rolling_forecast(
            self._source(),
            self.paths(data),
            horizons,
            self._key(1),
            inputs=prepared.inputs,
            dt=prepared.dt if self.continuous else None,
            lengths=data.lengths,
            origins=origins,
            input_names=data.input_names,
        )
        return made.rescale(self.standardiser.location, self.standardiser.scale).label(data)

    def stream(self) -> Stream:
        """A belief that takes samples as they arrive (`update`) and forecasts (`forecast`)."""
        return Stream(self.algorithm, self.standardiser, self.labels, self.seed)

    def simulate(self, steps: int, batch: int = 1, seed: int = 0, inputs: Any = None) -> Sequences:
        """Draw new series from the model, in raw units."""
        u = self.standardiser.apply_inputs(inputs)
        _, y = simulate(self.model, steps, jax.random.key(seed), batch=batch, inputs=u, burn_in=200)
        return Sequences.from_arrays(
            np.asarray(self.standardiser.invert(np.asarray(y, np.float64))),
            inputs=inputs,
            names=self.labels.names,
            units=self.labels.units,
            input_names=self.input_names,
            interval=self.labels.interval,
        )

    def free_run(self, data: Sequences, warm_up: int = 4) -> np.ndarray:
        """The noise-free model running by itself over the inputs of every series, in raw units.

        Its first state is fitted to the first `warm_up` samples; no other observation is looked at.

        Args:
            data: series with inputs; what was measured after the first samples may be anything.
            warm_up: samples that the first state is fitted to.

        Returns:
            Observations without noise `(batch, steps, obs)`.

        Raises:
            RekalError: `warm_up` is not between 1 and the shortest series.
        """
        run = free_run(self.model, self.prepare(data), warm_up, self.seed)
        return np.asarray(self.standardiser.invert(run))

    def identify(self, data: Sequences | None = None) -> Identification:
        """The learned dynamics in numbers, in the units of the data.

        What was learned by maximum likelihood has 95 % intervals. A linear model learned by EM has them where
        the data are given: two runs of the filter for each parameter.

        Args:
            data: what a linear model was trained on.

        Raises:
            RekalError: the data have other columns or inputs, or another sampling interval.
        """
        sure, said = self.uncertainty, ()
        if data is not None and sure is None:
            prepared = self.prepare(data)
            try:
                sure = model_uncertainty(self.model, prepared, self.labels.interval)
            except RekalError as why:
                said = (f"There are no intervals: {why}.",)
        driven = self.standardiser.input_scale
        found = identify(
            self.model,
            interval=self.labels.interval,
            scale=np.asarray(self.standardiser.scale),
            location=np.asarray(self.standardiser.location),
            names=self.labels.names,
            time_unit=self.labels.time_unit,
            seed=self.seed,
            input_scale=None if driven is None else np.asarray(driven),
            input_names=self.input_names,
            uncertainty=sure,
        )
        return dataclasses.replace(found, warnings=(*found.warnings, *said))

    def summary(self, data: Sequences | None = None) -> str:
        """A page of text: how the training went, and the dynamics in numbers.

        Args:
            data: what a linear model was trained on, for intervals (`identify`).
        """
        driven = f", driven by {', '.join(self.input_names)}" if self.input_names else ""
        kind = "" if self.kind == "own" else f"{self.kind}, "
        states = f"{self.model.states} state{'' if self.model.states == 1 else 's'}"
        lines = [f"model           {kind}{states}, {', '.join(self.labels.names)}{driven}"]
        lines += self.history.lines()
        lines += [
            f"{each.name:<15} {each.value:.6g} (standard error {each.standard_error:.2g})"
            for each in self.parameters
        ]
        return "\n".join([*lines, "", self.identify(data).summary()])

    def save(self, path: str | FilePath) -> None:
        """Write one file: JSON configuration and arrays, never code.

        Raises:
            RekalError: the folder does not exist or cannot be written, or the activation is a
                function of your own, which a file cannot hold.
        """
        config = {
            "kind": "fit",
            "model": model_config(self.model),
            "history": self.history.settings(),
            "filtering": dataclasses.asdict(self.filtering),
            "seed": self.seed,
            "labels": dataclasses.asdict(self.labels),
            "input_names": self.input_names,
            "model_kind": self.kind,
            "parameters": [list(each) for each in self.parameters],
        }
        arrays = {f"model.{name}": array for name, array in model_arrays(self.model).items()}
        arrays["log_likelihood"] = np.asarray(self.history.log_likelihood)
        for name in ("location", "scale", "input_location", "input_scale"):
            value = getattr(self.standardiser, name)
            if value is not None:
                arrays[f"standardiser.{name}"] = np.asarray(value)
        if self.uncertainty is not None:
            kept = self.uncertainty.arrays()
            arrays.update({f"uncertainty.{name}": np.asarray(kept[name]) for name in kept})
        save_archive(path, config, arrays)

    def _source(self) -> GaussianModel | GaussianFilter:
        algorithm = self.algorithm
        return algorithm if isinstance(algorithm, GaussianFilter) else self.model

    def _key(self, stream: int) -> Any:
        return jax.random.fold_in(jax.random.key(self.seed), stream)
