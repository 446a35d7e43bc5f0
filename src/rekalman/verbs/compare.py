"""`rekalman.compare`: which method forecasts these data best, by how much, and how sure is that."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rekalman.comparison.evaluation import Evaluation, Task
from rekalman.comparison.plan import TEST, Plan, season_before
from rekalman.comparison.progress import progress_bar
from rekalman.comparison.result import Comparison
from rekalman.comparison.running import in_order, run
from rekalman.comparison.scores import naive_scale
from rekalman.comparison.selection import applicable, candidates_of
from rekalman.data import Sequences
from rekalman.data.checks import check_learnable
from rekalman.data.slicing import beginnings
from rekalman.fitting.data import Data
from rekalman.foundation.arguments import real, seed_of, whole
from rekalman.foundation.errors import RekalError
from rekalman.numerics.compiled_functions import make_room
from rekalman.verbs.fit import read_data


def compare(
    data: Data,
    models: str | Sequence[Any] | None = None,
    *,
    horizons: int | Sequence[int] | None = None,
    test: int | float = TEST,
    refit: int | None = None,
    window: int | None = None,
    period: int | None = None,
    scale: str | None = None,
    budget: int | float | None = None,
    jobs: int = 1,
    seed: int = 0,
    progress: bool | Callable[[int, int, str], None] = True,
) -> Comparison:
    """Forecast the end of each series by every method, and say which does it best.

    Each method learns from the beginning of the series and forecasts from every step of the rest, as the
    samples come in (rolling-origin evaluation). Nothing after an origin enters the forecasts made there.

    Args:
        data: `Sequences` or frames, as for `rekalman.fit`.
        models: names of methods (`rekalman models`), of "AutoARIMA", "AutoETS", "AutoTheta" and "AutoCES" of
            statsforecast, of "fracast", or of the sets "all", "cheap", "baselines", "rekalman" and
            "statsforecast", as a list or separated by commas; or methods with options, such as
            `rekalman.methods.GRU(states=12)`. Default all whose package is installed.
        horizons: steps ahead: a number means every step up to it, several mean those; default a season, or 12
            steps, as far as half of the test allows.
        test: share of each series, or number of its samples, that is forecast.
        refit: steps between two trainings; None trains once, before the test.
        window: each training takes so many last samples; None takes all so far.
        period: steps of a season; default that of the calendar, or what repeats itself.
        scale: of several series: "series" or "shared", as for `rekalman.fit`.
        budget: seconds of wall time; cheap methods come first, and what does not get its turn is listed.
            Naive forecasts always do. None = no limit.
        jobs: processes to work in. More than one are spawned, so that a script needs
            `if __name__ == "__main__":`; they share the compilation cache, where there is one
            (`rekalman.keep_compiled`).
        seed: start of all randomness.
        progress: True shows a bar on stderr; a function is called with done, all and a name.

    Raises:
        RekalError: data that cannot be learned from, a test with less than two origins or less to learn from
            than ten samples, five in each series, a horizon longer than the test, an unknown model, a budget
            that is not above 0, or no method that can forecast these data.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> models = ["naive", "mean", "drift", "local-level"]
        >>> comparison = rekalman.compare(nile, models, horizons=3, progress=False)
        >>> comparison.names[0], comparison.reference
        ('local-level', 'mean')
        >>> round(comparison.skill("local-level"), 2)
        0.03
    """
    make_room()
    began, data, seed = time.perf_counter(), read_data(data), seed_of(seed)
    check_learnable(data, "the data")
    if not data.measured:
        raise RekalError("films are not compared: give rows of numbers")
    jobs = whole("jobs", jobs, 1, 256)
    deadline = None if budget is None else time.time() + real("budget", budget, above=0)
    if period is not None:
        period = whole("period", period, 2)
        if data.dt is not None:
            raise RekalError("period is a number of equal steps, but the series are irregular")
    season = period or season_before(data, test)
    plan = Plan.of(data, horizons, test, refit, window, season)
    training = beginnings(data, plan.first)
    check_learnable(training, "the data before the test")
    _check_test(data, plan)
    if period is not None and period >= plan.first.max():
        raise RekalError(
            f"a period of {period} steps needs more samples to learn from, but there are "
            f"{int(plan.first.max())} before the test"
        )
    every = in_order(candidates_of(models, season, scale))
    able, unable = applicable(every, training)
    errors = naive_scale(data, plan.first, season)
    task = Task(data, plan, errors, seed, deadline)
    with progress_bar(progress) as report:
        evaluations, unreached = run(able, task, jobs, report)
    refused = [Evaluation(each.name, each.group, failure=reason) for each, reason in unable]
    result = Comparison(
        data=data,
        plan=plan,
        season=season,
        scale=errors,
        candidates=tuple(every),
        evaluations=tuple(evaluations + refused),
        unreached=tuple(unreached),
        seed=seed,
        seconds=time.perf_counter() - began,
    )
    if not result.ranking:
        name, reason = result.failures[0] if result.failures else (unreached[0], "no time was left")
        raise RekalError(f"no model could forecast these data; {name}: {reason}")
    return result


def _check_test(data: Sequences, plan: Plan) -> None:
    """Refuse a test in which nothing was observed.

    Raises:
        RekalError: all of its values are missing.
    """
    later = np.arange(data.steps) >= plan.first[:, None]
    if not (np.asarray(data.mask) & later[..., None]).any():
        raise RekalError("all values of the test are missing: take a larger one")
