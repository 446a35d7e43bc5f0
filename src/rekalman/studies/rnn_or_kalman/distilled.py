"""Part (d): a network that is shown the forecasts of a Kalman filter, in its training range and beyond."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.rnn_or_kalman.accuracy import KINDS
from rekalman.studies.rnn_or_kalman.networks import Trained, outputs, train
from rekalman.studies.rnn_or_kalman.rows import row
from rekalman.studies.rnn_or_kalman.setting import INTO, SYSTEMS, UNITS, Setting, learner
from rekalman.studies.rnn_or_kalman.systems import STEPS, draw, exact, excess, stationary_system

SYSTEM = "4 states"
COUNT = 500
BEYOND = {
    "as in training": (1.0, 1),
    "amplitude x 2": (2.0, 1),
    "amplitude x 4": (4.0, 1),
    "length x 10": (1.0, 10),
}
"""Factor of states and noises, and of the length."""


def distilled(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Part (d): networks taught by the filter beside networks taught by the data alone."""
    count = min(COUNT, max(setting.counts))
    seeds = [*options.all_seeds]
    systems = [stationary_system(SYSTEMS[SYSTEM], seed) for seed in seeds]
    drawn = [draw(system, count, seed) for system, seed in zip(systems, seeds, strict=True)]
    values, inputs = (
        np.stack([getattr(one, name) for one in drawn]) for name in ("values", "inputs")
    )
    taught = np.stack(
        [exact(system, one).forecast for system, one in zip(systems, drawn, strict=True)]
    )
    rows: list[Row] = []
    record: dict[str, Any] = {}
    for i, kind in enumerate(KINDS):
        options.report(i, len(KINDS), f"distillation, {kind}")
        for teacher, targets in (("the Kalman filter", taught), ("the data", None)):
            setup = learner(kind, setting.updates, count)
            if targets is not None:  # a forecast has no noise of its own to be learned
                setup = dataclasses.replace(setup, learn_noise=False)
            trained = train(
                KINDS[kind], UNITS[kind], setup, values, inputs, targets, into=INTO[kind]
            )
            for where, (gain, times) in BEYOND.items():
                figures = _figures(trained, systems, seeds, setting.test, gain, times)
                label = f"{kind} taught by {teacher}, {SYSTEM}, {count} sequences, {where}"
                rows.append(row(label, "mse_ratio", figures, oracle=1.0))
                record[f"{kind}, {teacher}, {where}"] = figures
    return rows, record


def _figures(
    trained: Trained, systems: list[Any], seeds: list[int], test: int, gain: float, times: int
) -> list[float]:
    """Of each network: its error over that of the exact filter, on series of that gain and length."""
    figures = []
    for i, (system, seed) in enumerate(zip(systems, seeds, strict=True)):
        count = max(5, test // times)
        drawn = draw(system, count, seed + 700, steps=times * STEPS, gain=gain)
        best = exact(system, drawn).forecast
        predictions = outputs(trained, i, drawn.values, drawn.inputs)
        skipped = STEPS if times > 1 else 10
        figures.append(1 + excess(predictions, best, drawn.values, skipped))
    return figures
