"""How well a model predicts what it was not trained on, in numbers and in one sentence.

The end of each series is held out, the model is trained on the rest, and what is held out is predicted step
by step: every test of `evaluation/diagnostics.py` on the one-step predictions, and forecasts of several
horizons beside naive ones (rolling-origin evaluation: Tashman 2000, Int. J. Forecasting 16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from rekalman.evaluation.diagnostics import Diagnostics
from rekalman.evaluation.innovations import LEVEL

WIDTH = 116
"""Characters of a line of a summary."""
TOLERANCE = 0.05
"""A 90 % interval that holds 85 to 95 % of the values is as good as right."""


@dataclass(frozen=True)
class HorizonScore:
    """Forecasts of one column, so many steps ahead.

    Attributes:
        horizon: steps ahead.
        name: the column.
        entries: number of held-out values that were scored.
        crps: continuous ranked probability score, in the unit of the column; NaN where nothing was scored.
        hold_crps: the same of holding the last value; None where it makes no forecast.
        season_crps: the same of holding the last value of the same season; None where there is no season.
        rmse: root mean squared error of the mean.
        hold_rmse: the same of holding the last value, or None.
        coverage_50: share of the values inside the central 50 % interval.
        coverage_90: the same for 90 %.
    """

    horizon: int
    name: str
    entries: int
    crps: float
    hold_crps: float | None
    season_crps: float | None
    rmse: float
    hold_rmse: float | None
    coverage_50: float
    coverage_90: float


@dataclass(frozen=True)
class Backtest:
    """What became of the predictions of held-out data.

    Attributes:
        share: share of each series that was held out.
        trained: number of samples trained on.
        held_out: number of samples predicted.
        diagnostics: tests of the one-step predictions of the held-out samples.
        scores: forecasts by horizon and column.
        period: steps of the season whose last values were held, or None.

    Examples:
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> fit = rekalman.fit(data, "local-level", backtest=0.2)  # doctest: +SKIP
        >>> print(fit.history.backtest.verdict)  # doctest: +SKIP
    """

    share: float
    trained: int
    held_out: int
    diagnostics: Diagnostics
    scores: tuple[HorizonScore, ...]
    period: int | None = None

    @property
    def horizons(self) -> tuple[int, ...]:
        """Steps ahead."""
        return tuple(sorted({score.horizon for score in self.scores}))

    def coverage(self, horizon: int) -> float:
        """Share of the values of all columns inside their 90 % intervals."""
        return _weighted([(s.coverage_90, s.entries) for s in self._at(horizon)])

    def ratio(self, horizon: int, baseline: str = "hold") -> float:
        """CRPS over that of a baseline, "hold" or "season": mean of the columns, NaN where there is none."""
        return crps_ratio(self.scores, horizon, baseline)

    @property
    def faults(self) -> tuple[str, ...]:
        """What the model fails, in words."""
        wrong = list(self.diagnostics.faults)
        uneven = []
        for horizon in self.horizons:
            if horizon == 1 and self.diagnostics.uniformity_p < 1 - LEVEL:
                continue  # the tests say it already
            entries = sum(score.entries for score in self._at(horizon))
            share = self.coverage(horizon)
            # Forecasts from neighbouring origins overlap: of h in a row about one is new.
            error = np.sqrt(0.9 * 0.1 * horizon / max(entries, 1))
            if abs(share - 0.9) > max(2 * error, TOLERANCE):
                uneven.append(f"{100 * share:.0f} % {_ahead([horizon])}")
        if uneven:
            wrong.append(f"its 90 % intervals hold {_listed(uneven)}")
        return tuple(wrong)

    @property
    def beaten(self) -> tuple[str, ...]:
        """The naive forecasts that predict at least as well, in words with their horizons."""
        baselines = {
            "hold": "holding the last value",
            "season": f"holding the value of {self.period} steps before",
        }
        better = []
        for baseline, name in baselines.items():
            better += beaten_by(self.scores, baseline, name)
        return tuple(better)

    @property
    def verdict(self) -> str:
        """All tests in one sentence."""
        said = "on held-out data the filter is consistent"
        if self.faults:
            said = f"on held-out data the filter is not consistent: {'; '.join(self.faults)}"
        return "; ".join([said, *self.beaten])

    def lines(self) -> list[str]:
        """What a summary says of it; the last line is the verdict."""
        lines = [
            f"held out        the last {self.held_out} samples, predicted by a fit to the {self.trained} "
            "before them",
            *self.diagnostics.lines(),
        ]
        for horizon in self.horizons:
            entries = sum(score.entries for score in self._at(horizon))
            said = (
                f"the 90 % interval holds {100 * self.coverage(horizon):.0f} % of {entries} values"
            )
            compared = [
                f"{ratio:.2f} of that of the last {held}"
                for held, ratio in (
                    ("value", self.ratio(horizon)),
                    ("season", self.ratio(horizon, "season")),
                )
                if np.isfinite(ratio)
            ]
            if compared:
                said += f"; CRPS {', '.join(compared)}"
            lines.append(f"{f'{horizon} ahead':<15} {said}")
        indent = 16 * " "
        verdict = wrap(f"{'verdict':<16}{self.verdict}", WIDTH, subsequent_indent=indent)
        return [*lines, *verdict]

    def to_frame(self) -> pd.DataFrame:
        """One row a horizon and column."""
        return pd.DataFrame([asdict(score) for score in self.scores]).set_index(["horizon", "name"])

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types."""
        return asdict(self)

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Backtest:
        """What `to_dict` was made from."""
        scores = tuple(HorizonScore(**score) for score in numbers["scores"])
        diagnostics = Diagnostics.of(numbers["diagnostics"])
        rest = {name: numbers[name] for name in ("share", "trained", "held_out", "period")}
        return cls(**rest, scores=scores, diagnostics=diagnostics)

    def _at(self, horizon: int) -> list[HorizonScore]:
        return [s for s in self.scores if s.horizon == horizon and s.entries > 0]


def crps_ratio(scores: Sequence[HorizonScore], horizon: int, baseline: str = "hold") -> float:
    """CRPS over that of a baseline, "hold" or "season": mean of the columns, NaN where there is none."""
    pairs = []
    for score in scores:
        naive = getattr(score, f"{baseline}_crps")
        if score.horizon == horizon and score.entries > 0 and naive is not None and naive > 0:
            pairs.append((score.crps / naive, score.entries))
    return _weighted(pairs)


def beaten_by(scores: Sequence[HorizonScore], baseline: str, name: str) -> tuple[str, ...]:
    """At which horizons a baseline predicts at least as well, in words: one sentence or none.

    Args:
        scores: by horizon and column.
        baseline: "hold" or "season".
        name: what the baseline is called in the sentence.
    """
    horizons = sorted({score.horizon for score in scores})
    worse = [h for h in horizons if crps_ratio(scores, h, baseline) >= 1]
    if not worse:
        return ()
    where = "at every horizon" if worse == horizons else _ahead(worse)
    return (f"{name} predicts as well or better {where}",)


def _weighted(pairs: list[tuple[float, int]]) -> float:
    if not pairs:
        return float("nan")
    values, weights = zip(*pairs, strict=True)
    return float(np.average(values, weights=weights))


def _ahead(horizons: list[int]) -> str:
    if horizons == [1]:
        return "one step ahead"
    return f"{_listed([str(horizon) for horizon in horizons])} steps ahead"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
