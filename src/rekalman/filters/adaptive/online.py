"""What an adaptive filter asks of its forecasters: to follow a series, and to learn readouts online."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.filters.adaptive.readout import Readout


class OnlineForecaster(eqx.Module):
    """A forecaster whose readouts correct its own forecasts.

    Attributes:
        readouts: as the training data left them, one for each forgetting factor and horizon.
    """

    readouts: eqx.AbstractVar[Readout]

    @property
    def horizons(self) -> int:
        """Number of horizons."""
        return self.readouts.size.shape[1]

    @property
    def dtype(self) -> Any:
        """Type of its numbers."""
        return self.readouts.weights.dtype

    @property
    @abc.abstractmethod
    def trained(self) -> Any:
        """What was trained before data arrive."""

    @property
    @abc.abstractmethod
    def made_by(self) -> tuple[str, int | None]:
        """The method that trained it, and the number of its states where there is one to choose."""

    @abc.abstractmethod
    def together(self, others: Sequence[OnlineForecaster]) -> str:
        """What several like this one are, in words.

        Args:
            others: all of them, this one first.
        """

    @abc.abstractmethod
    def init(self, particles: int, key: PRNGKeyArray | None) -> Any:
        """The belief before the first observation.

        Args:
            particles: how many follow the state of a network.
            key: start of the randomness, where there is any.
        """

    @abc.abstractmethod
    def predict(self, belief: Any, particles: int) -> Any:
        """One step through time."""

    @abc.abstractmethod
    def update(
        self,
        belief: Any,
        y: Float[Array, " obs"],
        seen: Bool[Array, " obs"],
        step: Int[Array, ""],
        particles: int,
        forgetting: tuple[float, ...],
        huber: float,
    ) -> tuple[Any, Float[Array, "factors horizons obs"]]:
        """One row enters; also what is forecast from it, for each forgetting factor and horizon.

        Args:
            belief: before the row; its `readouts` are those that were learned by then.
            y: the row; anything where it was not seen.
            seen: which entries were observed.
            step: number of rows before it.
            particles: how many follow the state of a network.
            forgetting: factors of the readouts.
            huber: errors above so many times the usual size are held down.
        """
