"""The published tables: a network taught the true states, against the filter with the true model."""

from __future__ import annotations

from typing import Any

import numpy as np

from rekalman.networks.gru import GRU
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.rnn_or_kalman.curved import drawn, particle_answer, published
from rekalman.studies.rnn_or_kalman.networks import outputs, train
from rekalman.studies.rnn_or_kalman.rows import row
from rekalman.studies.rnn_or_kalman.setting import INTO, Setting, learner
from rekalman.studies.rnn_or_kalman.systems import SKIPPED, draw, exact, excess, published_system

SOURCE = "kevin1zc/transformer-as-kalman-filter, README (2,500 sequences, one system, other random numbers)"
LINEAR = {1: 0.045426 / 0.045274, 4: 0.012011 / 0.011927}
"""Published error of a GRU over that of the time-varying filter, by the number of states."""
GRU_4, PARTICLES_4 = 0.976323, 1.809432
"""Published errors of a GRU and of 1,024 particles with four nonlinear states."""
UNITS = {"linear": 8, "nonlinear": 24}
COUNT = 500
SEEDS = 2
"""Systems of the nonlinear table."""


def late(rows: np.ndarray) -> np.ndarray:
    """Rows with one more step, so that the output before it is what follows from all rows."""
    return np.concatenate([rows, np.zeros_like(rows[..., :1, :])], -2)


def taught_states(states: np.ndarray) -> np.ndarray:
    """Targets of a network that says the state of each step once it has seen its row."""
    return np.concatenate([np.full_like(states[..., :1, :], np.nan), states], -2)


def tables(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Errors of the state, the first ten steps left out as in the published tables."""
    rows, record = _linear(options, setting)
    more, figures = _nonlinear(options, setting)
    return [*rows, *more], {**record, **figures}


def _network(
    kind: str, values: np.ndarray, states: np.ndarray, tests: list[np.ndarray], setting: Setting
) -> list[np.ndarray]:
    """States of the test series, as a network for each system says them."""
    none = lambda y: np.zeros((*y.shape[:-1], 0))  # noqa: E731
    trained = train(
        GRU,
        UNITS[kind],
        learner("GRU", setting.updates, values.shape[1]),
        late(values),
        none(late(values)),
        taught_states(states),
        into=INTO["GRU"],
    )
    return [outputs(trained, i, late(y), none(late(y)))[:, 1:] for i, y in enumerate(tests)]


def _linear(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    rows, record = [], {}
    count = min(COUNT, max(setting.counts))
    for states, theirs in LINEAR.items():
        options.report(states, 5, f"published table, {states} states")
        systems = [published_system(states, seed) for seed in options.all_seeds]
        train_on = [draw(system, count, seed) for seed, system in enumerate(systems)]
        tests = [draw(system, setting.test, seed + 500) for seed, system in enumerate(systems)]
        predictions = _network(
            "linear",
            np.stack([each.values for each in train_on]),
            np.stack([each.states for each in train_on]),
            [each.values for each in tests],
            setting,
        )
        figures = [
            1 + excess(one, exact(system, test).filtered, test.states)
            for one, system, test in zip(predictions, systems, tests, strict=True)
        ]
        label = f"GRU taught the states, published rule, {states} states, {count} sequences"
        rows.append(
            row(label, "state_mse_ratio", figures, published=theirs, source=SOURCE, oracle=1.0)
        )
        record[label] = figures
    return rows, record


def _nonlinear(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    seeds = [*options.all_seeds][: 1 if options.quick else SEEDS]
    systems = [published(4, seed) for seed in seeds]
    count = min(COUNT, max(setting.counts))
    train_on = [drawn(system, count, seed, 1) for seed, system in zip(seeds, systems, strict=True)]
    tests = [
        drawn(system, max(3, setting.test // 50), seed + 500, 1)
        for seed, system in zip(seeds, systems, strict=True)
    ]
    mse = lambda one, x: float(np.square(one - x)[:, SKIPPED:].mean())  # noqa: E731
    predictions = _network(
        "nonlinear",
        np.stack([y for _, y in train_on]),
        np.stack([x for x, _ in train_on]),
        [y for _, y in tests],
        setting,
    )
    label = f"published rule, 4 nonlinear states, {len(seeds)} systems"
    figures: dict[str, list[float]] = {
        f"GRU taught the states, {count} sequences": [
            mse(one, x) for one, (x, _) in zip(predictions, tests, strict=True)
        ]
    }
    counts = (50, 100) if options.quick else (1024, 16_384, 65_536)
    for particles in counts:
        for i, (system, (x, y)) in enumerate(zip(systems, tests, strict=True)):
            options.report(i, len(systems), f"{particles} particles, {label}")
            filtered = particle_answer(system, y, particles, seeds[i], 1)[1]
            figures.setdefault(f"particle filter, {particles} particles", []).append(
                mse(filtered, x)
            )
    theirs = {"GRU": GRU_4, "1024": PARTICLES_4}
    rows = []
    for method, each in figures.items():
        known = next((v for k, v in theirs.items() if k in method), None)
        more = {} if known is None else {"published": known, "source": SOURCE}
        rows.append(row(f"{method}, {label}", "state_mse", each, **more))
    return rows, {f"{method}, {label}": each for method, each in figures.items()}
