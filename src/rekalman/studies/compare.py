"""What `rekalman.fit` chooses by itself, beside the automatic models of other libraries, on real series.

Eight classic series (`datasets/classic_series.py`), nine breathing records of three chest markers (nine
columns, 3.33 Hz) and ten episodes of a pneumatic arm (four joints, eight actions). The last quarter of each
is the test: everything is learned once from what comes before, then each of its steps is forecast from
(`rekalman.compare`), 1 to 12 steps ahead or one season.

`crps_ratio` is the CRPS of what `rekalman.fit` chooses as a share of that of the best of all others:
AutoARIMA, AutoETS, AutoTheta and AutoCES of statsforecast, each column by itself (AutoCES on series of up to
1,000 values only, since its intervals are simulated anew from each origin), fracast, and the naive forecasts;
`naive_ratio` as a share of that of the best naive forecast; `coverage_90` the share of the test inside its 90
% intervals. `best or within 1 %` counts the series whose `crps_ratio` is at most 1.01. All of them, and
methods of rekalman by their names, are in `config`.

An earlier run (`--known`) spares what does not change with rekalman: figures of other libraries and of the
baselines are taken over for the series that it holds, with the same samples, season and horizons.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rekalman.comparison.candidate import Tick
from rekalman.comparison.choice import choose
from rekalman.comparison.result import Comparison
from rekalman.comparison.selection import PEERS
from rekalman.comparison.trained_methods import LearnedFit
from rekalman.data import Sequences
from rekalman.datasets.breathing import load_breathing
from rekalman.datasets.classic_series import NAMES, load_classic
from rekalman.datasets.pneumatic_arm import TRAIN, load_pneumatic_arm
from rekalman.foundation.errors import RekalError
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.known import Known
from rekalman.verbs.compare import compare

HZ = 3.33
EPISODES = 10
CHOSEN = "rekalman.fit"
OWN = ("linear", "ridge-ar")
NETWORKS = ("em-rnn", "gru")
SLOW, LONG = "AutoCES", 1000
"""Its intervals are simulated anew from each origin: left out of series of more values than this."""
FEW_COLUMNS = 5
"""Series of fewer columns have rows of networks by themselves, too."""
CLOSE = 1.01


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What `rekalman.fit` chooses where no model is named.

    Attributes:
        reasons: which method it was, and why, one sentence for each training.
    """

    reasons: list[str] = dataclasses.field(default_factory=list)
    name: str = CHOSEN
    group: str = "rekalman"
    cost: float = 30.0
    by_series: bool = False
    dynamics: str = ""
    hidden: bool | None = None

    def check(self, data: Sequences) -> None:
        """It takes everything."""

    def learn(self, data: Sequences, seed: int, tick: Tick) -> LearnedFit:
        """Choose by the end of the training data, then learn from all of them."""
        choice = choose(data, seed=seed)
        self.reasons.append(choice.reason)
        return LearnedFit(choice.candidate.fit(data, seed), choice.candidate.fitting)


def run(options: StudyOptions) -> StudyResult:
    """Every series (Nile and Lake Huron, cheap models, if quick; the classic ones alone, if reduced)."""
    began = time.perf_counter()
    series = list(_series(options.data, options.quick, options.reduced))
    results = []
    for done, (name, data) in enumerate(series):
        options.report(done, len(series), name)
        results.append(_one(name, data, options))
    return StudyResult(
        study="compare",
        rows=tuple(_rows(results)),
        seeds=1,
        seconds=time.perf_counter() - began,
        config={
            "quick": options.quick,
            "reduced": options.reduced,
            "seed": options.seed,
            "test": 0.25,
            "others": [each for each in PEERS if find_spec(PEERS[each]) is not None],
            "series": results,
        },
    )


def _series(folder: Path | None, quick: bool, reduced: bool) -> Iterator[tuple[str, Sequences]]:
    """The series by their names, short ones first.

    Raises:
        RekalError: files are missing.
    """
    classic = None if folder is None else folder / "classic_ssm"
    if quick:
        yield from ((name, load_classic(name, classic)) for name in ("Nile", "LakeHuron"))
        return
    yield from ((name, load_classic(name, classic)) for name in NAMES)
    if reduced:
        return
    records = load_breathing(None if folder is None else folder / "breathing", hz=HZ)
    yield from ((f"breathing {i + 1}", one) for i, one in enumerate(records))
    arm = None if folder is None else folder / "pam_robot"
    yield "pneumatic arm", load_pneumatic_arm(arm, list(TRAIN)[:EPISODES], pressures=False)


