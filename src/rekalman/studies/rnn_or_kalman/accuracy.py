"""Part (a): forecasts of networks and of linear models learned from data, against the exact Kalman filter."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

import rekalman
from rekalman.data import Sequences
from rekalman.fitting.verbs import filter_paths, one_step
from rekalman.learners.batch import as_batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.start.n4sid import n4sid
from rekalman.models.linear import LinearGaussian
from rekalman.networks.elman import Elman
from rekalman.networks.gru import GRU
from rekalman.networks.recurrent import Recurrent
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.rnn_or_kalman.networks import Trained, outputs, train
from rekalman.studies.rnn_or_kalman.rows import row
from rekalman.studies.rnn_or_kalman.setting import INTO, SYSTEMS, UNITS, Setting, learner
from rekalman.studies.rnn_or_kalman.systems import (
    Drawn,
    Exact,
    draw,
    exact,
    excess,
    stationary_system,
)

KINDS: dict[str, type[Recurrent]] = {"GRU": GRU, "Elman": Elman}
METRIC = "mse_ratio"
METHODS = (*KINDS, "linear EM", "EM-RNN")


class Case(NamedTuple):
    """One system with its series and their exact forecasts."""

    system: LinearGaussian
    train: Drawn
    test: Drawn
    exact: Exact


Learned = dict[tuple[str, str, int], tuple[Trained | list[LinearGaussian], list[Case]]]
"""What was trained, with its systems: by system, method and number of sequences."""


def cases(name: str, options: StudyOptions, setting: Setting) -> list[Case]:
    """A system for each seed, with as many training sequences as are ever used.

    Args:
        name: a key of `SYSTEMS`.
        options: the seeds.
        setting: numbers of series.
    """
    made = []
    for seed in options.all_seeds:
        system = stationary_system(SYSTEMS[name], seed)
        test = draw(system, setting.test, seed + 500)
        made.append(
            Case(system, draw(system, max(setting.counts), seed), test, exact(system, test))
        )
    return made


def network(kind: str, some: list[Case], count: int, setting: Setting) -> Trained:
    """A network for each system, trained on so many sequences.

    Args:
        kind: a key of `KINDS`.
        some: the systems.
        count: number of sequences, those that choose the epoch among them.
        setting: how long to train.
    """
    values = np.stack([case.train.values[:count] for case in some])
    inputs = np.stack([case.train.inputs[:count] for case in some])
    setup = learner(kind, setting.updates, count)
    return train(KINDS[kind], UNITS[kind], setup, values, inputs, into=INTO[kind])


def ratios(trained: Trained, some: list[Case]) -> list[float]:
    """The mean squared error of each network over that of the exact filter of its system."""
    return [
        1
        + excess(
            outputs(trained, i, case.test.values, case.test.inputs),
            case.exact.forecast,
            case.test.values,
        )
        for i, case in enumerate(some)
    ]


def em_models(some: list[Case], count: int, states: int, iterations: int) -> list[LinearGaussian]:
    """A linear model of the true order for each system, by EM from subspace identification.

    Args:
        some: the systems.
        count: number of sequences.
        states: number of states.
        iterations: of EM.
    """
    return [
        linear_model(case.train.values[:count], case.train.inputs[:count], states, iterations)
        for case in some
    ]


def em_ratio(model: LinearGaussian, case: Case) -> float:
    """The mean squared error of a learned linear model over that of the exact filter."""
    predictions = exact(model, case.test)
    return 1 + excess(predictions.forecast, case.exact.forecast, case.test.values)


def linear_model(
    values: np.ndarray, inputs: np.ndarray, states: int, iterations: int
) -> LinearGaussian:
    """A linear model of some series, by EM from subspace identification.

    Args:
        values: the series `(series, steps, obs)`.
        inputs: their inputs.
        states: number of states.
        iterations: of EM.
    """
    given = inputs if inputs.shape[-1] else None
    with jax.enable_x64(True):
        start = n4sid(values, np.ones_like(values, bool), states, inputs=given)
        batch = as_batch(Sequences.from_arrays(values, inputs=given))
        model = linear_em(start, batch, iterations=iterations, freeze=("c", "d")).model
        blocks = {name: np.asarray(getattr(model, name), float) for name in "ABCDQRP"}
        floor = 1e-12 * np.eye(states)
        return LinearGaussian.create(
            **{**blocks, "Q": blocks["Q"] + floor, "P": blocks["P"] + floor}
        )


def em_rnn_ratio(case: Case, count: int, states: int, seed: int) -> float:
    """The same of the default method `em-rnn`, with as many hidden units as the system has states.

    Args:
        case: a system.
        count: number of sequences.
        states: its number of states.
        seed: of the training.
    """
    data = Sequences.from_arrays(case.train.values[:count])
    fit: Any = rekalman.fit(data, "em-rnn", states=states, seed=seed, progress=False)
    test = Sequences.from_arrays(case.test.values)
    prepared = fit.prepare(test)
    path = filter_paths(fit.algorithm, prepared, jax.random.key(seed))
    predictions = np.asarray(fit.standardiser.unscale(one_step(path, prepared)[0]), float)
    return 1 + excess(predictions, case.exact.forecast, case.test.values)


def accuracy(
    options: StudyOptions, setting: Setting, methods: tuple[str, ...] = METHODS
) -> tuple[list[Row], dict[str, Any], Learned]:
    """Part (a).

    Args:
        options: the seeds.
        setting: systems and numbers of sequences.
        methods: those of `METHODS` that are run.

    Returns:
        Rows, the figures of each seed, and what was trained.
    """
    rows: list[Row] = []
    record: dict[str, Any] = {}
    networks: Learned = {}
    total = len(setting.systems) * len(setting.counts)
    for i, name in enumerate(setting.systems):
        some = cases(name, options, setting)
        states = SYSTEMS[name][0]
        for j, count in enumerate(setting.counts):
            options.report(i * len(setting.counts) + j, total, f"{name}, {count} sequences")
            figures: dict[str, list[float]] = {}
            for kind in (each for each in KINDS if each in methods):
                trained = network(kind, some, count, setting)
                networks[name, kind, count] = trained, some
                figures[kind] = ratios(trained, some)
            iterations, runs, most = setting.em
            if "linear EM" in methods and count <= most:
                models = em_models(some[:runs], count, states, iterations)
                networks[name, "linear EM", count] = models, some[:runs]
                figures["linear EM"] = [em_ratio(*pair) for pair in zip(models, some, strict=False)]
            systems, counts, seeds = setting.em_rnn
            if "EM-RNN" in methods and name in systems and count in counts:
                figures["EM-RNN"] = [
                    em_rnn_ratio(case, count, states, options.seed + k)
                    for k, case in enumerate(some[:seeds])
                ]
            for method, each in figures.items():
                label = f"{method}, {name}, {count} sequences"
                if len(each) < len(some):
                    label += f" ({len(each)} seeds)"
                rows.append(row(label, METRIC, each, oracle=1.0))
                record[f"{method}, {name}, {count}"] = each
    return rows, record, networks
