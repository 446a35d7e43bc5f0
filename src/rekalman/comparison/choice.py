"""The method that a fit takes where none is named: the best of a short list on the end of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rekalman.comparison.evaluation import Evaluation, Task, evaluate
from rekalman.comparison.plan import Plan, season_before
from rekalman.comparison.scores import naive_scale
from rekalman.comparison.shortlist import BUDGET, shortlist
from rekalman.comparison.summary import averages
from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.data import Sequences
from rekalman.data.checks import check_learnable
from rekalman.data.slicing import beginnings
from rekalman.foundation.errors import RekalError
from rekalman.methods.registry import get

TEST = 0.25
"""Share of each series that is forecast to choose a method."""


class Choice(NamedTuple):
    """A method, and why.

    Attributes:
        candidate: the method and its transform.
        reason: one sentence.
        evaluations: what became of the short list.
    """

    candidate: TrainedMethod
    reason: str
    evaluations: tuple[Evaluation, ...] = ()


def choose(
    data: Sequences,
    budget: float = BUDGET,
    seed: int = 0,
    report: Callable[[int, int, str], None] | None = None,
) -> Choice:
    """Compare a short list of methods by rolling-origin evaluation, and take the best.

    Args:
        data: the series.
        budget: CPU seconds that the comparison may take by experience; what is on the list does not depend on
            the clock.
        seed: start of all randomness.
        report: told of each method: done, all, its name.
    """
    try:
        season = season_before(data, TEST)
        plan = Plan.of(data, None, TEST, season=season)
        training = beginnings(data, plan.first)
        check_learnable(training, "the data without their last quarter")
    except RekalError as error:
        return Choice(
            TrainedMethod(get("local-level" if data.observations == 1 else "naive")()),
            f"methods could not be compared: {error}",
        )
    candidates = shortlist(training, season, budget)
    task = Task(data, plan, naive_scale(data, plan.first, season), seed)
    done = []
    for i, candidate in enumerate(candidates):
        if report is not None:
            report(i, len(candidates), candidate.name)
        done.append((candidate, evaluate(candidate, task, costs=False)))
    scored = [
        (averages(each.scores, task.scale)["scaled_crps"], i)
        for i, (_, each) in enumerate(done)
        if each.scores is not None and np.isfinite(each.scores.crps).any()
    ]
    if not scored:
        raise RekalError(
            f"no method could forecast these data; {done[0][0].name}: {done[0][1].failure}"
        )
    best, i = min(scored)
    naive = [(score, done[j][0].name) for score, j in scored if done[j][0].group == "naive"]
    evaluations = tuple(each for _, each in done)
    return Choice(done[i][0], _reason(done[i][0], best, naive, len(done), plan), evaluations)


def _reason(
    chosen: TrainedMethod,
    score: float,
    naive: list[tuple[float, str]],
    count: int,
    plan: Plan,
) -> str:
    """Why, in one sentence."""
    ahead = "1 step" if plan.horizons == (1,) else f"1 to {plan.horizons[-1]} steps"
    test = f"forecasting the last quarter of the data {ahead} ahead"
    if chosen.group == "naive" or not naive:
        return f"{chosen.name}, the best of {count} methods in {test}"
    reference, name = min(naive)
    return (
        f"{chosen.name}, the best of {count} methods in {test}: CRPS {100 * (1 - score / reference):.0f} % "
        f"below that of the best naive forecast, {name}"
    )
