r"""Forecasts that keep learning: EM-trained networks whose readouts are filtered online.

For series whose dynamics drift (a breathing person), a network that is trained once starts behind. Here

1. networks of several sizes are trained by EM on the first `warmup` steps, and from scratch once more
   at each step in `refit`;
2. in between, one filter for each horizon tracks the weights of a linear readout on the network's
   filtered state and last two innovations, starting at the network's own forecast
   (`rekalman.learners.online.readout`), with and without forgetting;
3. each forecast is held within the range seen so far, widened by 5 %, and all are averaged with equal
   weights: nothing is selected;
4. intervals come from the errors known so far (`rekalman.evaluation.intervals`).

What is issued at step t uses nothing that was observed after t.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rekalman.data.numeric import numeric_array
from rekalman.evaluation.intervals import LEVELS, RunningIntervals, running_intervals
from rekalman.fitting.readout_members import Followed, held_in_range, readout_members
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.em.em import EM
from rekalman.learners.online.tracked import (
    SIZES,
    TRAINING,
    Network,
    features,
    fit_network,
    moments,
    sizes_for,
    track,
)


@dataclasses.dataclass(frozen=True)
class AdaptiveRun:
    """Everything that was issued for one series.

    Attributes:
        horizons: steps ahead.
        members: forecasts `(time, horizons, obs)` of each (states, forgetting), in data units.
        networks: by size, those trained at `warmup` and at each step of `refit`.
        intervals: of the mean of the members; `intervals.mean` is the forecast itself.
    """

    horizons: tuple[int, ...]
    members: dict[tuple[int, float], np.ndarray]
    networks: dict[int, list[Network]]
    intervals: RunningIntervals

    @property
    def mean(self) -> np.ndarray:
        """Forecasts issued at each step `(time, horizons, obs)`; NaN before the warm-up ends."""
        return self.intervals.mean

    def quantile(self, q: float) -> np.ndarray:
        """The q-quantile of every forecast `(time, horizons, obs)`, 0.01 <= q <= 0.99."""
        return self.intervals.quantile(q)


@dataclasses.dataclass(frozen=True)
class AdaptiveForecaster:
    """How to forecast adaptively; `run` does it for one series.

    Attributes:
        horizons: steps ahead.
        warmup: steps before the first forecast.
        refit: steps at which the networks are trained again on all before.
        sizes: numbers of states; sizes the data cannot carry (more than columns times 12, or than a
            twelfth of the warm-up) are left out, but for the smallest.
        forgetting: one readout filter for each.
        em: how the networks are trained.
        particles: of the filter that is run over the whole series.
        margin: how far beyond the past range a forecast may lie, as a share of that range.
        seed: of the particles.

    Examples:
        >>> import rekalman
        >>> forecaster = rekalman.AdaptiveForecaster(horizons=(1, 4), warmup=96, sizes=(4,), particles=50)
        >>> run = forecaster.run(y)  # doctest: +SKIP
        >>> forecaster.forgetting  # one readout for each
        (1.0, 0.998)
    """

    horizons: tuple[int, ...]
    warmup: int
    refit: tuple[int, ...] = ()
    sizes: tuple[int, ...] = SIZES
    forgetting: tuple[float, ...] = (1.0, 0.998)
    em: EM = TRAINING
    particles: int = 300
    margin: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.horizons:
            raise RekalError("adaptive forecasts need at least one horizon")
        for name in ("horizons", "refit", "sizes"):
            for each in getattr(self, name):
                whole(f"each of {name}", each)
        for name in ("warmup", "particles"):
            whole(name, getattr(self, name))
        if not all(0 < each <= 1 for each in self.forgetting):
            raise RekalError(
                f"forgetting factors lie above 0 and up to 1, but are {self.forgetting}"
            )
        if not 0 <= self.margin < np.inf:
            raise RekalError(f"margin must be a share of at least 0, but is {self.margin}")
        if (
            list(self.refit) != sorted({*self.refit})
            or min(self.refit, default=10**9) <= self.warmup
        ):
            raise RekalError(f"refit must rise from above the warm-up of {self.warmup} steps")
        if not self.sizes or not self.forgetting:
            raise RekalError("at least one size and one forgetting factor are needed")

    def run(
        self,
        values: Any,
        mask: Any = None,
        report: Callable[[str], None] | None = None,
    ) -> AdaptiveRun:
        """Train, filter and forecast one series.

        Args:
            values: `(time, obs)`.
            mask: True where observed; default everywhere that is not NaN.
            report: told what is being trained.

        Raises:
            RekalError: no real numbers `(time, obs)`, or infinite ones; a mask that is not of booleans in
                their shape; a series no longer than the warm-up, or a warm-up that is too short.
        """
        values = numeric_array(values, "values")
        if values.ndim != 2 or values.shape[1] == 0:
            raise RekalError(f"values have the axes (time, obs), but the shape {values.shape}")
        seen = ~np.isnan(values)
        if mask is not None:
            known = np.asarray(mask)
            if known.shape != values.shape or known.dtype != bool:
                raise RekalError(
                    f"mask is of booleans in the shape {values.shape} of the values, but has shape "
                    f"{known.shape} and type {known.dtype}"
                )
            seen &= known
        if np.isinf(values[seen]).any():
            raise RekalError("values hold an infinite number: give NaN where one is missing")
        steps, columns = values.shape
        if steps <= self.warmup:
            raise RekalError(
                f"a series of {steps} steps leaves none after {self.warmup} of warm-up"
            )
        values = np.where(seen, values, 0.0)
        sizes = sizes_for(columns, self.warmup, self.sizes)
        members, networks = {}, {}
        for n in sizes:
            forecasts, networks[n] = self._members(values, seen, n, report)
            for lam, issued in forecasts.items():
                members[n, lam] = held_in_range(issued, values, seen, self.margin)
        mean = np.mean(list(members.values()), axis=0)
        return AdaptiveRun(
            self.horizons, members, networks, self.with_intervals(mean, values, seen)
        )

    def training_times(self, steps: int) -> list[int]:
        """When models are trained for a series of so many steps."""
        return [t for t in (self.warmup, *self.refit) if t < steps]

    def with_intervals(
        self, mean: np.ndarray, values: np.ndarray, mask: np.ndarray
    ) -> RunningIntervals:
        """Intervals around any point forecasts `(time, horizons, obs)` issued after the warm-up."""
        _, scale = moments(values[: self.warmup], mask[: self.warmup])
        start = self.warmup + max(self.horizons)
        return running_intervals(
            mean, values, mask, self.horizons, start=start, floor=0.01 * scale, levels=LEVELS
        )

    def _members(
        self, values: np.ndarray, mask: np.ndarray, n: int, report: Callable[[str], None] | None
    ) -> tuple[dict[float, np.ndarray], list[Network]]:
        """Forecasts of one size for each forgetting factor, and the networks."""
        networks: list[Network] = []
        times = self.training_times(len(values))

        def follow(t0: int, end: int) -> Followed:
            if report is not None:
                report(f"{n} states, {t0} steps")
            network = fit_network(values[:t0], mask[:t0], n, self.em, self.seed, times[-1])
            networks.append(network)
            z = np.where(mask, (values - network.location) / network.scale, 0.0)[:end]
            key = jax.random.key(self.seed + 1)
            tracked = track(
                network.model, z, mask[:end], self.horizons, self.particles, key, length=len(values)
            )
            phi = features(np.asarray(tracked.state), np.asarray(tracked.innovation), t0)
            return Followed(phi, np.asarray(tracked.own), network.location, network.scale)

        issued = readout_members(follow, values, mask, times, self.horizons, self.forgetting)
        return issued, networks
