"""The loop of gradient training: epochs, batches, windows, validation, the best so far."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from rekal.errors import RekalError
from rekal.learning.devices import Devices
from rekal.learning.episodes import Episodes
from rekal.learning.gradient_step import Given, Judged, judge, step
from rekal.learning.optimiser import Recipe, State, begin
from rekal.learning.pool import Pool
from rekal.learning.shuffling import batch_size, in_order, shuffled
from rekal.learning.training_bar import BackpropProgress, BackpropReport
from rekal.networks.network import Network

LAG = 2
"""Losses are fetched so many steps late, so that the devices never wait for the host."""


class Plan(NamedTuple):
    """What is to be done, in numbers.

    Attributes:
        recipe: how parameters are moved.
        epochs: how often every series is trained on.
        size: series in a batch.
        batches: batches in an epoch.
        windows: windows in a series.
        length: steps in a window.
        blackouts: share of steps to hide.
        blackout_length: mean length of a span of hidden steps.
        patience: epochs without a better validation to stop after, or None.
        seed: start of all randomness.
    """

    recipe: Recipe
    epochs: int
    size: int
    batches: int
    windows: int
    length: int
    blackouts: float
    blackout_length: float
    patience: int | None
    seed: int


class BackpropResult(NamedTuple):
    """What a run of training leaves.

    Attributes:
        network: the network with the parameters of the best epoch, or of the last without validation.
        train: mean loss of each epoch, in nats a step, while parameters changed.
        validation: loss on the series for validation after each epoch; NaN without any.
        stopped: why it stopped: "epochs", "patience" or "interrupted".
        seconds: wall time.
        frames_per_second: steps of series trained on in a second, median over the epochs.
    """

    network: Network
    train: Float[np.ndarray, " epochs"]
    validation: Float[np.ndarray, " epochs"]
    stopped: str
    seconds: float
    frames_per_second: float


def train(
    plan: Plan,
    network: Network,
    episodes: Episodes,
    judged: Episodes | None,
    devices: Devices,
    report: BackpropReport | None,
) -> BackpropResult:
    """Train by a plan.

    Raises:
        RekalError: a loss, or its gradient, is not finite.
    """
    began = time.perf_counter()
    pool = Pool(devices, episodes.lengthened(plan.windows * plan.length))
    validating = None if judged is None else Pool(devices, judged)
    parameters, rest = eqx.partition(network, eqx.is_inexact_array)
    fixed = devices.everywhere(rest)
    state = begin(plan.recipe, devices.everywhere(parameters))
    best, best_loss, since = _copy(state.result), np.inf, 0
    losses: list[float] = []
    validations: list[float] = []
    speeds: list[float] = []
    stopped = "epochs"
    try:
        for epoch in range(plan.epochs):
            clock = _Clock(plan, epoch, validations[-1] if validations else None, report)
            state = _epoch(plan, epoch, fixed, state, pool, devices, clock)
            value = np.nan
            if validating is not None:
                value = _validate(plan, fixed, state.result, validating, devices)
            losses.append(clock.loss)
            validations.append(value)
            speeds.append(clock.speed)
            since += 1
            if validating is None or value < best_loss:
                best, best_loss, since = _copy(state.result), value, 0
            if plan.patience is not None and since >= plan.patience:
                stopped = "patience"
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
    # Uncommitted arrays, which go together with those on any device.
    trained = eqx.combine(jax.tree.map(lambda a: jnp.asarray(np.asarray(a)), best), rest)
    speed = float(np.median(speeds)) if speeds else 0.0
    seconds = time.perf_counter() - began
    return BackpropResult(trained, np.array(losses), np.array(validations), stopped, seconds, speed)


class _Clock:
    """Collects the losses of an epoch, late, and tells of them."""

    def __init__(
        self, plan: Plan, epoch: int, validation: float | None, report: BackpropReport | None
    ) -> None:
        self._plan, self._epoch, self._report = plan, epoch, report
        self._validation = (
            validation if validation is not None and validation == validation else None
        )
        self._waiting: deque[tuple[int, Judged]] = deque()
        self._total = self._steps = 0.0
        self._began = time.perf_counter()

    @property
    def loss(self) -> float:
        """Mean over the steps so far, in nats."""
        return self._total / max(self._steps, 1.0)

    @property
    def speed(self) -> float:
        """Steps of series in a second."""
        return self._steps / (time.perf_counter() - self._began)

    def add(self, batch: int, judged: Judged) -> None:
        """A loss that may not have been computed yet."""
        self._waiting.append((batch, judged))
        self.settle(LAG)

    def settle(self, waiting: int = 0) -> None:
        """Fetch all losses but the last few.

        Raises:
            RekalError: one of them is not finite.
        """
        while len(self._waiting) > waiting:
            batch, judged = self._waiting.popleft()
            total = float(judged.total)
            if not np.isfinite(total):
                raise RekalError(
                    f"the loss or its gradient is not finite in epoch {self._epoch + 1}, batch {batch + 1}: "
                    "lower the rate, or clip more"
                )
            self._total, self._steps = self._total + total, self._steps + float(judged.steps)
            if self._report is not None:
                at = (self._epoch + 1, self._plan.epochs, batch + 1, self._plan.batches)
                self._report(BackpropProgress(*at, self.loss, self._validation, self.speed))


def _epoch(
    plan: Plan,
    epoch: int,
    fixed: Network,
    state: State,
    pool: Pool,
    devices: Devices,
    clock: _Clock,
) -> State:
    spans = (pool.steps, plan.blackouts, plan.blackout_length)
    draws = shuffled(pool.series, plan.size, plan.seed, epoch, *spans)
    for number, draw in enumerate(draws):
        batch, belief = pool.batch(draw), None
        for window in range(plan.windows):
            begin = np.array(window * plan.length, np.int32)
            given = Given(plan.recipe, fixed, devices.same, batch, begin, plan.length)
            state, belief, judged = step(given, state, belief)
            clock.add(number, judged)
    clock.settle()
    return state


def _validate(
    plan: Plan, fixed: Network, parameters: PyTree, pool: Pool, devices: Devices
) -> float:
    draws = in_order(pool.series, batch_size(pool.series, plan.size, devices.count))
    parts = [judge(parameters, fixed, pool.batch(draw)) for draw in draws]
    return sum(float(p.total) for p in parts) / sum(float(p.steps) for p in parts)


def _copy(parameters: PyTree) -> PyTree:
    return jax.tree.map(jnp.copy, parameters)
