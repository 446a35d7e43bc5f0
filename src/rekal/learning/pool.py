"""Where the series of a run lie, and how batches are taken from there."""

from __future__ import annotations

from rekal.learning.devices import Devices
from rekal.learning.episodes import Episodes
from rekal.learning.gradient_step import Minibatch
from rekal.learning.shuffling import Draw


class Pool:
    """Series that are put on the devices once, where there is room; else batch by batch.

    On the devices a batch is gathered by the numbers of its series, which are all that is sent.
    """

    def __init__(self, devices: Devices, episodes: Episodes) -> None:
        self.series, self.steps = episodes.series, episodes.steps
        self._devices, self._episodes = devices, episodes
        self._resident = devices.everywhere(episodes) if devices.fit(episodes) else None

    def batch(self, draw: Draw) -> Minibatch:
        """The series of a draw."""
        index, counts, hidden = self._devices.split(draw)
        if self._resident is not None:
            return Minibatch(self._resident, index, counts, hidden)
        series = self._devices.split_series(self._episodes, draw.which)
        return Minibatch(series, None, counts, hidden)
