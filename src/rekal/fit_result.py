"""The result of learning: a model with its units, how it was found, and all one asks of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from rekal.arguments import seed_of
from rekal.beliefs import GaussianPath, Path
from rekal.errors import RekalError
from rekal.filters.choice import Filtering
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.particle import ParticleFilter
from rekal.first_state import FirstState
from rekal.fit_base import BaseFit, Data
from rekal.forecasting import Labels
from rekal.free_run import free_run
from rekal.history import History
from rekal.identification import Identification, identify
from rekal.learning.uncertainty import Uncertainty, model_uncertainty
from rekal.models.gaussian import GaussianModel
from rekal.models.linear_model import LinearModel
from rekal.models.serial import model_arrays, model_config
from rekal.models.time_varying import LinearTimeVarying
from rekal.posterior import Posterior
from rekal.precision import in_own_precision
from rekal.printable import printable, printable_line
from rekal.sequences import Sequences
from rekal.sequences.panel import Panel
from rekal.sequences.standardiser import Standardiser
from rekal.sequences.volume import log_volume
from rekal.series_scales import multiplied, scale_factors
from rekal.simulation import simulate
from rekal.trained import Parameter
from rekal.verbs import filter_paths, filtered_posterior

UNIT_OF_PANEL = "in units of the scale of each series (variances of its square)"
IN_DEVIATIONS = (
    "Each series has a scale of its own, and levels and noise are in units of it; fit.identify(series=...) "
    "has those of a series."
)
MOST_SERIES = 12  # whose scales a summary shows


class Fit(BaseFit):
    """A trained state-space model together with the units of the data it was trained on.

    The model speaks of standardised data; every method takes and returns raw units.

    Attributes:
        model: the trained model.
        standardiser: from raw to standardised units and back; a `Panel` where each series has its own.
        history: how it was found.
        filtering: the filter behind `filter`, `forecast` and `stream`.
        seed: start of their randomness.
        labels: names, units and clock of the training data.
        input_names: names of its inputs.
        kind: what `rekal.fit` was asked for: "em-rnn", "rbf", "linear", the name of a structure, or "own".
        parameters: of a structure, in raw units (where each series has a scale of its own, in units of
            it), or of a model written as functions, with standard errors.
        uncertainty: of a linear model learned by maximum likelihood, else None.
        first: of a model with a diffuse start, the law of the state at the first step of the training data.
    """

    model: GaussianModel
    standardiser: Standardiser | Panel
    history: History
    filtering: Filtering = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    labels: Labels = eqx.field(static=True)
    input_names: tuple[str, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="own", kw_only=True)
    parameters: tuple[Parameter, ...] = eqx.field(static=True, default=())
    uncertainty: Uncertainty | None = None
    first: FirstState | None = None

    @property
    def continuous(self) -> bool:
        """Whether the model runs in continuous time, so that data may be sampled at any times."""
        return isinstance(self.model, LinearModel) and self.model.continuous

    @property
    def algorithm(self) -> ParticleFilter | GaussianFilter:
        """The filter of the model, in standardised units."""
        return self.filtering.of(self.model, self.seed)

    @in_own_precision
    def paths(self, data: Data) -> Path | GaussianPath:
        """Beliefs about every series of the data, in standardised units."""
        return filter_paths(self.algorithm, self.prepare(data), jax.random.key(self.seed))

    @in_own_precision
    def filter(self, data: Data) -> Posterior:
        """Filtered moments of the state, the likelihood being that of the raw data.

        What the state says of the observations is in raw units; of data that are transformed it is the median
        (the transform of which is the mean).
        """
        data = self.read(data)
        path, rows = self.paths(data), self.standardiser.rows(data)
        posterior = filtered_posterior(self.algorithm, self.prepare(data), path)
        return dataclasses.replace(
            posterior,
            observed_mean=np.asarray(rows.invert(np.asarray(posterior.observed_mean))),
            log_evidence=np.asarray(posterior.log_evidence) - self._volume(data),
            data=data,
        )

    def _volume(self, data: Sequences) -> Float[np.ndarray, "batch steps"]:
        """The same; the flat law of a diffuse start is not in standardised units, either."""
        diffuse = len(self.model.diffuse) if isinstance(self.model, LinearModel) else 0
        return log_volume(self.standardiser.rows(data), data, diffuse).sum(-1)

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
        """Draw new series from the model, in raw units.

        They begin where the model has settled. One with a diffuse start has no law to settle to (a level
        walks away): its series begin where the training data did, at the smoothed state of their first step.

        Args:
            steps: length of each series.
            batch: number of series.
            seed: start of the randomness.
            inputs: `(steps, input)` for all series alike, or `(batch, steps, input)`, in raw units; or a
                frame for all, a list with one for each, whose columns are found by name.
            start: state at the first step `(states,)` or `(batch, states)`, in the units of the model, as in
                `rekal.smooth(fit.algorithm, fit.prepare(data)).mean`.
            series: in whose units, and from whose first state, for a model where each series has a scale of
                its own.

        Raises:
            RekalError: steps or batch below 1, inputs or a start that do not fit, a diffuse start whose
                state the training data did not determine, or as for `stream`.
        """
        own = self.standardiser.named(series)
        inputs = self._inputs_of_run(inputs)
        u = self.standardiser.apply_inputs(inputs)
        model, settle = self.model, 200
        if start is not None:
            settle = 0
        elif isinstance(model, LinearModel) and model.diffuse:
            if self.first is None:
                raise RekalError(
                    "the model has a diffuse start and does not know the state from which its training data "
                    "began: give start, the state at the first step"
                )
            which = self._series_of_training(series)
            model, settle = self.first.of(model, which), 0
        key = jax.random.key(seed_of(seed))
        _, y = simulate(model, steps, key, batch=batch, inputs=u, burn_in=settle, start=start)
        return self._drawn(y, inputs, own)

    def _scales(self, data: Sequences) -> Standardiser | Panel:
        """Those of a structure are the likeliest ones, as in the training."""
        panel = super()._scales(data)
        algorithm = self.algorithm
        if panel is self.standardiser or not (self.parameters and isinstance(panel, Panel)):
            return panel
        assert isinstance(self.standardiser, Panel)
        if not isinstance(algorithm, GaussianFilter):
            return panel
        new = tuple(name for name in data.series_names if name not in self.standardiser.names)
        rows = slice(len(self.standardiser.names), None)
        scale = np.array(panel.scale)
        scale[rows] = np.asarray(panel.with_one_scale().scale)[rows]
        panel = dataclasses.replace(panel, scale=scale)
        for name in new:
            one = data.series(name)
            for _ in range(2):  # once is enough but where a mean is part of the structure
                able = dataclasses.replace(self, standardiser=panel)
                panel = multiplied(panel, (name,), scale_factors(algorithm, able.prepare(one)))
        return panel

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
            RekalError: `warm_up` is not between 1 and the shortest series.
        """
        run = free_run(self.model, self.prepare(data), warm_up, self.seed)
        return np.asarray(self.standardiser.rows(self.read(data)).invert(run))

    @in_own_precision
    def identify(self, data: Data | None = None, *, series: str | None = None) -> Identification:
        """The learned dynamics in numbers, in the units of the data.

        What was learned by maximum likelihood has 95 % intervals. A linear model learned by EM has them where
        the data are given: two runs of the filter for each parameter.

        Args:
            data: what a linear model was trained on.
            series: in whose units, for a model where each series has a scale of its own; default in units
                of the scale of each series.

        Raises:
            RekalError: the data have other columns or inputs, or another sampling interval; a series that is
                not known, or one where all share a scale.
        """
        sure, said = self.uncertainty, ()
        if data is not None and sure is None:
            prepared = self.prepare(data)
            try:
                sure = model_uncertainty(self.model, prepared, self.labels.interval)
            except RekalError as why:
                said += (f"There are no intervals: {why}.",)
        driven = self.standardiser.input_scale
        if isinstance(self.standardiser, Panel) and series is None:
            one = (f(self.model.observations) for f in (np.zeros, np.ones))
            own = Standardiser(*one, transform=self.standardiser.transform)
            said += (IN_DEVIATIONS,)
        else:
            own = self.standardiser.named(series)
        if series is not None:
            said += (f"Levels and noise are in the units of series '{series}'.",)
        if own.transform is not None:
            described = own.transform.described(self.labels.names)
            said += (f"Levels, noise and states are those of {described}.",)
        result = identify(
            self.model,
            interval=self.labels.interval,
            scale=np.asarray(own.scale),
            location=np.asarray(own.location),
            names=self.labels.names,
            time_unit=self.labels.time_unit,
            seed=self.seed,
            input_scale=None if driven is None else np.asarray(driven),
            input_names=self.input_names,
            uncertainty=sure,
        )
        if self.parameters:  # the states of a structure have the units of the data
            spread = result.process_std * float(own.scale[0])
            result = dataclasses.replace(result, process_std=spread)
        return dataclasses.replace(result, warnings=(*result.warnings, *said))

    @in_own_precision
    def summary(self, data: Data | None = None) -> str:
        """A page of text: how the training went, and the dynamics in numbers.

        Args:
            data: what a linear model was trained on, for intervals (`identify`).
        """
        names, inputs = (
            ", ".join(map(printable_line, n)) for n in (self.labels.names, self.input_names)
        )
        driven = f", driven by {inputs}" if inputs else ""
        kind = "" if self.kind == "own" else f"{self.kind}, "
        states = f"{self.model.states} state{'' if self.model.states == 1 else 's'}"
        lines = [f"model           {kind}{states}, {names}{driven}"]
        lines += self.history.lines()
        lines += self._transform_lines()
        width = max([15, *(len(each.name) for each in self.parameters)])
        if isinstance(self.standardiser, Panel):
            lines += _scale_lines(self.standardiser, self.labels)
            lines += [f"parameters      {UNIT_OF_PANEL}"] if self.parameters else []
        lines += [f"{each.name:<{width}} {each}" for each in self.parameters]
        if isinstance(self.model, LinearTimeVarying):
            told = (
                "The matrices change from step to step: there is no one set of dynamics to tell of."
            )
            return printable("\n".join([*lines, "", told]))
        return printable("\n".join([*lines, "", self.identify(data).summary()]))

    @in_own_precision
    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of it holds: JSON configuration and arrays, never code.

        Raises:
            RekalError: the activation is a function of your own, which a file cannot hold.
        """
        config = {
            **self._config(),
            "kind": "fit",
            "model": model_config(self.model),
            "filtering": dataclasses.asdict(self.filtering),
            "parameters": [list(each) for each in self.parameters],
        }
        arrays = self._arrays()
        arrays.update({f"model.{name}": array for name, array in model_arrays(self.model).items()})
        if self.first is not None:
            arrays["first.mean"] = np.asarray(self.first.mean)
            arrays["first.cov"] = np.asarray(self.first.cov)
        if self.uncertainty is not None:
            kept = self.uncertainty.arrays()
            arrays.update({f"uncertainty.{name}": np.asarray(kept[name]) for name in kept})
        return config, arrays


def _scale_lines(panel: Panel, labels: Labels) -> list[str]:
    """Location and scale of the first series."""
    lines = []
    for i, name in enumerate(panel.names[:MOST_SERIES]):
        numbers = zip(
            labels.names, np.asarray(panel.location)[i], np.asarray(panel.scale)[i], strict=True
        )
        each = "; ".join(
            f"{printable_line(column)} about {mean:.4g}, scale {scale:.4g}"
            for column, mean, scale in numbers
        )
        lines.append(f"{'series ' + printable_line(name):<15} {each}")
    rest = len(panel.names) - len(lines)
    return [*lines, *([f"                and {rest} more series"] if rest > 0 else [])]
