"""The losses of an epoch while it runs, and what is said when one of them is no number."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.gradient_step import Judged
from rekalman.learners.gradient.training_bar import BackpropProgress, BackpropReport

LAG = 2
"""Losses are fetched so many steps late, so that the devices never wait for the host."""


class Losses:
    """Collects the losses of an epoch, late, and tells of them."""

    def __init__(
        self,
        epoch: tuple[int, int],
        batches: int,
        validation: float | None,
        report: BackpropReport | None,
        folder: Path | None,
    ) -> None:
        """Begin an epoch.

        Args:
            epoch: how many there were, and how many there are to be.
            batches: of an epoch.
            validation: loss after the last epoch, or None.
            report: called after each batch.
            folder: where checkpoints are, or None.
        """
        self._epoch, self._batches, self._validation = epoch, batches, validation
        self._report, self._folder = report, folder
        self._waiting: deque[tuple[int, Judged]] = deque()
        self._total = self._steps = 0.0
        self._began = time.perf_counter()

    @property
    def mean(self) -> float:
        """Over the steps so far, in nats."""
        return self._total / max(self._steps, 1.0)

    @property
    def speed(self) -> float:
        """Steps of series in a second."""
        return self._steps / (time.perf_counter() - self._began)

    def add(self, batch: int, judged: Judged) -> None:
        """Take a loss that may not have been computed yet."""
        self._waiting.append((batch, judged))
        self.fetch(LAG)

    def fetch(self, but: int = 0) -> None:
        """Fetch all losses but the last few.

        Raises:
            RekalError: one of them is not finite.
        """
        done, epochs = self._epoch
        while len(self._waiting) > but:
            batch, judged = self._waiting.popleft()
            total = float(judged.total)
            if not np.isfinite(total):
                where = f"or its gradient is not finite in epoch {done + 1}, batch {batch + 1}"
                raise not_finite(where, self._folder, done)
            self._total, self._steps = self._total + total, self._steps + float(judged.steps)
            if self._report is not None:
                at = (done + 1, epochs, batch + 1, self._batches)
                self._report(BackpropProgress(*at, self.mean, self._validation, self.speed))


def not_finite(where: str, folder: Path | None, done: int) -> RekalError:
    """What to say of a loss that is no number, and where the network of the epochs before is.

    Args:
        where: it happened.
        folder: where checkpoints are, or None.
        done: how many epochs are done.
    """
    sentence = f"the loss {where}: lower the rate, or clip more"
    if folder is not None and done:
        sentence += (
            f"; to go on from epoch {done}, train what rekalman.load_checkpoint reads from {folder}, with "
            "another folder for its checkpoints"
        )
    return RekalError(sentence)
