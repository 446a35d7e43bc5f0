"""What a fit takes where no method is named: an average of the best of a short list."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rekalman.comparison.combination import Remembered, combination_of
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
from rekalman.training.combination import same_scales

TEST = 0.25
"""Share of each series that is forecast to choose a method."""
CLOSE, MOST = 1.5, 5
"""Methods whose CRPS is at most so many times that of the best are averaged, so many at most."""
POWER = 10
"""Their weights are this power of the inverse of their CRPS."""
WORTH = 1.05
"""The average is chosen unless its CRPS is so many times that of the best method."""


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


class Result(NamedTuple):
    """A method and what became of it.

    Attributes:
        candidate: the method.
        evaluation: how it forecast.
        score: mean CRPS in units of the naive scale; infinite where it failed.
    """

    candidate: TrainedMethod
    evaluation: Evaluation
    score: float

    @classmethod
    def of(cls, candidate: TrainedMethod, evaluation: Evaluation, task: Task) -> Result:
        """A method with the score of its evaluation."""
        scores = evaluation.scores
        if scores is None or not np.isfinite(scores.crps).any():
            return cls(candidate, evaluation, np.inf)
        return cls(candidate, evaluation, averages(scores, task.scale)["scaled_crps"])


def choose(
    data: Sequences,
    budget: float = BUDGET,
    seed: int = 0,
    report: Callable[[int, int, str], None] | None = None,
) -> Choice:
    """Compare a short list of methods by rolling-origin evaluation, and combine the best.

    A quarter of the data seldom tells which method is the best: the forecast is an average of those that came
    near it, with weights that fall fast with their CRPS, unless that is clearly worse than the best alone.

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
    candidates = [Remembered.of(each) for each in shortlist(training, season, budget)]
    task = Task(data, plan, naive_scale(data, plan.first, season), seed)
    done: list[Result] = []
    for i, candidate in enumerate(candidates):
        if report is not None:
            report(i, len(candidates), candidate.name)
        done.append(Result.of(candidate, evaluate(candidate, task, costs=False), task))
    ranked = sorted((each for each in done if np.isfinite(each.score)), key=lambda each: each.score)
    if not ranked:
        raise RekalError(
            f"no method could forecast these data; {done[0].candidate.name}: "
            f"{done[0].evaluation.failure}"
        )
    best = ranked[0]
    by_name = {each.name: each for each in candidates}
    scales = by_name[best.candidate.name].scales
    close = [
        each
        for each in close_to(best, ranked, data.n_inputs > 0)
        if same_scales(scales, by_name[each.candidate.name].scales)
    ]
    members = [by_name[each.candidate.name] for each in close]
    combined = combination_of(members, weights_of(close), training)
    alone = best.candidate.name
    if combined is not None:
        result = Result.of(combined, evaluate(combined, task, costs=False), task)
        done.append(result)
        if result.score < WORTH * best.score:
            best = result
    naive = [each for each in ranked if each.candidate.group == "naive"]
    evaluations = tuple(each.evaluation for each in done)
    reason = _reason(best, alone, naive, len(candidates), plan)
    return Choice(best.candidate, reason, evaluations)


def close_to(best: Result, ranked: list[Result], driven: bool = False) -> list[Result]:
    """The methods that come near the best: one of each, all with its transform.

    Args:
        best: the first of them.
        ranked: all, by their scores.
        driven: whether the data have inputs, which either all take or none.
    """
    chosen: list[Result] = []
    for each in ranked:
        candidate = each.candidate
        if (
            transform_of(candidate) == transform_of(best.candidate)
            and (not driven or candidate.method.inputs == best.candidate.method.inputs)
            and each.score <= CLOSE * best.score
            and candidate.method.name not in {one.candidate.method.name for one in chosen}
        ):
            chosen.append(each)
    return chosen[:MOST]


def weights_of(results: list[Result]) -> list[float]:
    """What each counts in their average."""
    least = results[0].score if results else 0.0
    powers = [(least / each.score) ** POWER if each.score else 1.0 for each in results]
    return [each / sum(powers) for each in powers]


def transform_of(candidate: TrainedMethod) -> str | float:
    """What its observations pass through, the default of the method spelled out."""
    usual = candidate.method.default_transform
    return usual if candidate.transform is None else candidate.transform


def _reason(chosen: Result, alone: str, naive: list[Result], count: int, plan: Plan) -> str:
    """Why, in one sentence.

    Args:
        chosen: what is taken.
        alone: the best method by itself.
        naive: naive forecasts, the best first.
        count: of methods that were compared.
        plan: what was forecast.
    """
    ahead = "1 step" if plan.horizons == (1,) else f"1 to {plan.horizons[-1]} steps"
    test = f"forecasting the last quarter of the data {ahead} ahead"
    name = chosen.candidate.name
    best = f"the best of {count} methods in {test}"
    if name != alone:
        best += f" with weights by their CRPS ({alone} was the best alone)"
    if chosen.candidate.group == "naive" or not naive:
        return f"{name}, {best}"
    reference = naive[0]
    return (
        f"{name}, {best}: CRPS "
        f"{100 * (1 - chosen.score / reference.score):.0f} % below that of the best naive forecast, "
        f"{reference.candidate.name}"
    )
