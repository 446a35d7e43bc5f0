"""What can be compared: whatever learns from series and then forecasts them from any step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from rekalman.data import Sequences
from rekalman.forecasting import Forecast

Tick = Callable[[], None]
"""Called while a candidate learns; raises `OutOfTime` when its time is over."""


class OutOfTime(Exception):
    """The budget of a comparison ended during a training."""


class Size(NamedTuple):
    """How large something learned is.

    Attributes:
        parameters: how many numbers it holds that were learned, or None where that is not known.
        file: bytes of its file, or None where it has none.
    """

    parameters: int | None = None
    file: int | None = None


@runtime_checkable
class Learned(Protocol):
    """What a candidate has learned."""

    def roll(self, data: Sequences, horizons: Sequence[int], origins: list[np.ndarray]) -> Forecast:
        """Forecasts in raw units; nothing after an origin enters those made there.

        Args:
            data: the series that were learned from, and what came after.
            horizons: steps ahead.
            origins: steps of each series to forecast from.
        """
        ...

    def size(self) -> Size:
        """How large it is."""
        ...

    def update_seconds(self, data: Sequences) -> float | None:
        """Seconds that one more sample takes in a stream, or None where that is not known.

        Args:
            data: one series to take samples from.
        """
        ...


@runtime_checkable
class Candidate(Protocol):
    """A way of learning and forecasting.

    Attributes:
        name: under which it is listed.
        group: "naive", "baseline", "rekalman", "statsforecast" or "foundation model".
        cost: CPU seconds that it usually takes to learn from a thousand samples.
        by_series: whether it learns each series by itself, so that they can be spread over processes.
        dynamics: "naive", "linear" or "nonlinear", or empty where that depends on the data.
        hidden: whether what is observed is a state behind noise; None where that depends on the data.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def group(self) -> str: ...  # noqa: D102

    @property
    def cost(self) -> float: ...  # noqa: D102

    @property
    def by_series(self) -> bool: ...  # noqa: D102

    @property
    def dynamics(self) -> str: ...  # noqa: D102

    @property
    def hidden(self) -> bool | None: ...  # noqa: D102

    def check(self, data: Sequences) -> None:
        """Refuse data that it cannot learn from.

        Raises:
            RekalError: in one sentence.
        """
        ...

    def learn(self, data: Sequences, seed: int, tick: Tick) -> Learned:
        """Learn from data.

        Raises:
            RekalError: it cannot.
            OutOfTime: from `tick`.
        """
        ...
