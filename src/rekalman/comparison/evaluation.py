"""One candidate through a rolling-origin evaluation: trained, rolled over the test, scored."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from jaxtyping import Float

from rekalman.comparison.candidate import Candidate, Learned, OutOfTime, Size
from rekalman.comparison.plan import Fold, Plan
from rekalman.comparison.scores import Scores
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError

AT_ONCE = 4000
"""Origins of several series that are forecast together, about."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What became of one candidate.

    Attributes:
        name: under which it is listed.
        group: "naive", "baseline", "rekalman", "statsforecast" or "foundation model".
        scores: of its forecasts; None where it failed.
        failure: why there are none, in a sentence; else empty.
        fit_seconds: wall time of its trainings.
        forecast_seconds: wall time of its forecasts.
        update_seconds: wall time of one more sample in a stream, or None.
        size: how large what it learned is.
    """

    name: str
    group: str
    scores: Scores | None = None
    failure: str = ""
    fit_seconds: float = 0.0
    forecast_seconds: float = 0.0
    update_seconds: float | None = None
    size: Size = Size()


@dataclasses.dataclass(frozen=True)
class Task:
    """What a candidate is evaluated on.

    Attributes:
        data: all of it, the test at the end of each series.
        plan: horizons, origins, trainings.
        scale: of each series and column (`scores.naive_scale`).
        seed: start of all randomness.
        deadline: `time.time()` at which the budget ends, or None.
    """

    data: Sequences
    plan: Plan
    scale: Float[np.ndarray, "batch obs"]
    seed: int = 0
    deadline: float | None = None

    def tick(self) -> None:
        """Called while something is learned.

        Raises:
            OutOfTime: the budget has ended.
        """
        if self.deadline is not None and time.time() > self.deadline:
            raise OutOfTime

    def of_series(self, which: np.ndarray) -> Task:
        """The same on some of the series."""
        plan = dataclasses.replace(
            self.plan,
            first=self.plan.first[which],
            origins=[self.plan.origins[i] for i in which],
        )
        return dataclasses.replace(
            self, data=self.data.take(which), plan=plan, scale=self.scale[which]
        )


def evaluate(candidate: Candidate, task: Task, costs: bool = True) -> Evaluation:
    """Train a candidate, forecast the test from every origin, and score that.

    Args:
        candidate: what learns.
        task: what it learns and is tested on.
        costs: whether an update in a stream is timed and the file measured, too.

    Returns:
        What became of it. A candidate that refuses the data, fails or runs out of time leaves an evaluation
        that says so.
    """
    result = Evaluation(candidate.name, candidate.group)
    if candidate.group == "naive":  # the others are compared with them
        task = dataclasses.replace(task, deadline=None)
    learned: Learned | None = None
    parts: list[Scores] = []
    fitting = forecasting = 0.0
    try:
        for fold in task.plan.folds():
            training = fold.training(task.data)
            candidate.check(training)
            began = time.perf_counter()
            learned = candidate.learn(training, task.seed, task.tick)
            fitting += time.perf_counter() - began
            began = time.perf_counter()
            parts += _scored(learned, fold, task)
            forecasting += time.perf_counter() - began
        scores = Scores.joined(parts)
        if not scores.finite:
            raise RekalError("a forecast is not finite")
        assert learned is not None
        timed = costs and candidate.group != "naive"  # whose updates are not worth the compilation
        update = learned.update_seconds(task.data.series(0)) if timed else None
        size = learned.size() if costs else Size()
    except RekalError as error:
        return dataclasses.replace(result, failure=str(error), fit_seconds=fitting)
    except OutOfTime:
        failure = "the budget ended during its training"
        return dataclasses.replace(result, failure=failure, fit_seconds=fitting)
    except Exception as error:  # of another library, say: its row says so, and the rest goes on
        said = " ".join(str(error).split())
        failure = f"it fails with {type(error).__name__}{f': {said:.150}' if said else ''}"
        return dataclasses.replace(result, failure=failure, fit_seconds=fitting)
    return dataclasses.replace(
        result,
        scores=scores,
        fit_seconds=fitting,
        forecast_seconds=forecasting,
        update_seconds=update,
        size=size,
    )


def _scored(learned: Learned, fold: Fold, task: Task) -> list[Scores]:
    """Scores of the origins of a fold, some series after the other."""
    counts = np.array([len(each) for each in fold.origins])
    used = np.flatnonzero(counts)
    groups = np.split(used, np.flatnonzero(np.diff(np.cumsum(counts[used]) // AT_ONCE)) + 1)
    parts = []
    for group in groups:
        task.tick()
        data = task.data if len(group) == task.data.batch else task.data.take(group)
        forecast = learned.roll(data, task.plan.horizons, [fold.origins[i] for i in group])
        parts.append(Scores.of(forecast, data, task.scale[group], group))
    return parts


def joined(parts: list[tuple[np.ndarray, Evaluation]]) -> Evaluation:
    """Evaluations of one candidate on parts of the series as one.

    Args:
        parts: numbers of the series of each part, and what became of them.
    """
    first = parts[0][1]
    failed = next((each for _, each in parts if each.scores is None), None)
    seconds = sum(each.fit_seconds for _, each in parts)
    if failed is not None:
        return dataclasses.replace(failed, fit_seconds=seconds)
    scores = []
    for which, each in parts:
        assert each.scores is not None
        scores.append(dataclasses.replace(each.scores, series=which[each.scores.series]))
    return dataclasses.replace(
        first,
        scores=Scores.joined(scores),
        fit_seconds=seconds,
        forecast_seconds=sum(each.forecast_seconds for _, each in parts),
    )
