"""What is forecast from where, and when a method is trained again: the plan of a rolling-origin evaluation.

The end of each series is the test. A forecast is made from the last sample before it and from every later
one, and compared with what came true (Tashman 2000, Int. J. Forecasting 16). Between two trainings a method
goes on filtering with the parameters that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from rekalman.data import Sequences
from rekalman.data.slicing import beginnings, pieces
from rekalman.data.time.seasons import season_of
from rekalman.forecasting.checks import steps_of
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError

TEST = 0.25
"""Share of each series that is forecast, where nothing else is asked for."""
USUAL_HORIZON = 12
"""Steps ahead where there is no season."""
MOST_ORIGINS = 2000
"""Forecasts are made from at most so many steps of all series together."""
FEWEST_TRAINED, FEWEST_WINDOW = 5, 10
"""Samples of a series that a method learns from, and of a sliding window, at least."""


class Fold(NamedTuple):
    """One training, and the origins that are forecast from with what it learned.

    Attributes:
        starts: first step of each series that is learned from `(batch,)`.
        stops: the step after the last one.
        origins: steps of each series after whose observation a forecast is made.
    """

    starts: Int[np.ndarray, " batch"]
    stops: Int[np.ndarray, " batch"]
    origins: list[np.ndarray]

    def training(self, data: Sequences) -> Sequences:
        """What is learned from; of an expanding window in the shape of the whole, with padding."""
        if self.starts.any():
            return pieces(data, self.starts, self.stops)
        return beginnings(data, self.stops)


@dataclass(frozen=True)
class Plan:
    """A rolling-origin evaluation.

    Attributes:
        horizons: steps ahead, increasing.
        first: number of steps of each series before the test `(batch,)`.
        origins: steps of each series that are forecast from.
        refit: steps between two trainings; None = one training, before the test.
        window: samples of the sliding window that is learned from; None = all so far.
    """

    horizons: tuple[int, ...]
    first: Int[np.ndarray, " batch"]
    origins: list[np.ndarray]
    refit: int | None = None
    window: int | None = None

    @classmethod
    def of(
        cls,
        data: Sequences,
        horizons: int | Sequence[int] | None = None,
        test: int | float = TEST,
        refit: int | None = None,
        window: int | None = None,
        season: int | None = None,
    ) -> Plan:
        """The plan for some data.

        Args:
            data: the series.
            horizons: steps ahead: a number means every step up to it, several mean those; default a season,
                or 12, as far as the test allows.
            test: share of each series, or number of its samples, that is forecast.
            refit: steps between two trainings; None = never.
            window: samples of a sliding window; None = all so far.
            season: steps of a season, or None.

        Raises:
            RekalError: the test leaves less than two origins or too little to learn from, a horizon is
                longer than the test, or the window is longer than what comes before it.
        """
        lengths = np.asarray(data.lengths)
        tested = _tested(lengths, test)
        first, shortest = lengths - tested, int(tested.min())
        if horizons is None:
            ahead = tuple(range(1, max(1, min(season or USUAL_HORIZON, shortest // 2)) + 1))
        else:
            ahead = steps_of(horizons)
        if ahead[-1] > shortest:
            raise RekalError(
                f"a horizon of {ahead[-1]} steps is longer than the test of {shortest} samples: take a "
                "shorter horizon or a larger test"
            )
        # Inputs are known to the end of the data only.
        last = lengths - 1 - (ahead[-1] if data.n_inputs else ahead[0])
        every = max(1, int(tested.sum()) // MOST_ORIGINS)
        origins = [np.arange(a - 1, b + 1, every) for a, b in zip(first, last, strict=True)]
        fewest = int(np.argmin([len(each) for each in origins]))
        if len(origins[fewest]) < 2:
            raise RekalError(
                f"the test of {int(tested[fewest])} samples in {_named(data, fewest)} leaves "
                f"{len(origins[fewest])} origins of forecasts, and two are needed: take a larger test or a "
                "shorter horizon"
            )
        if (first < FEWEST_TRAINED).any():
            short = int(np.argmin(first))
            raise RekalError(
                f"the test leaves {int(first[short])} samples to learn from in {_named(data, short)}: "
                f"{FEWEST_TRAINED} at least are needed"
            )
        if refit is not None:
            whole("refit", refit, 1)
        if window is not None:
            whole("window", window, FEWEST_WINDOW, int(first.min()))
        return cls(ahead, first, origins, refit, window)

    def folds(self) -> list[Fold]:
        """The trainings, in the order of time."""
        if self.refit is None:
            return [self._fold(self.first, self.origins)]
        longest = max(int(each[-1] - each[0]) for each in self.origins)
        folds = []
        for step in range(0, longest + 1, self.refit):
            begin = self.first - 1 + step
            chosen = [
                each[(each >= a) & (each < a + self.refit)]
                for each, a in zip(self.origins, begin, strict=True)
            ]
            ends = np.array([each[-1] for each in self.origins])
            folds.append(self._fold(np.minimum(self.first + step, ends + 1), chosen))
        return [fold for fold in folds if any(map(len, fold.origins))]

    def _fold(self, stops: np.ndarray, origins: list[np.ndarray]) -> Fold:
        starts = np.zeros_like(stops) if self.window is None else stops - self.window
        return Fold(starts, stops, origins)


def season_before(data: Sequences, test: int | float) -> int | None:
    """Steps of a season, as what comes before the test shows it; None where there is none.

    Args:
        data: the series.
        test: share of each series, or number of its samples, that is forecast.
    """
    if data.dt is not None:
        return None
    try:
        first = Plan.of(data, 1, test).first
    except RekalError:  # refused again with the horizons that were asked for
        return None
    return season_of(data, np.asarray(beginnings(data, first).mask))


def _tested(lengths: np.ndarray, test: int | float) -> np.ndarray:
    """Number of samples of each series that are forecast.

    Raises:
        RekalError: `test` is neither a share nor a number of samples.
    """
    numeric = isinstance(test, int | float | np.number) and not isinstance(test, bool)
    if not numeric or not 0 < test < np.inf:
        raise RekalError(
            f"test is a share of the data between 0 and 1 or a number of samples, but is {test!r}"
        )
    if test < 1:
        return np.ceil(float(test) * lengths).astype(lengths.dtype)
    if float(test) != int(test):
        raise RekalError(f"test is a share below 1 or a whole number of samples, but is {test!r}")
    if int(test) >= lengths.min():
        raise RekalError(
            f"a test of {int(test)} samples leaves nothing to learn from: the shortest series has "
            f"{int(lengths.min())}"
        )
    return np.full_like(lengths, int(test))


def _named(data: Sequences, i: int) -> str:
    """A series in words."""
    return f"series '{data.series_names[i]}'" if data.batch > 1 else "the series"
