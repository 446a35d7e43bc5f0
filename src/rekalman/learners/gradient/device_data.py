"""Where the series of a run lie, and how batches are taken from there."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int

from rekalman.learners.gradient.devices import Devices
from rekalman.learners.gradient.episodes import Episodes
from rekalman.learners.gradient.gradient_step import Minibatch
from rekalman.learners.gradient.shuffling import Draw


class DeviceData:
    """Series that are put on the devices once, where there is room; else batch by batch.

    On the devices a batch is gathered by the numbers of its series, which are all that is sent.

    Attributes:
        series: how many there are.
        steps: their length.
        entries: of an observation.
    """

    def __init__(self, devices: Devices, episodes: Episodes) -> None:
        self.series, self.steps = episodes.series, episodes.steps
        self.entries = math.prod(episodes.values.shape[2:])
        self._devices, self._episodes = devices, episodes
        self._resident = devices.everywhere(episodes) if devices.fit(episodes) else None

    def batch(self, draw: Draw, places: Int[np.ndarray, " entries"] | None = None) -> Minibatch:
        """The series of a draw; `places` tells where the entries of scrambled steps come from."""
        sent, places = self._devices.split(draw), self._devices.everywhere(places)
        options = (sent.counts, sent.hidden, sent.scrambled, places)
        if self._resident is not None:
            return Minibatch(self._resident, sent.which, *options)
        return Minibatch(self._devices.split_series(self._episodes, draw.which), None, *options)
