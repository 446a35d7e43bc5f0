"""Part (c): nonlinear systems, where the exact answer is a particle filter with the true model."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import rekalman
from rekalman.data import Sequences
from rekalman.fitting.verbs import filter_paths, one_step
from rekalman.networks.gru import GRU
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.rnn_or_kalman.accuracy import linear_model
from rekalman.studies.rnn_or_kalman.curved import (
    Curved,
    bistable,
    drawn,
    lorenz,
    particle_answer,
    van_der_pol,
)
from rekalman.studies.rnn_or_kalman.networks import outputs, train
from rekalman.studies.rnn_or_kalman.rows import row
from rekalman.studies.rnn_or_kalman.setting import INTO, Setting, learner
from rekalman.studies.rnn_or_kalman.systems import Drawn, exact, excess

UNITS, STATES = 16, 4
COUNTS = (30, 300)
"""Training sequences."""
EM_RNN_ON = tuple((f"{name}, noise 0.5", 0) for name in ("Van der Pol, mu 2", "Lorenz", "bistable"))
"""Systems, with their seeds, on which EM-RNN is trained: it takes a minute for each."""


def conditions() -> dict[str, Curved]:
    """The systems, each with little and much nonlinearity or noise."""
    each = {
        (name, noise): make(noise)
        for name, make in {
            "Van der Pol, mu 0.5": lambda noise: van_der_pol(0.5, noise),
            "Van der Pol, mu 2": lambda noise: van_der_pol(2.0, noise),
            "Lorenz": lorenz,
            "bistable": lambda noise: bistable(2.0, noise),
        }.items()
        for noise in (0.1, 0.5)
    }
    return {f"{name}, noise {noise:g}": system for (name, noise), system in each.items()}


def nonlinear(options: StudyOptions, setting: Setting) -> tuple[list[Row], dict[str, Any]]:
    """Part (c): one-step errors over that of the particle filter with the true model."""
    seeds = [*options.all_seeds][: setting.nonlinear_seeds]
    systems = conditions() if not options.quick else {"bistable": bistable(2.0, 0.5)}
    counts = COUNTS if not options.quick else (12,)
    pairs = [(name, seed) for name in systems for seed in seeds]
    data = {pair: drawn(systems[pair[0]], max(counts), pair[1])[1] for pair in pairs}
    tests, best = {}, {}
    figures: dict[tuple[str, str], list[float]] = {}
    few, many = setting.particles
    for i, (name, seed) in enumerate(pairs):
        options.report(i, len(pairs), f"particle filter, {name}")
        test = drawn(systems[name], max(3, setting.test // 30), seed + 500)[1]
        tests[name, seed] = test
        best[name, seed] = particle_answer(systems[name], test, many, seed)[0]
        again = particle_answer(systems[name], test, few, seed + 1)[0]
        predictions = excess(again, best[name, seed], test)
        figures.setdefault((f"particle filter, {few} particles", name), []).append(1 + predictions)
    none = np.zeros((1, 1, 1, 0))
    for count in counts:
        options.report(0, 1, f"networks, {count} sequences")
        values = np.stack([data[pair][:count] for pair in pairs])
        inputs = np.broadcast_to(none, (*values.shape[:3], 0))
        setup = learner("GRU", setting.updates // 2, count)
        trained = train(GRU, UNITS, setup, values, inputs, into=INTO["GRU"])
        for i, pair in enumerate(pairs):
            test, key = tests[pair], (f"{count} sequences", pair[0])
            empty = np.zeros((*test.shape[:2], 0))
            predictions = {"GRU": outputs(trained, i, test, empty)}
            model = linear_model(data[pair][:count], empty[:0], STATES, setting.em[0] // 5)
            predictions["linear EM"] = exact(model, Drawn(test, empty, empty)).forecast
            if count == min(counts) and pair in EM_RNN_ON:
                options.report(i, len(pairs), f"EM-RNN, {pair[0]}")
                predictions["EM-RNN"] = em_rnn(data[pair][:count], test, pair[1])
            for method, each in predictions.items():
                figures.setdefault((f"{method}, {key[0]}", pair[0]), []).append(
                    1 + excess(each, best[pair], test)
                )
    rows = [
        row(f"{method}, {name}", "mse_ratio_to_particle_filter", each, oracle=1.0)
        for (method, name), each in figures.items()
    ]
    return rows, {f"{method}; {name}": each for (method, name), each in figures.items()}


def em_rnn(values: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Forecasts of the default method `em-rnn`.

    Args:
        values: series to learn from.
        test: series to forecast.
        seed: of the training.
    """
    fit: Any = rekalman.fit(
        Sequences.from_arrays(values), "em-rnn", states=STATES, seed=seed, progress=False
    )
    prepared = fit.prepare(Sequences.from_arrays(test))
    path = filter_paths(fit.algorithm, prepared, jax.random.key(seed))
    return np.asarray(fit.standardiser.unscale(one_step(path, prepared)[0]), float)
