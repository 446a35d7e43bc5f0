"""The methods of rekalman as candidates of a comparison."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from rekalman.comparison.candidate import Size, Tick
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.slicing import without_inputs
from rekalman.methods.base import Method
from rekalman.methods.request import TrainingRequest
from rekalman.methods.train import train_on
from rekalman.training.transform import TransformChoice

if TYPE_CHECKING:
    from rekalman.fitting.result import Fit
    from rekalman.forecasting import Forecast

TIMED = 30
"""Updates of a stream that are timed."""


@dataclasses.dataclass(frozen=True)
class TrainedMethod:
    """A method that is trained as `rekalman.fit` does it; one that takes no inputs goes without them.

    Attributes:
        method: with its options.
        label: under which it is listed; empty = the name of the method.
        transform: of the observations, as for `rekalman.fit`; None = the default of the method.
        scale: of several series, as for `rekalman.fit`; None = the default.
    """

    method: Method
    label: str = ""
    transform: str | float | None = None
    scale: str | None = None
    by_series: bool = False

    @property
    def name(self) -> str:
        """Under which it is listed."""
        return self.label or self.method.title()

    @property
    def group(self) -> str:
        """Naive forecasts are what the others must beat; a baseline that learns dynamics is none of them."""
        if not self.method.baseline:
            return "rekalman"
        return "naive" if self.method.dynamics == "naive" else "baseline"

    @property
    def cost(self) -> float:
        """CPU seconds of a usual training."""
        return self.method.cost

    @property
    def dynamics(self) -> str:
        """What kind of dynamics it learns."""
        return self.method.dynamics

    @property
    def hidden(self) -> bool:
        """Whether it learns a state behind noise."""
        return self.method.hidden

    def fitting(self, data: Sequences) -> Sequences:
        """The data as the method takes them."""
        return data if self.method.inputs or not data.n_inputs else without_inputs(data)

    def check(self, data: Sequences) -> None:
        """Refuse data that the method cannot learn from.

        Raises:
            RekalError: in one sentence.
        """
        self.method.check(self.fitting(data))

    def fit(self, data: Sequences, seed: int, progress: Any = False) -> Fit:
        """Train the method.

        Raises:
            RekalError: it cannot learn from the data.
        """
        data, method = self.fitting(data), self.method
        choice = TransformChoice.of(
            self.transform, method.default_transform, False, data, method.season
        )
        request = TrainingRequest(
            data=data,
            transform=choice.transform(data),
            scale=self.scale,
            seed=seed,
            progress=progress,
            advise=False,
        )
        return train_on(method, request)

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedFit:
        """Train the method.

        Raises:
            RekalError: it cannot learn from the data.
            OutOfTime: from `tick`.
            KeyboardInterrupt: Ctrl-C; what is half trained is not judged as if it were trained.
        """
        fit = self.fit(data, seed, lambda *_: tick())
        if fit.history.stopped == "interrupted":
            raise KeyboardInterrupt
        return LearnedFit(fit, self.fitting)


@dataclasses.dataclass(frozen=True)
class LearnedFit:
    """A trained model.

    Attributes:
        fit: in raw units.
        fitting: makes data such as it was trained on.
    """

    fit: Fit
    fitting: Any

    def roll(self, data: Sequences, horizons: Sequence[int], origins: list[np.ndarray]) -> Forecast:
        """Forecasts from some steps of the series."""
        return self.fit.roll(self.fitting(data), tuple(horizons), origins=origins)

    def size(self) -> Size:
        """Numbers in its filter, and bytes of its file."""
        held = eqx.filter(self.fit.algorithm, eqx.is_array)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fit.rekalman"
            self.fit.save(path)
            written = path.stat().st_size
        return Size(sum(leaf.size for leaf in jax.tree.leaves(held)), written)

    def update_seconds(self, data: Sequences) -> float | None:
        """Median seconds of an update of a stream."""
        data = self.fitting(data)
        named = data.series_names[0] if isinstance(self.fit.standardiser, Panel) else None
        stream = self.fit.stream(named)
        values = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)[0]
        inputs = None if data.inputs is None else np.asarray(data.inputs)[0]
        steps = None if data.dt is None else np.asarray(data.dt)[0]
        seconds = []
        for t in range(min(len(values), TIMED + 2)):  # the first two are compiled
            began = time.perf_counter()
            u = None if inputs is None else inputs[t]
            stream.update(values[t], u, None if steps is None else float(steps[t]))
            seconds.append(time.perf_counter() - began)
        return float(np.median(seconds[2:])) if len(seconds) > 2 else None