def _one(name: str, data: Sequences, options: StudyOptions) -> dict[str, Any]:
    """All candidates on one series."""
    networks = NETWORKS if data.observations < FEW_COLUMNS and not options.quick else ()
    own, chosen = [*OWN, *networks], Chosen()
    before = None if options.known is None else _before(options.known, name)
    others = [] if before is not None else ["baselines", *_peers(data, options.quick)]
    result = compare(data, [*others, *own, chosen], seed=options.seed, progress=False)
    made = {
        "series": name,
        "columns": data.observations,
        "samples": int(np.asarray(data.lengths).sum()),
        "season": result.season,
        "horizons": list(result.plan.horizons),
        "chosen": chosen.reasons[-1],
        "methods": {each: figures_of(result, each) for each in result.names},
        "confidence_set": result.equals if before is None else None,
        "failed": dict(result.failures),
    }
    if options.known is None or before is None:
        return made
    for key in ("columns", "samples", "season", "horizons"):
        if before.get(key) != made[key]:
            raise RekalError(
                f"{options.known.path}: its {key} of {name} was {before.get(key)}, but is {made[key]} now: "
                "run all anew."
            )
    taken = {each: row for each, row in before["methods"].items() if row["group"] != "rekalman"}
    failed = {each: why for each, why in before["failed"].items() if each in PEERS}
    return made | {"methods": made["methods"] | taken, "failed": made["failed"] | failed}


def _peers(data: Sequences, quick: bool) -> list[str]:
    """The models of other libraries that a series is given to."""
    long = int(np.asarray(data.mask).sum()) > LONG
    able = [
        each for each in PEERS if find_spec(PEERS[each]) is not None and not (long and each == SLOW)
    ]
    return able[:1] if quick else able


def _before(known: Known, name: str) -> dict[str, Any] | None:
    """What an earlier run has of a series, or None.

    Raises:
        RekalError: the earlier run is of another kind.
    """
    match known.config.get("series"):
        case list(every) if all(
            isinstance(each, dict) and {"series", "methods", "failed"} <= each.keys()
            for each in every
        ):
            return next((each for each in every if each["series"] == name), None)
        case _:
            raise RekalError(f"{known.path}: it lacks the figures of every series.")


def figures_of(result: Comparison, name: str) -> dict[str, Any]:
    """The scores of a method on a series, its group and the seconds that it took."""
    average, evaluation = result.average(name), result.evaluation(name)
    return {
        **{key: average[key] for key in ("scaled_crps", "mase", "coverage_90", "count")},
        "group": evaluation.group,
        "seconds": evaluation.fit_seconds,
    }


def _rows(results: list[dict[str, Any]]) -> Iterator[Row]:
    """Ratios and coverage of each series, and of all together."""
    ratios, naive, held = [], [], []
    for each in results:
        methods = each["methods"]
        ours = methods[CHOSEN]["scaled_crps"]
        others = {n: m for n, m in methods.items() if m["group"] != "rekalman"}
        best = min(others, key=lambda n: others[n]["scaled_crps"])
        simple = min(m["scaled_crps"] for m in methods.values() if m["group"] == "naive")
        ratios.append(ours / others[best]["scaled_crps"])
        naive.append(ours / simple)
        held.append((methods[CHOSEN]["coverage_90"], methods[CHOSEN]["count"]))
        yield _row(f"{each['series']} (best other: {best})", "crps_ratio", ratios[-1])
        yield _row(each["series"], "naive_ratio", naive[-1])
        yield _row(each["series"], "coverage_90", held[-1][0], "higher")
    count = sum(ratio <= CLOSE for ratio in ratios)
    yield _row(f"all {len(ratios)} series", "best or within 1 %", float(count), "higher")
    yield _row(f"all {len(ratios)} series", "largest naive_ratio", max(naive))
    coverage = sum(share * n for share, n in held) / sum(n for _, n in held)
    yield _row(f"all {len(ratios)} series", "coverage_90", coverage, "higher")


def _row(system: str, metric: str, value: float, better: Any = "lower") -> Row:
    return Row(system=system, metric=metric, ours=value, worst=value, spread=0.0, better=better)
