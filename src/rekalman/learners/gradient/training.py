"""The loop of gradient training: epochs, batches, windows, validation, the best so far."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.checkpoints import Checkpoint, Checkpoints
from rekalman.learners.gradient.device_data import DeviceData
from rekalman.learners.gradient.devices import Devices
from rekalman.learners.gradient.gradient_step import StepInputs, judge, step
from rekalman.learners.gradient.losses import Losses, not_finite
from rekalman.learners.gradient.metrics_log import MetricsLog, Record
from rekalman.learners.gradient.optimiser import (
    OptimiserSettings,
    State,
    begin,
    flatten,
    learning_rate,
)
from rekalman.learners.gradient.shuffling import Disturbance, batch_size, in_order, places, shuffled
from rekalman.learners.gradient.training_bar import BackpropReport
from rekalman.networks.network import Network


class Plan(NamedTuple):
    """What is to be done, in numbers.

    Attributes:
        optimiser_settings: how parameters are moved.
        epochs: how often every series is trained on.
        size: series in a batch.
        batches: batches in an epoch.
        windows: windows in a series.
        length: steps in a window.
        disturbance: what is done to steps.
        patience: epochs without a better validation to stop after, or None.
        seed: start of all randomness.
    """

    optimiser_settings: OptimiserSettings
    epochs: int
    size: int
    batches: int
    windows: int
    length: int
    disturbance: Disturbance
    patience: int | None
    seed: int


class Outputs(NamedTuple):
    """Where a run tells of itself.

    Attributes:
        checkpoints: to continue from, or None.
        log: of each epoch.
        report: called after each batch, or None.
    """

    checkpoints: Checkpoints | None
    log: MetricsLog
    report: BackpropReport | None


class Outcome(NamedTuple):
    """What a run leaves.

    Attributes:
        best: parameters of the best epoch, or of the last without validation.
        records: of each epoch.
        stopped: why it stopped: "epochs", "patience" or "interrupted".
    """

    best: Float[np.ndarray, " parameters"]
    records: list[Record]
    stopped: str


class Training:
    """A run: what does not change in it, and how far it has come."""

    def __init__(
        self,
        plan: Plan,
        network: Network,
        devices: Devices,
        pool: DeviceData,
        judged: DeviceData | None,
        outputs: Outputs,
    ) -> None:
        """Begin, or continue from the last checkpoint.

        Args:
            plan: what is to be done.
            network: where to begin.
            devices: what to compute on.
            pool: series to train on.
            judged: series for validation, or None.
            outputs: where to tell.

        Raises:
            RekalError: the checkpoint is of another run, or of more epochs.
        """
        self._plan, self._devices, self._pool, self._judged = plan, devices, pool, judged
        self._outlets, self._network = outputs, devices.everywhere(network)
        start = devices.everywhere(flatten(network))
        self._state: State = devices.everywhere(begin(plan.optimiser_settings, start))
        self._best = start
        self._records: list[Record] = []
        if outputs.checkpoints is not None:
            self._load(outputs.checkpoints)

    def run(self) -> Outcome:
        """Train to the end, or until Ctrl-C.

        Raises:
            RekalError: a loss, or its gradient, is not finite.
            KeyboardInterrupt: Ctrl-C in the first epoch, of this run and those that it continues.
        """
        began, before = time.perf_counter(), self._records[-1].seconds if self._records else 0.0
        self._outlets.log.write(self._records)
        stopped = "epochs"
        try:
            while len(self._records) < self._plan.epochs:
                if self._waited() >= (self._plan.patience or np.inf):
                    stopped = "patience"
                    break
                loss, speed = self._epoch()
                value = None if self._judged is None else self._validate(self._judged)
                rate = learning_rate(self._plan.optimiser_settings, self._state.step - 1)
                seconds = before + time.perf_counter() - began
                self._keep(Record(len(self._records) + 1, loss, value, float(rate), speed, seconds))
        except KeyboardInterrupt:
            if not self._records:  # nothing was learned
                raise
            stopped = "interrupted"
        return Outcome(np.asarray(self._best), self._records, stopped)

    def _epoch(self) -> tuple[float, float]:
        plan, epoch = self._plan, len(self._records)
        last = self._records[-1].validation if self._records else None
        losses = Losses(
            (epoch, plan.epochs), plan.batches, last, self._outlets.report, self._folder
        )
        pool, disturbance = self._pool, plan.disturbance
        draws = shuffled(pool.series, plan.size, plan.seed, epoch, pool.steps, disturbance)
        for number, draw in enumerate(draws):
            moved = (
                places(pool.entries, plan.seed, epoch, number)
                if disturbance.permute_probability
                else None
            )
            batch, belief = pool.batch(draw, moved), None
            for window in range(plan.windows):
                at = np.array(window * plan.length, np.int32)
                given = StepInputs(
                    plan.optimiser_settings,
                    self._network,
                    self._devices.same,
                    batch,
                    at,
                    plan.length,
                )
                self._state, belief, judged = step(given, self._state, belief)
                losses.add(number, judged)
        losses.fetch()
        return losses.mean, losses.speed

    def _validate(self, pool: DeviceData) -> float:
        size = batch_size(pool.series, self._plan.size, self._devices.count)
        parts = [
            judge(self._state.result, self._network, self._devices.same, pool.batch(draw))
            for draw in in_order(pool.series, size)
        ]
        loss = sum(float(p.total) for p in parts) / sum(float(p.steps) for p in parts)
        if not np.isfinite(loss):
            where = (
                f"on the series for validation is not finite after epoch {len(self._records) + 1}"
            )
            raise not_finite(where, self._folder, len(self._records))
        return loss

    @property
    def _folder(self) -> Path | None:
        """Where checkpoints are."""
        return None if self._outlets.checkpoints is None else self._outlets.checkpoints.folder

    def _waited(self) -> int:
        """Epochs since the best validation."""
        losses = [record.validation for record in self._records if record.validation is not None]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0

    def _keep(self, record: Record) -> None:
        self._records.append(record)
        if self._waited() == 0:
            self._best = jnp.copy(self._state.result)
        if self._outlets.checkpoints is not None:
            leaves = jax.tree.leaves((self._state, self._best))  # the best last (`load_checkpoint`)
            self._outlets.checkpoints.save(
                record.epoch, Checkpoint(leaves, {"records": self._records})
            )
        self._outlets.log.write(self._records)

    def _load(self, checkpoints: Checkpoints) -> None:
        leaves, tree = jax.tree.flatten((self._state, self._best))
        result = checkpoints.load(leaves)
        if result is not None:
            self._state, self._best = jax.tree.unflatten(tree, result.arrays)
            self._records = [Record(*row) for row in result.words["records"]]
        if len(self._records) > self._plan.epochs:
            raise RekalError(
                f"{checkpoints.folder}: this checkpoint is of {len(self._records)} epochs already, "
                f"more than the {self._plan.epochs} asked for"
            )
