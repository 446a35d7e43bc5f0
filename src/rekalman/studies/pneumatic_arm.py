"""The pneumatic arm, forecast 1 to 10 steps (0.1 s) ahead, its actions known: networks beside a linear model.

The data are those of the action-conditional RKN (Shaj et al. 2020), of which 120 episodes are at hand
(`datasets/pneumatic_arm.py`): 80 to train on, 20 to choose the best epoch by, 20 to test on. The published
figures come from random splits of windows of 3,000 episodes and cannot be compared with. All methods forecast
from the same steps: every one of a test episode with 20 steps before and 10 after it.

* Networks see joints, pressures and how far each joint has moved since the step before, standardised. They
  are trained by back-propagation on the forecasts themselves, 1 to 10 steps from every step, and decode
  moves, not positions (`networks/forecaster.py`). LSTM, GRU and Elman network are as large as the RKN.
* The linear model sees joints and pressures and has 24 states: exact EM; its forecasts are those of the
  Kalman filter.
* Persistence: the joints stay where they are, with the variance that this had in training.
"""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

import numpy as np

from rekalman.data import Sequences
from rekalman.datasets.pneumatic_arm import ACTIONS, JOINTS, TEST, TRAIN, VALID, load_pneumatic_arm
from rekalman.fitting.result import Fit
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.films.comparison import Comparison, rows_of
from rekalman.studies.films.networks import Candidate
from rekalman.studies.known import taken_over
from rekalman.studies.pneumatic_arm_networks import Units, forecasts, network_of
from rekalman.studies.pneumatic_arm_scores import (
    AHEAD,
    HORIZONS,
    METRICS,
    WARM_UP,
    Forecasts,
    Windows,
    scores,
)
from rekalman.verbs.fit import fit

ACTED = (("inputs", len(ACTIONS)),)
OURS = Candidate(
    "RKN",
    "rkn",
    16,
    options=(*ACTED, ("bases", 4), ("control", ()), ("turn", 0.05), ("spread", 0.02)),
)
CANDIDATES = (
    OURS,
    Candidate("LSTM", "lstm", 16, like=OURS, options=ACTED),
    Candidate("GRU", "gru", 16, like=OURS, options=ACTED),
    Candidate("Elman", "elman", 16, like=OURS, options=ACTED),
)


class Setting(NamedTuple):
    """How much is trained, on how much.

    Attributes:
        train: episodes.
        valid: episodes that choose the best epoch.
        test: episodes.
        epochs: of back-propagation.
        states: of the linear model; 24 are two for each observed quantity.
    """

    train: range = TRAIN
    valid: range = VALID
    test: range = TEST
    epochs: int = 150
    states: int = 24


QUICK = Setting(TRAIN[:3], VALID[:1], TEST[:1], epochs=1, states=4)


class Parts(NamedTuple):
    """The episodes as they are used."""

    train: Sequences
    valid: Sequences
    test: Sequences


def run(options: StudyOptions) -> StudyResult:
    """All methods; each seed draws the networks and the order of their training anew."""
    began = time.perf_counter()
    setting = QUICK if options.quick else Setting()
    ranges = (setting.train, setting.valid, setting.test)
    parts = Parts(*(load_pneumatic_arm(options.data, which) for which in ranges))
    windows, units = Windows.of(parts.test), Units.of(parts.train)
    about = {
        "episodes": [[which.start, which.stop] for which in ranges],
        "windows": len(windows.at),
        "warm_up": WARM_UP,
    }
    learner = Backprop(epochs=setting.epochs, batch=5, rate=5e-3, clip=1.0, average=0.99)
    settings = {
        "quick": options.quick,
        "seed": options.seed,
        **about,
        "learner": vars(learner),
        "candidates": [each._asdict() for each in CANDIDATES],
    }
    known = taken_over(options.known, settings, options.all_seeds)
    comparison = Comparison(
        study="pneumatic-arm",
        train=units.prepare(parts.train),
        valid=units.prepare(parts.valid),
        candidates=CANDIDATES,
        learner=learner,
        build=network_of,
        score=lambda network: scores(forecasts(network, units, parts.test), windows),
        about=about,
    )
    result = comparison.run(options, known)
    fitted = fit(parts.train, "linear", states=setting.states, progress=False)
    result["linear, EM"] = [scores(linear(fitted, parts.test), windows)]
    result["persistence"] = [scores(persistence(parts.train, parts.test), windows)]
    return StudyResult(
        study="pneumatic-arm",
        rows=tuple(row for title, runs in result.items() for row in by_horizon(title, runs)),
        seeds=options.seeds or 1,
        seconds=time.perf_counter() - began,
        config={**settings, "all": result},
    )


def linear(fitted: Fit, test: Sequences) -> Forecasts:
    """What a linear model says of the windows of some episodes."""
    forecast = fitted.roll(test, range(1, AHEAD + 1))
    windows = Windows.of(test)
    rows = {key: i for i, key in enumerate(zip(forecast.series, forecast.origins, strict=True))}
    which = [rows[key] for key in zip(windows.series, windows.at, strict=True)]
    mean, std = (np.asarray(x)[which, :, : len(JOINTS)] for x in (forecast.mean, forecast.std))
    return Forecasts(mean, std**2)


def persistence(train: Sequences, test: Sequences) -> Forecasts:
    """The joints as they are."""
    before, windows = Windows.of(train), Windows.of(test)
    var = ((before.truth - before.now) ** 2).mean(0)
    return Forecasts(*(np.broadcast_to(x, windows.truth.shape) for x in (windows.now, var)))


def by_horizon(title: str, runs: list[dict[str, float]]) -> list[Row]:
    """Rows of one method: each metric at each horizon, the median over seeds."""
    rows = []
    for metric in METRICS:
        for h in HORIZONS:
            row, *_ = rows_of(title, [{metric: run[f"{metric} {h}"]} for run in runs], {}, {})
            rows.append(dataclasses.replace(row, horizon=h))
    return rows
