"""The result of learning: a filter with its units, how it was found, and all one asks of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path as FilePath
from typing import Any, cast

import equinox as eqx
import jax
import numpy as np

from rekalman.core.capabilities import EstimatesState, Smooths
from rekalman.core.filter import Filter
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.tables.named import Known, ordered
from rekalman.evaluation.diagnostics import Diagnostics
from rekalman.evaluation.posterior import Posterior, Predictions
from rekalman.filters.model_filter import ModelFilter
from rekalman.fitting.data import Data
from rekalman.fitting.description import identification, summary_lines
from rekalman.fitting.facts import facts
from rekalman.fitting.files import stored_fit
from rekalman.fitting.first_state import FirstState
from rekalman.fitting.forecasts import Forecasts
from rekalman.fitting.history import History
from rekalman.fitting.members import Member, members_of
from rekalman.fitting.trained import Parameter
from rekalman.fitting.verbs import filtered, one_step, smooth
from rekalman.forecasting import Labels
from rekalman.foundation.archive import save_archive
from rekalman.foundation.arguments import seed_of
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import shown, shown_html
from rekalman.foundation.printable import printable
from rekalman.identification import Identification
from rekalman.learners.likelihood.uncertainty import Uncertainty
from rekalman.numerics.precision import in_own_precision
from rekalman.simulation.filters import simulate_filter
from rekalman.simulation.free_run import free_run
from rekalman.simulation.models import simulate

SETTLING, SETTLING_DRAWN = 200, 100
"""Steps of a simulation before the first one that is returned, of a model and of any other filter."""


class Fit(Forecasts):
    """A trained filter together with the units of the data it was trained on.

    The filter speaks of standardised data; every method takes and returns raw units. What a filter cannot do
    is refused in a sentence: only one of a state-space model smooths and identifies.

    Attributes:
        algorithm: the filter behind `filter`, `forecast` and `stream`, in standardised units.
        standardiser: from raw to standardised units and back; a `Panel` where each series has its own.
        history: how it was found.
        seed: start of all randomness.
        labels: names, units and clock of the training data.
        input_names: names of its inputs.
        kind: the method that found it, such as "linear" or "gru", or "own".
        parameters: of a structure, in raw units (where each series has a scale of its own, in units of
            it), or of a model written as functions, with standard errors.
        uncertainty: of a linear model learned by maximum likelihood, else None.
        first: of a model with a diffuse start, the law of the state at the first step of the training data.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "local-level", progress=False)
        >>> fit.forecast(nile, 3).mean.shape
        (1, 3, 1)
        >>> round(float(fit.smooth(nile).mean[0, 0, 0]), 2)
        1.14
    """

    algorithm: Filter
    standardiser: Standardiser | Panel
    history: History
    seed: int = eqx.field(static=True)
    labels: Labels = eqx.field(static=True)
    input_names: tuple[str, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="own", kw_only=True)
    parameters: tuple[Parameter, ...] = eqx.field(static=True, default=())  # pyright: ignore
    uncertainty: Uncertainty | None = None
    first: FirstState | None = None

    def __repr__(self) -> str:
        return shown(self, facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, facts)

    @property
    def model(self) -> Any:
        """The trained state-space model, in standardised units.

        Raises:
            RekalError: the filter is not one of such a model.
        """
        if not self.has_model:
            raise RekalError(
                f"{self.kind} has no state-space model whose period, modes or noise could be identified: "
                "forecast or simulate with it, or fit a model such as em-rnn or linear"
            )
        return cast(ModelFilter, self.algorithm).model

    @property
    def has_model(self) -> bool:
        """Whether there is a state-space model."""
        return isinstance(self.algorithm, ModelFilter)

    @property
    def members(self) -> tuple[Member, ...]:
        """Of a combination, each member with its weight and as a fit by itself, the heaviest first."""
        return members_of(self)

    def seeded(self, seed: int) -> Fit:
        """The same fit with another start of its randomness."""
        return dataclasses.replace(self, seed=seed, algorithm=self.algorithm.seeded(seed))

    @in_own_precision
    def filter(self, data: Data) -> Posterior | Predictions:
        """Filtered moments of the state, the likelihood being that of the raw data.

        What the state says of the observations is in raw units; of data that are transformed it is the median
        (the transform of which is the mean). Of a filter without a state, such as a network: its predictions
        of every step before it saw it.

        Args:
            data: `Sequences`, or frames with the columns of the training data.

        Raises:
            RekalError: other columns or inputs than the model was trained on, or another sampling interval.
        """
        data, algorithm = self.read(data), self.algorithm
        prepared = self.prepare(data)
        path = self._paths_of(prepared)
        if isinstance(algorithm, EstimatesState):
            return self._raw_posterior(filtered(algorithm, prepared, path), data)
        rows = self.standardiser.rows(data)
        mean, var, white = one_step(path, prepared)
        return Predictions.of(
            np.asarray(rows.unscale(mean)),
            np.asarray(rows.unscale_var(var)),
            np.asarray(path.log_evidence, np.float64) - self._volume(data),
            data,
            white,
            rows.transform,
            path.gaussian,
        )

    @in_own_precision
    def smooth(self, data: Data) -> Posterior:
        """Moments of the state given all data, in the same units as those of `filter`.

        Args:
            data: `Sequences`, or frames with the columns of the training data.

        Raises:
            RekalError: the filter has no smoother; or as for `filter`.
        """
        if not isinstance(self.algorithm, Smooths):
            raise RekalError(
                f"{self.kind} has no state that could be smoothed: only a fit of a state-space model has, "
                "such as linear, em-rnn or a structure"
            )
        data = self.read(data)
        return self._raw_posterior(smooth(self.algorithm, self.prepare(data), self.seed), data)

    def _raw_posterior(self, posterior: Any, data: Sequences) -> Posterior:
        """A posterior of standardised data in raw units."""
        rows = self.standardiser.rows(data)
        return dataclasses.replace(
            posterior,
            observed_mean=np.asarray(rows.invert(np.asarray(posterior.observed_mean))),
            log_evidence=np.asarray(posterior.log_evidence) - self._volume(data),
            data=data,
        )

    @in_own_precision
    def diagnose(self, data: Data) -> Diagnostics:
        """Whether the model keeps what it promises of some data: NIS, whiteness, PIT, coverage.

        Raises:
            RekalError: other columns or inputs than the model was trained on, or another sampling interval.
        """
        return self.filter(data).diagnose()

    @in_own_precision
    def simulate(
        self,
        steps: int,
        batch: int = 1,
        seed: int = 0,
        inputs: Any = None,
        start: Any = None,
        *,
        series: str | None = None,
    ) -> Sequences:
        """Draw new series, in raw units.

        Those of a state-space model begin where it has settled. One with a diffuse start has no law to settle
        to (a level walks away): its series begin where the training data did, at the smoothed state of their
        first step. Of any other filter each step is drawn from its prediction, which then has seen the step.

        Args:
            steps: length of each series.
            batch: number of series.
            seed: start of the randomness.
            inputs: `(steps, input)` for all series alike, or `(batch, steps, input)`, in raw units; or a
                frame for all, a list with one for each, whose columns are found by name.
            start: state at the first step `(states,)` or `(batch, states)`, in the units of the model, as in
                `rekalman.smooth(fit.algorithm, fit.prepare(data)).mean`; for a state-space model.
            series: in whose units, and from whose first state, for a model where each series has a scale of
                its own.

        Raises:
            RekalError: steps or batch below 1, inputs or a start that do not fit, a start where there is no
                state, a diffuse start whose state the training data did not determine, or as for `stream`.
        """
        own = self.standardiser.named(series)
        inputs = self._inputs_of_run(inputs)
        u, key = self.standardiser.apply_inputs(inputs), jax.random.key(seed_of(seed))
        if not self.algorithm.generative:
            raise RekalError(
                f"{self.kind} tells of targets and has no law of the frames: no film can be drawn"
            )
        if not self.has_model:
            if start is not None:
                raise RekalError(
                    f"start is a state of a state-space model, and {self.kind} has none: leave start out"
                )
            drawn = simulate_filter(self.algorithm, steps, key, batch, u, burn_in=SETTLING_DRAWN)
            return self._drawn(drawn, inputs, own)
        model, settle = self.model, SETTLING
        if start is not None:
            settle = 0
        elif model.diffuse:
            if self.first is None:
                raise RekalError(
                    "the model has a diffuse start and does not know the state from which its training data "
                    "began: give start, the state at the first step"
                )
            which = self._series_of_training(series)
            model, settle = self.first.of(model, which), 0
        _, y = simulate(model, steps, key, batch=batch, inputs=u, burn_in=settle, start=start)
        return self._drawn(y, inputs, own)

    def _series_of_training(self, series: str | None) -> int:
        """The place of a series in the training data; 0 where all share one scale."""
        if series is None or not isinstance(self.standardiser, Panel):
            return 0
        assert self.first is not None
        at = self.standardiser.names.index(series)
        if at >= len(self.first.mean):
            raise RekalError(
                f"the model has a diffuse start and was not trained on series '{series}', so that it does "
                "not know where it begins: give start, the state at the first step"
            )
        return at

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

    @in_own_precision
    def free_run(self, data: Data, warm_up: int = 4) -> np.ndarray:
        """The noise-free model running by itself over the inputs of every series, in raw units.

        Its first state is fitted to the first `warm_up` samples; no other observation is looked at.

        Args:
            data: series with inputs; what was measured after the first samples may be anything.
            warm_up: samples that the first state is fitted to.

        Returns:
            Observations without noise `(batch, steps, obs)`.

        Raises:
            RekalError: there is no state-space model, or `warm_up` is not between 1 and the shortest series.
        """
        run = free_run(self.model, self.prepare(data), warm_up, self.seed)
        return np.asarray(self.standardiser.rows(self.read(data)).invert(run))

    @in_own_precision
    def identify(self, data: Data | None = None, *, series: str | None = None) -> Identification:
        """The learned dynamics in numbers, in the units of the data.

        Of a combination they are those of its heaviest member with a state-space model (`members`). What was
        learned by maximum likelihood has 95 % intervals. A linear model learned by EM has them where the data
        are given: two runs of the filter for each parameter.

        Args:
            data: what a linear model was trained on.
            series: in whose units, for a model where each series has a scale of its own; default in units
                of the scale of each series.

        Raises:
            RekalError: there is no state-space model; the data have other columns or inputs, or another
                sampling interval; a series that is not known, or one where all share a scale.
        """
        return identification(self, None if data is None else self.prepare(data), series)

    @in_own_precision
    def summary(self, data: Data | None = None) -> str:
        """A page of text: what was learned, how the training went, and of a model the dynamics in numbers.

        Args:
            data: what a linear model was trained on, for intervals (`identify`).
        """
        return printable("\n".join(summary_lines(self, data)))

    @in_own_precision
    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of it holds: JSON configuration and arrays, never code.

        Raises:
            RekalError: it holds what a file cannot, such as a function of your own.
        """
        return stored_fit(self)

    def save(self, path: str | FilePath) -> None:
        """Write one file: JSON configuration and arrays, never code.

        Raises:
            RekalError: the folder does not exist or cannot be written, or the model holds what a file
                cannot, such as a function of your own.
        """
        save_archive(path, *self.stored())
