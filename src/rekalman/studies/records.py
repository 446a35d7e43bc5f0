"""Default methods on measured records, beside holding the last value and the last season.

Each method is trained, with the settings that `rekalman.fit` has for it, on the first three quarters of a
record and forecasts the last quarter from every step of it (rolling-origin evaluation,
`fitting/backtesting.py`):

* nine breathing records of three chest markers (`datasets/breathing.py`); the three shortest of them in the
  reduced protocol;
* UK gas consumption by quarter, 1960 to 1986, and CO2 at Mauna Loa by month (the copy that comes with
  statsmodels; left out where that is not installed), which have a trend and a season;
* the pneumatic arm (`datasets/pneumatic_arm.py`): trained on the training episodes with their actions, scored
  on the test episodes after their first 20 steps.

`crps_ratio` is the CRPS as a share of that of holding the last value, `season_ratio` of holding that of a
season before, and `coverage_90` the share of the values inside the 90 % interval; `worst` of it is the one
farthest from .9. Figures are medians over the records of a group and over seeds. `config` has all of them,
and whether the verdict or a warning of the training says where holding is better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from rekalman.data import Sequences
from rekalman.datasets.breathing import load_breathing
from rekalman.datasets.pneumatic_arm import TEST, TRAIN, load_pneumatic_arm
from rekalman.evaluation.backtest import HorizonScore
from rekalman.fitting.backtesting import backtest, horizon_scores
from rekalman.fitting.result import Fit
from rekalman.foundation.errors import RekalError
from rekalman.models.structures.structural import local_linear_trend, seasonal
from rekalman.models.structures.structures import Structure
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.verbs.fit import fit

METHODS = ("em-rnn", "linear", "gru", "lstm", "rkn")
OF_BREATHING = ("em-rnn", "linear", "gru")  # its nine records take most of the time
HELD_OUT = 0.25
SHORTEST = 3  # breathing records of the reduced protocol
FIRST_ORIGIN = 20  # of an episode of the arm: forecasts have seen so many steps


class Record(NamedTuple):
    """What is learned from and forecast.

    Attributes:
        group: records whose figures are summarised together.
        name: of the record.
        train: what is learned from; its last quarter is held out where there is no `test`.
        test: other series to forecast, or None.
        structure: a structural model that stands beside the methods, or None.
    """

    group: str
    name: str
    train: Sequences
    test: Sequences | None = None
    structure: Structure | None = None


class Figures(NamedTuple):
    """What one method did on one record.

    Attributes:
        scores: by horizon and column.
        stated: what the fit says of it: the verdict, where there is one, and the warnings of the training.
    """

    scores: tuple[HorizonScore, ...]
    stated: tuple[str, ...]


def run(options: StudyOptions) -> StudyResult:
    """All methods on all records (the shortest breathing record and UK gas, two methods, if quick)."""
    began, seeds = time.perf_counter(), options.seeds or 1
    records = list(_records(options.data))
    if options.quick:
        records = [record for record in records if record.name in ("seq7", "UK gas")]
    if options.reduced:
        breathing = [record for record in records if record.group == "breathing"]
        longer = sorted(breathing, key=lambda record: int(record.train.lengths[0]))[SHORTEST:]
        records = [record for record in records if all(record is not other for other in longer)]
    jobs = [
        (record, method, seed)
        for seed in range(options.seed, options.seed + seeds)
        for record in records
        for method in _methods(record, options.quick)
    ]
    figures: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for done, (record, method, seed) in enumerate(jobs):
        options.report(done, len(jobs), f"{method}, {record.name}")
        result = evaluate(record, method, seed)
        entry = {
            "record": record.name,
            "seed": seed,
            "stated": result.stated,
            "horizons": _by_horizon(result.scores),
        }
        figures.setdefault((method, record.group), []).append(entry)
    return StudyResult(
        study="records",
        rows=tuple(
            row
            for key, entries in figures.items()
            for row in rows_of(key, entries, options.reduced)
        ),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={
            "quick": options.quick,
            "reduced": options.reduced,
            "seed": options.seed,
            "held_out": HELD_OUT,
            "all": {f"{method}, {group}": entries for (method, group), entries in figures.items()},
        },
    )


def evaluate(record: Record, method: str, seed: int) -> Figures:
    """Train a method on a record and forecast what it has not seen."""
    trained: list[Fit] = []

    def train(part: Sequences) -> Fit:
        model = record.structure if method == "structure" else method
        assert model is not None
        trained.append(fit(part, model, seed=seed, progress=False))
        return trained[-1]

    if record.test is None:
        evaluation = backtest(train, record.train, HELD_OUT)
        if evaluation is None:
            raise KeyboardInterrupt
        stated = (evaluation.verdict, *trained[0].history.warnings)
        return Figures(evaluation.scores, stated)
    result = train(record.train)
    first = np.full(record.test.batch, FIRST_ORIGIN)
    return Figures(horizon_scores(result.roll, record.test, first), tuple(result.history.warnings))


def rows_of(
    key: tuple[str, str], entries: list[dict[str, Any]], reduced: bool = False
) -> Iterator[Row]:
    """Rows of one method on one group of records; those of a reduced group say so."""
    method, group = key
    if reduced and group == "breathing":
        group = f"{group} ({SHORTEST} shortest records)"
    horizons = [int(each) for each in entries[0]["horizons"]]
    metrics: dict[str, tuple[Literal["lower", "higher"], Callable[[np.ndarray], float]]] = {
        "crps_ratio": ("lower", np.max),
        "season_ratio": ("lower", np.max),
        "coverage_90": ("higher", lambda each: each[np.argmax(np.abs(each - 0.9))]),
    }
    for metric, (better, worst) in metrics.items():
        for horizon in horizons:
            each = np.array([entry["horizons"][horizon][metric] for entry in entries], float)
            each = each[np.isfinite(each)]
            if len(each):
                yield Row(
                    system=f"{method}, {group}",
                    metric=metric,
                    ours=float(np.median(each)),
                    worst=float(worst(each)),
                    spread=float(np.ptp(each)),
                    better=better,
                    horizon=horizon,
                )


def _by_horizon(scores: tuple[HorizonScore, ...]) -> dict[int, dict[str, float]]:
    """Figures of each horizon, all columns together."""
    table: dict[int, dict[str, float]] = {}
    for horizon in sorted({score.horizon for score in scores}):
        each = [score for score in scores if score.horizon == horizon and score.entries]
        weights = [score.entries for score in each]
        sums = {
            name: np.sum([getattr(score, name) or np.nan for score in each])
            for name in ("crps", "hold_crps", "season_crps")
        }
        table[horizon] = {
            "entries": float(np.sum(weights)),
            "crps": float(np.average([score.crps for score in each], weights=weights)),
            "rmse": float(np.sqrt(np.average([s.rmse**2 for s in each], weights=weights))),
            "crps_ratio": float(sums["crps"] / sums["hold_crps"]),
            "season_ratio": float(sums["crps"] / sums["season_crps"]),
            "coverage_90": float(np.average([s.coverage_90 for s in each], weights=weights)),
        }
    return table


def _methods(record: Record, quick: bool) -> tuple[str, ...]:
    methods = OF_BREATHING if record.group == "breathing" else METHODS
    if quick:
        methods = ("linear", "gru")
    return methods if record.structure is None else (*methods, "structure")


def _records(root: Path | None) -> Iterator[Record]:
    """All records there are.

    Raises:
        RekalError: there is no such folder, or a record is not in it.
    """
    if root is None:
        raise RekalError(
            "the study records needs --data, a folder with breathing, classic_ssm and pam_robot"
        )
    breathing = load_breathing(root / "breathing")
    for name in breathing.series_names:
        yield Record("breathing", name, breathing.series(name))
    gas = pd.read_csv(_there(root / "classic_ssm" / "UKgas.csv"))["value"].to_numpy(float)
    yield _with_season("UK gas", gas, "1960-01-01", "QS", 4)
    try:
        co2 = import_module("statsmodels.datasets").co2.load_pandas().data["co2"]
    except ImportError:
        pass
    else:
        monthly = co2.resample("MS").mean().interpolate()
        yield _with_season("CO2", monthly.to_numpy(), str(monthly.index[0].date()), "MS", 12)
    train, test = (
        load_pneumatic_arm(root / "pam_robot", p, pressures=False) for p in (TRAIN, TEST)
    )
    yield Record("pneumatic arm", "pneumatic arm", train, test)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise RekalError(
            f"{path}: there is no such file, of the quarterly gas consumption of the UK"
        )
    return path


def _with_season(name: str, values: np.ndarray, start: str, step: str, period: int) -> Record:
    index = pd.date_range(start, periods=len(values), freq=step)
    data = Sequences.from_pandas(pd.DataFrame({"y": values}, index=index))
    return Record(name, name, data, structure=local_linear_trend() + seasonal(period))
