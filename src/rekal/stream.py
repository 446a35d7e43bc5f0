"""A trained model that follows a sensor: one belief, updated as samples arrive."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekal.beliefs import Gaussian, Particles
from rekal.errors import RekalError
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.particle import ParticleFilter
from rekal.forecast import Forecast, Labels, forecast_from
from rekal.forecast.rolling import Source
from rekal.models.linear_model import LinearModel
from rekal.networks.beliefs import Factorised, Hidden
from rekal.networks.table import TableNetwork
from rekal.sequences.standardiser import Standardiser


class Stream:
    """A belief that takes one sample after the other, in raw units.

    Attributes:
        belief: what is believed after the last update, in standardised units.
        step: number of samples taken so far.
        log_likelihood: of all samples so far, in nats of the raw units.
    """

    belief: Particles | Gaussian | Factorised | Hidden
    step: int
    log_likelihood: float

    def __init__(
        self,
        algorithm: ParticleFilter | GaussianFilter | TableNetwork,
        standardiser: Standardiser,
        labels: Labels,
        seed: int = 0,
    ) -> None:
        """Start before the first sample."""
        self._algorithm = algorithm
        self._model = algorithm if isinstance(algorithm, TableNetwork) else algorithm.model
        self._standardiser = standardiser
        # Samples bring no time stamps: forecasts are labelled by the step.
        self._labels = dataclasses.replace(labels, time_kind="step", time_name=None, interval=1.0)
        self._key = jax.random.key(seed)
        self.belief = algorithm.init(self._key)
        self.step, self.log_likelihood = 0, 0.0
        self._diffuse = len(self._model.diffuse) if isinstance(self._model, LinearModel) else 0

    def update(self, y: Any, u: Any = None, dt: int | float | None = None) -> None:
        """Take one sample.

        Args:
            y: one number for each column; NaN = missing.
            u: inputs of this step, for a model that has inputs.
            dt: time since the sample before, for a model in continuous time; default its interval.

        Raises:
            RekalError: a wrong number of columns or inputs, an infinite value, or a `dt` that is not
                positive or that the model does not take.
        """
        model = self._model
        values = np.atleast_1d(np.asarray(y, np.float64))
        if values.shape != (model.observations,):
            raise RekalError(
                f"a sample has {model.observations} columns, but {values.shape} was given"
            )
        if np.isinf(values).any():
            raise RekalError(f"sample {self.step + 1} holds an infinite value")
        step = self._step(dt)
        seen = ~np.isnan(values)
        scaled = (values - self._standardiser.location) / self._standardiser.scale
        row = jnp.asarray(np.where(seen, scaled, 0.0), jnp.result_type(float))
        self.belief, gain = _advance(
            self._algorithm, self.belief, row, jnp.asarray(seen), (self._inputs(u), step),
            self.step == 0,
        )  # fmt: skip
        # The flat law of a diffuse start is in raw units: the first entries serve to find it.
        counted = np.cumsum(seen) > self._diffuse
        self._diffuse = max(0, self._diffuse - int(seen.sum()))
        volume = float(np.sum(np.log(np.asarray(self._standardiser.scale))[seen & counted]))
        self.log_likelihood += float(gain) - volume
        self.step += 1

    def forecast(self, horizon: int, future_inputs: Any = None) -> Forecast:
        """Forecast the next `horizon` samples, in raw units.

        Raises:
            RekalError: no sample was taken yet, or as for `Fit.forecast`.
        """
        if self.step == 0:
            raise RekalError("a stream can forecast after its first sample")
        made = forecast_from(
            self._source(),
            self.belief,
            horizon,
            jax.random.fold_in(self._key, self.step),
            future_inputs=None if future_inputs is None else self._inputs(future_inputs),
            origin=self.step - 1,
        )
        return dataclasses.replace(
            made.rescale(self._standardiser.location, self._standardiser.scale), labels=self._labels
        )

    def _step(self, dt: int | float | None) -> Array | None:
        model = self._model
        if dt is None:
            return None
        if not (isinstance(model, LinearModel | TableNetwork) and model.continuous):
            raise RekalError(f"a {type(model).__name__} runs in equal steps: leave dt out")
        if not (dt > 0 and np.isfinite(dt)):
            raise RekalError(f"dt must be a time above 0, but is {dt}")
        return jnp.asarray(dt, jnp.result_type(float))

    def _source(self) -> Source:
        algorithm = self._algorithm
        return algorithm.model if isinstance(algorithm, ParticleFilter) else algorithm

    def _inputs(self, u: Any) -> Array | None:
        count = self._model.n_inputs
        if self._standardiser.input_location is None:
            return None
        if u is None or np.shape(u)[-1:] != (count,):
            raise RekalError(f"the model has {count} inputs, which every sample must bring")
        if not np.isfinite(np.asarray(u, np.float64)).all():
            raise RekalError(f"an input of sample {self.step + 1} is missing: it must be known")
        return self._standardiser.apply_inputs(u)


@eqx.filter_jit
def _advance(
    algorithm: Any,
    belief: Particles | Gaussian | Factorised | Hidden,
    row: Array,
    seen: Array,
    drive: tuple[Array | None, Array | None],
    first: bool,
) -> tuple[Particles | Gaussian | Factorised | Hidden, Array]:
    u, dt = drive
    moved = belief if first else algorithm.predict(belief, u, dt)
    if not isinstance(algorithm, TableNetwork):
        return algorithm.update(moved, row, u, seen)
    evidence = algorithm.encode(row[None], seen[None], None if u is None else u[None])
    return algorithm.update(moved, jax.tree.map(lambda leaf: leaf[0], evidence))
