"""A trained model that follows a sensor: one belief, updated as samples arrive."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rekalman.core.belief_arrays import belief_arrays, belief_from, is_finite
from rekalman.core.filter import Belief, Filter
from rekalman.data.building import default_names
from rekalman.data.numeric import numeric_array
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.tables.kind import FrameKind
from rekalman.data.tables.named import Known, ordered
from rekalman.data.time.sampling import typical
from rekalman.fitting.own_errors import OwnErrors
from rekalman.fitting.samples import Films, Rows
from rekalman.forecasting import Forecast, Labels, forecast_from
from rekalman.forecasting.present import present
from rekalman.foundation.archive import save_archive
from rekalman.foundation.arguments import positive_time, seed_of
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import Facts, listed, nats, shown, shown_html
from rekalman.numerics.precision import precision_name, precision_of

Stored = tuple[dict[str, Any], dict[str, np.ndarray]]

STREAM = "stream"
"""Kind of the file of a stream."""

ERRORS = "errors."
"""What the names of the arrays of its own errors begin with in its file."""

RECENT = 10_000
"""So many of the latest steps a forecast takes the median of."""


class Stream:
    """A belief that takes one sample after the other, in raw units.

    A sample that is refused leaves everything as it was. Several threads may use a stream: each sample is
    taken whole before the next, in the order in which they arrive.

    Attributes:
        belief: what is believed after the last update, in standardised units.
        step: number of samples taken so far.
        log_likelihood: of all samples so far, in nats of the raw units.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.forecasting import Labels
        >>> fit = rekalman.fit(rekalman.load_example("nile"), "local-level")  # doctest: +SKIP
        >>> stream = fit.stream()  # doctest: +SKIP
        >>> data, one = rekalman.load_example("nile"), np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=one, C=one, Q=0.05 * one, R=0.5 * one)
        >>> stream = rekalman.Stream(rekalman.Kalman(model), data.standardiser(), Labels.of(data))
        >>> for flow in (1120.0, 1160.0, float("nan"), 1210.0):  # one year is missing
        ...     stream.update(flow)
        >>> stream.step
        4
        >>> stream.forecast(2).mean[0, :, 0].round().tolist()
        [1142.0, 1142.0]
    """

    belief: Belief
    step: int
    log_likelihood: float

    def __init__(
        self,
        algorithm: Filter,
        standardiser: Standardiser,
        labels: Labels,
        seed: int = 0,
        stored: Callable[[], Stored] | None = None,
        input_names: Sequence[str] = (),
        errors: OwnErrors | None = None,
    ) -> None:
        """Start before the first sample.

        Args:
            algorithm: the filter with its model, in standardised units.
            standardiser: from raw to standardised units.
            labels: names and units of the columns.
            seed: start of the randomness.
            stored: what a file of the trained model holds, so that the stream can be saved.
            input_names: names of the inputs; default u, or u1, u2, ...
            errors: of its own forecasts, from which it takes its intervals; None = from the model.
        """
        self._algorithm = algorithm
        # Of an Equinox module, a property costs as much as an update: they are looked up once.
        self._n_inputs = algorithm.n_inputs
        self._continuous, self._interval = algorithm.continuous, algorithm.interval or 1.0
        self._limited = algorithm.limited
        self._standardiser, self._stored, self._errors = standardiser, stored, errors
        self._labels = dataclasses.replace(labels, frame_kind=FrameKind())  # samples are no table
        self._input_names = default_names(input_names or None, self._n_inputs, "u", "input_names")
        shape = algorithm.frame_shape
        self._samples = (
            Rows(standardiser, labels, self._input_names)
            if shape is None
            else Films(shape, algorithm.observations)
        )
        self._key = jax.random.key(seed_of(seed))
        self._lock = threading.RLock()
        with precision_of(algorithm):
            self.belief = algorithm.init(self._key)
        self.step, self.log_likelihood = 0, 0.0
        # Of a model in continuous time: time since the first sample, and the latest steps.
        self._elapsed, self._lengths = 0.0, deque(maxlen=RECENT)
        self._diffuse = algorithm.unknown

    def __repr__(self) -> str:
        return shown(self, _facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, _facts)

    def update(self, y: Any, u: Any = None, dt: int | float | None = None) -> None:
        """Take one sample.

        Args:
            y: one number for each column; NaN and what a masked array hides = missing, None = all are. A row
                of a data frame is read by the names in its index. For a model that watches films: bytes
                `(height, width, channel)`, without the last axis where there is one channel; None = missing.
            u: inputs of this step, for a model that has inputs, in the same form; all of them are known.
            dt: time since the sample before, for a model in continuous time; default its interval. The first
                sample, which has none before it, does not use it.

        Raises:
            RekalError: a wrong number of columns or inputs, something that is no real number, an infinite
                value, a `dt` that is not positive or that the model does not take, or a sample so far off
                that the belief would no longer be finite. The stream is then as it was before.
        """
        with self._lock, precision_of(self._algorithm):
            sample = self._samples.read(y, self.step + 1)
            inputs, step = self._inputs(u), self._step(dt)
            if self._limited:
                self._algorithm.check_steps(self.step + 1)
            first = self.step == 0
            drive = (inputs, None if step is None else jnp.asarray(step, jnp.result_type(float)))
            belief, gain, finite = _advance(
                self._algorithm, self.belief, sample.values, sample.mask, drive, first
            )
            # The flat law of a diffuse start is not in standardised units (`data/scales/volume.py`).
            counted = np.cumsum(sample.seen) > self._diffuse
            volume = np.sum(sample.log_scale[counted]) - np.sum(sample.log_slope)
            total = self.log_likelihood + float(gain) - float(volume)
            if not (bool(finite) and math.isfinite(total)):
                raise RekalError(self._samples.refusal(y, self.step + 1))
            length = self._interval if step is None else step
            errors = self._errors
            if errors is not None:
                row = sample.values, sample.seen
                errors = errors.after(*row, belief, self.step, inputs, length)
            self._errors = errors
            if not first and self._continuous:
                self._elapsed += length
                self._lengths.append(length)
            self.belief, self.log_likelihood, self.step = belief, total, self.step + 1
            self._diffuse = max(0, self._diffuse - int(sample.seen.sum()))

    def forecast(
        self, horizon: int, future_inputs: Any = None, dt: int | float | None = None
    ) -> Forecast:
        """Forecast the next `horizon` samples, in raw units.

        Args:
            horizon: number of steps, at least 1.
            future_inputs: inputs of those steps `(horizon, input)`, for a model that has inputs; the columns
                of a frame are found by name.
            dt: length of each step, for a model in continuous time; default the median of the latest
                steps, as of `Fit.forecast`, and the interval of the model before there is any.

        Returns:
            The forecast; its time stamps are numbers of steps, of a model in continuous time the time since
            the first sample.

        Raises:
            RekalError: no sample was taken yet, more steps than errors are remembered for, or as for
                `Fit.forecast`.
        """
        with self._lock:
            belief, at, elapsed = self.belief, self.step, self._elapsed
            errors = self._errors
            usual = typical(np.array(self._lengths)) if self._lengths else None
        if at == 0:
            raise RekalError("a stream can forecast after its first sample")
        step = self._step(dt)
        step = usual if step is None else step
        if self._input_names and future_inputs is not None:
            known = Known(self._labels.names, self._labels.time_name)
            future_inputs = ordered(future_inputs, self._input_names, "future_inputs", known)
        with precision_of(self._algorithm):
            made = forecast_from(
                self._algorithm,
                belief,
                horizon,
                jax.random.fold_in(self._key, at),
                future_inputs=self._standardiser.apply_inputs(future_inputs),
                dt=step,
                origin=at - 1,
                input_names=self._input_names,
            )
        raw = self._raw(made)
        raw = raw if errors is None else errors.law_of(raw)
        if not self._continuous:
            return dataclasses.replace(raw, labels=self._in_steps())
        length = self._interval if step is None else step
        labels = dataclasses.replace(
            self._labels,
            time_kind="number",
            time_name="time since the first sample",
            time_origin=None,
            interval=length,
        )
        targets = elapsed + length * np.array(raw.horizons, float)[None]
        return dataclasses.replace(raw, labels=labels, times=np.array([elapsed]), targets=targets)

    def estimate(self) -> Forecast:
        """What the model tells of the targets at the latest frame, in raw units: a forecast of horizon 0.

        Raises:
            RekalError: no frame was taken yet, the model does not watch films, or it tells of a step before
                it sees it.
        """
        with self._lock:
            belief, at = self.belief, self.step
        if at == 0:
            raise RekalError("a stream has an estimate after its first frame")
        with precision_of(self._algorithm):
            made = self._raw(present(self._algorithm, belief, at - 1))
        return dataclasses.replace(made, labels=self._in_steps())

    def _raw(self, made: Forecast) -> Forecast:
        """A forecast of the model in raw units."""
        own = self._standardiser
        return made.rescale(own.location, own.scale).inverted(own.transform)

    def _in_steps(self) -> Labels:
        """Names and units, with numbers of steps as time stamps."""
        return dataclasses.replace(self._labels, time_kind="step", time_name=None, interval=1.0)

    def save(self, path: str | Path) -> None:
        """Write one file: the trained model, the belief and what else it takes to go on exactly here.

        `rekalman.load_stream` resumes it: the same samples then give the same beliefs, likelihood and
        forecasts to the last bit.

        Raises:
            RekalError: the file cannot be written, or the stream was not made by `Fit.stream`.
        """
        if self._stored is None:
            raise RekalError(
                "this stream was made of a filter alone, which has no file: take Fit.stream"
            )
        config, arrays = self._stored()
        with self._lock:
            mine = {
                "log_likelihood": np.float64(self.log_likelihood),
                "elapsed": np.float64(self._elapsed),
                "diffuse": np.int64(self._diffuse),
                "lengths": np.array(self._lengths, np.float64),
                **(belief_arrays(self.belief) if self.step else {}),
            }
            step = self.step
            errors = self._errors
        if errors is not None:
            mine |= {f"{ERRORS}{name}": array for name, array in errors.arrays().items()}
            config = {**config, "horizon": errors.by.horizon}
        named = {f"{STREAM}.{name}": array for name, array in mine.items()}
        save_archive(
            path,
            {**config, "kind": STREAM, "step": step},
            {**arrays, **named},
        )

    def resume(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on where another stream of the same model was saved.

        Args:
            step: number of samples it had taken.
            arrays: what `save` wrote of it.

        Raises:
            RekalError: an array is missing, unknown, of another shape or another precision.
        """
        own = {n.removeprefix(ERRORS): a for n, a in arrays.items() if n.startswith(ERRORS)}
        left = {name: array for name, array in arrays.items() if not name.startswith(ERRORS)}
        try:
            total, elapsed = (float(left.pop(name)) for name in ("log_likelihood", "elapsed"))
            lengths = np.asarray(left.pop("lengths"), np.float64).tolist()
            diffuse = int(left.pop("diffuse"))
        except (KeyError, TypeError, ValueError) as error:
            raise RekalError(f"the stream has no proper {error}") from None
        belief = self.belief
        for first in (True, False)[: min(step, 2)]:
            belief = self._after(belief, first)
        if step:
            with precision_of(self._algorithm):
                belief = belief_from(belief, left)
        elif left:
            raise RekalError(f"the stream has no array {min(left)!r}")
        errors = self._errors
        if errors is not None:
            shapes = eqx.filter_eval_shape(self._algorithm.moments, belief)
            with precision_of(self._algorithm):
                errors = errors.restored(shapes, step, own)
        elif own:
            raise RekalError(f"the stream has no array {ERRORS + min(own)!r}")
        with self._lock:
            self._errors = errors
            self.belief, self.step, self.log_likelihood = belief, step, total
            self._elapsed, self._lengths = elapsed, deque(lengths, maxlen=RECENT)
            self._diffuse = diffuse

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock, so that a stream can be copied."""
        with self._lock:
            held = {name: value for name, value in vars(self).items() if name != "_lock"}
            return {**held, "_lengths": self._lengths.copy()}

    def __setstate__(self, held: dict[str, Any]) -> None:
        vars(self).update(held, _lock=threading.RLock())

    def _step(self, dt: int | float | None) -> float | None:
        if dt is None:
            return None
        if not self._continuous:
            raise RekalError("the model runs in equal steps: leave dt out")
        return positive_time(dt, "dt")

    def _inputs(self, u: Any) -> Array | None:
        count = self._n_inputs
        if count == 0:
            if u is not None:
                raise RekalError("the model takes no inputs, so leave u out")
            return None
        names, known = self._input_names, Known(self._labels.names, self._labels.time_name)
        u = None if u is None else ordered(u, names, "inputs", known)
        given = None if u is None else np.atleast_1d(numeric_array(u, "inputs"))
        if given is None or given.shape != (count,):
            raise RekalError(f"the model has {count} inputs, which every sample must bring")
        if not np.isfinite(given).all():
            raise RekalError(f"an input of sample {self.step + 1} is missing: it must be known")
        return self._standardiser.apply_inputs(given)

    def _after(self, belief: Any, first: bool) -> Any:
        """Shapes of the belief after a sample."""
        count, dtype = self._n_inputs, jnp.dtype(precision_name(self._algorithm))
        u = jax.ShapeDtypeStruct((count,), dtype) if count else None
        with precision_of(self._algorithm):
            row, seen = self._algorithm.nothing
            return eqx.filter_eval_shape(
                _advance, self._algorithm, belief, row, seen, (u, None), first
            )[0]


def _facts(stream: Stream) -> Facts:
    """Columns, filter, how many samples came, and what they were worth."""
    algorithm = stream._algorithm  # pyright: ignore[reportPrivateUsage]
    rows = [("filter", type(algorithm).__name__), ("samples", str(stream.step))]
    if algorithm.frame_shape is None:  # the targets of frames are not known in a stream
        rows.append(("log-likelihood", nats(stream.log_likelihood)))
    errors = stream._errors  # pyright: ignore[reportPrivateUsage]
    if errors is not None:
        reach = errors.by.horizon
        rows.append(("intervals", f"from its last errors, up to {reach} steps ahead"))
    labels = stream._labels  # pyright: ignore[reportPrivateUsage]
    return Facts(f"Stream of {listed(labels.names, labels.units)}", tuple(rows))


@eqx.filter_jit
def _advance(
    algorithm: Filter,
    belief: Belief,
    row: Any,
    seen: Any,
    drive: tuple[Array | None, Array | None],
    first: bool,
) -> tuple[Belief, Array, Array]:
    """The belief after a sample, its log density, and whether the belief is finite."""
    u, dt = drive
    moved = belief if first else algorithm.predict(belief, u, dt)
    after, log_prob = algorithm.update(moved, row, seen, u)
    return after, log_prob, is_finite(after)
