"""What every study takes and gives: options, rows of figures, and how they are printed.

A study reruns one published experiment and prints its figures beside the published ones.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from rekalman.foundation.errors import RekalError
from rekalman.foundation.plain import plain
from rekalman.numerics.compiled_functions import make_room
from rekalman.studies.known import Known

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of a study.

    Attributes:
        system: what was measured: a method or a system, with its setting.
        metric: plain name: `rmse`, `rmse_ratio`, `log_likelihood`, `crps`, `coverage_90`, ...
        ours: median over seeds (or what the study's text says).
        worst: the worst of the repetitions.
        spread: the largest minus the smallest of the repetitions.
        better: whether "lower" or "higher" figures are better; for a coverage, which has a
            level to meet, "higher".
        horizon: steps ahead, or None where there is none.
        published: the figure to compare with, or None.
        source: where `published` comes from; never missing where that is given.
        oracle: the same figure of the true system or the optimal method, or None.
    """

    system: str
    metric: str
    ours: float
    worst: float
    spread: float
    better: Literal["lower", "higher"] = "lower"
    horizon: int | None = None
    published: float | None = None
    source: str | None = None
    oracle: float | None = None

    def __post_init__(self) -> None:
        if (self.published is None) != (self.source is None):
            raise RekalError(f"{self.system}, {self.metric}: a published figure needs its source")

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON has it: optional entries only where there is something in them."""
        optional = ("horizon", "published", "source", "oracle")
        fields = dataclasses.asdict(self)
        return {k: v for k, v in fields.items() if k not in optional or v is not None}


@dataclasses.dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes:
        study: its name.
        rows: the figures.
        seeds: how many seeds were run.
        seconds: wall-clock time.
        config: settings, and what else is worth keeping (figures for each record and so on).
    """

    study: str
    rows: tuple[Row, ...]
    seeds: int
    seconds: float
    config: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain types; figures that are not finite become None."""
        whole = {
            "study": self.study,
            "rows": [row.to_dict() for row in self.rows],
            "seeds": self.seeds,
            "seconds": self.seconds,
            "config": dict(self.config),
        }
        return plain(whole)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def table(self) -> Table:
        """The rows for a terminal."""
        table = Table(title=f"{self.study} ({self.seconds:.0f} s, seeds: {self.seeds})")
        horizons = any(row.horizon is not None for row in self.rows)
        oracles = any(row.oracle is not None for row in self.rows)
        table.add_column("system")
        table.add_column("metric")
        if horizons:
            table.add_column("horizon", justify="right")
        for name in ("ours", "worst", "spread", "published"):
            table.add_column(name, justify="right")
        if oracles:
            table.add_column("oracle", justify="right")
        table.add_column("better")
        for row in self.rows:
            figures = [row.ours, row.worst, row.spread, row.published]
            if oracles:
                figures.append(row.oracle)
            ahead = [] if not horizons else ["" if row.horizon is None else str(row.horizon)]
            shown = ["" if value is None else f"{value:.4g}" for value in figures]
            table.add_row(row.system, row.metric, *ahead, *shown, row.better)
        for source in dict.fromkeys(row.source for row in self.rows if row.source):
            table.caption = (
                f"{table.caption}\n{source}" if table.caption else f"published: {source}"
            )
        return table


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """How a study is to be run.

    Attributes:
        seeds: number of seeds; None = the study's own number.
        quick: smaller, never different, to see that a study runs; its figures mean nothing.
        reduced: the reduced protocol of a study, which its rows tell, for machines without a GPU.
        data: folder of the data set, for studies that need one; None = where the loader looks.
        seed: the first seed; the others follow it.
        known: an earlier run of the same protocol, whose figures are taken over, or None.
        progress: told how far the study is, or None.
    """

    seeds: int | None = None
    quick: bool = False
    reduced: bool = False
    data: Path | None = None
    seed: int = 0
    known: Known | None = None
    progress: Progress | None = None

    @property
    def all_seeds(self) -> range:
        """The seeds, one after the other."""
        return range(self.seed, self.seed + (self.seeds or 1))

    def report(self, done: int, total: int, what: str) -> None:
        """Tell `progress`, if there is one; the time between two tasks, to make room for the next."""
        make_room()
        if self.progress is not None:
            self.progress(done, total, what)


@dataclasses.dataclass(frozen=True)
class Study:
    """An entry of the list of studies; its code is imported only when it is run.

    Attributes:
        name: as on the command line.
        summary: one line.
        module: where its function `run(options) -> StudyResult` is.
        needs_data: whether it works on a data set.
        has_reduced: whether it has a reduced protocol.
        takes_known: whether it can take over figures of an earlier run.
        default_seeds: number of seeds unless said otherwise.
    """

    name: str
    summary: str
    module: str
    needs_data: bool = False
    has_reduced: bool = False
    takes_known: bool = False
    default_seeds: int = 1

    def run(self, options: StudyOptions | None = None) -> StudyResult:
        """Run it.

        Raises:
            RekalError: the number of seeds is not positive, the data are not there, a reduced protocol is
                asked for that there is not, or together with `quick`, or `known` is no run of this protocol.
        """
        options = StudyOptions() if options is None else options
        seeds = self.default_seeds if options.seeds is None else options.seeds
        if seeds < 1:
            raise RekalError(f"a study needs at least one seed, not {seeds}")
        if options.reduced and not self.has_reduced:
            raise RekalError(f"the study {self.name} has no reduced protocol: leave reduced out")
        if options.reduced and options.quick:
            raise RekalError("a study is either reduced or quick: leave one of them out")
        if options.known is not None:
            if not self.takes_known:
                raise RekalError(f"the study {self.name} takes no figures over: leave known out")
            if options.known.study != self.name:
                raise RekalError(
                    f"{options.known.path}: these are figures of {options.known.study}, not of {self.name}"
                )
        code = import_module(self.module)
        return code.run(dataclasses.replace(options, seeds=seeds))
