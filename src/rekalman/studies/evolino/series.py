"""The two tasks of forecasting: sums of sines, and the Mackey-Glass equation."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from rekalman.data import Sequences
from rekalman.datasets.recurrent.delay_equation import mackey_glass_runs
from rekalman.datasets.recurrent.oscillators import oscillators
from rekalman.learners.batch import as_batch
from rekalman.learners.evolution.evolino import Evolino
from rekalman.learners.evolution.readout import with_readout
from rekalman.networks.lstm import LSTM
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.evolino.baselines import FreeRuns, Split, autoregression, echo_state
from rekalman.studies.evolino.free_runs import free_runs
from rekalman.studies.evolino.gradient import trained_networks
from rekalman.studies.evolino.settings import CHAOS, SINES, Setting

TRAINED, TESTED = 400, 300
"""Samples of the sums of sines to learn from, and to run freely."""
AHEAD = 84
"""Steps ahead of the Mackey-Glass equation (Jaeger 2001)."""
LARGEST = 1e6
"""Errors of runs that break down are cut there."""

Series = Float[np.ndarray, " steps"]


class Task(NamedTuple):
    """A series to learn from and forecasts to make, in units of the first.

    Attributes:
        train: mean 0 and variance 1.
        split: how the training series is used.
        bred: the last so many samples are bred on.
        known: the series from whose steps forecasts are made.
        origins: first steps that are predicted.
        steps: length of each run.
        last: whether the error of the last step counts alone.
        truth: what should be predicted.
    """

    train: Series
    split: Split
    bred: int
    known: Series
    origins: Int[np.ndarray, " runs"]
    steps: int
    last: bool
    truth: Float[np.ndarray, "runs horizon"]

    def error(self, run: FreeRuns) -> float:
        """Root mean squared error over the standard deviation of what is predicted."""
        with np.errstate(over="ignore", invalid="ignore"):
            said = np.nan_to_num(run(self.known, self.origins, self.steps), nan=LARGEST)
        part = slice(-1, None) if self.last else slice(None)
        off = np.clip(said, -LARGEST, LARGEST)[:, part] - self.truth[:, part]
        return float(np.sqrt(np.mean(off**2)) / self.truth[:, part].std())


def sines_task(count: int, first: int = 0) -> Task:
    """Learn from 400 samples of a sum of sines, and run freely for 300 more."""
    y = oscillators(count, TRAINED + TESTED, first)
    y = (y - y[:TRAINED].mean()) / y[:TRAINED].std()
    known, truth = y[:TRAINED], y[None, TRAINED:]
    origins = np.array([TRAINED])
    return Task(known, Split(100, 300, 100), TRAINED, known, origins, TESTED, False, truth)


def mackey_glass_task(setting: Setting, seed: int) -> Task:
    """Learn from one run of the equation, and forecast another 84 steps ahead from many steps."""
    tested = setting.steps // 6 + 34 * setting.origins + AHEAD
    random = np.random.default_rng(seed)
    runs = mackey_glass_runs(2, max(setting.steps, tested), random)
    mean, scale = runs[0, : setting.steps].mean(), runs[0, : setting.steps].std()
    train, known = (runs[0, : setting.steps] - mean) / scale, (runs[1] - mean) / scale
    origins = setting.steps // 6 + 34 * np.arange(setting.origins)
    truth = known[origins[:, None] + np.arange(AHEAD)]
    split = Split(100, 3 * setting.steps // 4, AHEAD)
    return Task(train, split, setting.bred, known, origins, AHEAD, True, truth)


def evolved(task: Task, learner: Evolino, units: int, seed: int) -> RecurrentPredictor:
    """A network that Evolino bred, with the readout of the whole training series."""
    key = jax.random.key(seed)
    start = RecurrentPredictor.create(LSTM, 1, units=units, direct=True, key=key)
    part = Sequences.from_arrays(task.train[-task.bred :, None])
    made = learner.run(start, part, key=jax.random.fold_in(key, 1)).model
    with jax.enable_x64(True):
        whole = as_batch(Sequences.from_arrays(task.train[:, None]))
        return with_readout(made, whole, learner.penalty, learner.washout)


def runs_of(network: RecurrentPredictor) -> FreeRuns:
    """The free runs of a network."""
    return lambda y, origins, steps: free_runs(network, y[:, None], origins, steps)[..., 0]


Errors = dict[str, list[float]]


def errors_of(
    options: StudyOptions, tasks: list[Task], learner: Evolino, sizes: tuple[int, int, int, int],
    seeds: list[int], name: str,
) -> Errors:  # fmt: skip
    """The error of each method for each seed.

    Args:
        options: whose progress is told.
        tasks: one for each seed.
        learner: how networks are bred.
        sizes: LSTM units, units of the reservoir, GRU units, updates of back-propagation.
        seeds: of the networks.
        name: of the task.
    """
    lstm, reservoir, gru, updates = sizes
    made: Errors = {"Evolino": [], "best random LSTM": [], "ESN": [], "GRU": [], "linear": []}
    first = dataclasses.replace(learner, generations=1)
    for i, (task, seed) in enumerate(zip(tasks, seeds, strict=True)):
        options.report(i, len(seeds), name)
        for title, setup in (("Evolino", learner), ("best random LSTM", first)):
            made[title].append(task.error(runs_of(evolved(task, setup, lstm, seed))))
        made["ESN"].append(task.error(echo_state(task.train, task.split, reservoir, seed)))
        made["linear"].append(task.error(autoregression(task.train, task.split)))
    options.report(len(seeds), len(seeds), f"{name}, back-propagation")
    rows = np.stack([task.train[None, :, None] for task in tasks])
    networks = trained_networks(
        rows,
        None,
        np.ones(rows.shape[1:3], bool),
        units=gru,
        updates=updates,
        seeds=seeds,
        window=100,
    )
    made["GRU"] = [
        task.error(runs_of(network)) for task, network in zip(tasks, networks, strict=True)
    ]
    return made


def rows_of(
    system: str,
    metric: str,
    errors: Errors,
    horizon: int,
    better: Literal["lower", "higher"] = "lower",
) -> list[Row]:
    """A row for each method: median, worst and spread over the seeds."""
    worst = np.max if better == "lower" else np.min
    return [
        Row(
            f"{system}, {method}",
            metric,
            float(np.median(each)),
            float(worst(each)),
            float(np.ptp(each)),
            better,
            horizon=horizon or None,
        )
        for method, each in errors.items()
    ]


def oscillator_rows(
    options: StudyOptions, setting: Setting, seeds: list[int]
) -> tuple[list[Row], dict[str, Any]]:
    """The sums of sines; the series is always the same, the networks differ."""
    rows, records = [], {}
    for count in setting.sines:
        name = f"{count} sines"
        tasks = [sines_task(count)] * len(seeds)
        sizes = (setting.lstm[0], setting.reservoir[0], setting.gru, setting.updates)
        errors = errors_of(options, tasks, setting.limited(SINES), sizes, seeds, name)
        rows += rows_of(name, "nrmse_free_run", errors, TESTED)
        records[name] = errors
    return rows, records


def mackey_glass_rows(
    options: StudyOptions, setting: Setting, seeds: list[int]
) -> tuple[list[Row], dict[str, Any]]:
    """The Mackey-Glass equation; each seed has series of its own."""
    name = "Mackey-Glass, delay 17"
    tasks = [mackey_glass_task(setting, seed) for seed in seeds]
    sizes = (setting.lstm[2], setting.reservoir[1], setting.gru, setting.updates)
    errors = errors_of(options, tasks, setting.limited(CHAOS), sizes, seeds, name)
    return rows_of(name, "nrmse_84", errors, AHEAD), {name: errors}
