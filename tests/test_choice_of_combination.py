"""Methods that are nearly equal are averaged, without training them again, where that is better."""

from __future__ import annotations

import numpy as np
import pytest

import rekalman
from rekalman.comparison import choice
from rekalman.comparison.choice import Result, choose, close_to, weights_of
from rekalman.comparison.combination import Remembered, combination_of
from rekalman.comparison.evaluation import Evaluation, Task, evaluate
from rekalman.comparison.plan import Plan
from rekalman.comparison.scores import naive_scale
from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.core.metrics import crps_gaussian
from rekalman.data.slicing import beginnings
from rekalman.methods.combination import Combination
from rekalman.methods.registry import get
from rekalman.training.combination import same_scales

NILE = rekalman.load_example("nile")


def method(name, transform=None, **options):
    return TrainedMethod(get(name)(**options), transform=transform)


def result(candidate, score):
    return Result(candidate, Evaluation(candidate.name, candidate.group), score)


def test_close_methods_are_one_of_each_with_the_transform_of_the_best():
    best = result(method("linear"), 1.0)
    ranked = [
        best,
        result(method("linear", states=2), 1.01),
        result(method("naive"), 1.02),
        result(method("ridge-ar", transform="log"), 1.03),
        result(method("ridge-ar"), 1.05),
        result(method("local-level"), 1.6),
    ]
    close = close_to(best, ranked)
    assert [each.candidate.name for each in close] == ["linear", "naive", "ridge-ar"]
    driven = close_to(best, ranked, driven=True)
    assert [each.candidate.name for each in driven] == ["linear", "ridge-ar"]


def test_weights_fall_with_the_score():
    scores = (1.0, 1.1, 1.5)
    weights = weights_of([result(method("linear"), score) for score in scores])
    expected = np.array(scores) ** -10.0
    np.testing.assert_allclose(weights, expected / expected.sum())
    assert weights_of([result(method("linear"), 0.0), result(method("mean"), 0.0)]) == [0.5, 0.5]


def test_the_average_has_the_scores_of_averaged_forecasts():
    plan = Plan.of(NILE, 3)
    training = beginnings(NILE, plan.first)
    task = Task(NILE, plan, naive_scale(NILE, plan.first, None))
    members = [Remembered.of(method(name)) for name in ("ridge-ar", "local-level")]
    forecasts = []
    for each in members:
        evaluate(each, task, costs=False)
        forecasts.append(each.learned[0].roll(NILE, plan.horizons, plan.folds()[0].origins))
    average = combination_of(members, [0.7, 0.3], training)
    assert average is not None
    assert average.name == "combination of ridge-ar (70 %) and local-level (30 %)"
    assert isinstance(average.method, Combination)
    assert average.method.members == "ridge-ar, local-level"
    scores = evaluate(average, task, costs=False).scores
    assert scores is not None
    weights = [0.7, 0.3]
    mean = np.average([np.asarray(each.mean) for each in forecasts], 0, weights)
    std = np.average([np.asarray(each.std) for each in forecasts], 0, weights)
    at = scores.origin[:, None] + np.array(plan.horizons)
    y = np.asarray(NILE.values)[0]
    known = at < len(y)
    truth = y[np.minimum(at, len(y) - 1)]
    expected = np.asarray(crps_gaussian(truth, mean, std**2))
    np.testing.assert_allclose(scores.crps[known], expected[known], rtol=1e-5)


def test_it_is_taken_where_it_is_better_only(monkeypatch):
    monkeypatch.setattr(choice, "WORTH", 10.0)
    chosen = choose(NILE, 2.0).candidate
    assert isinstance(chosen.method, Combination)
    fit = chosen.fit(NILE, 0)
    assert fit.kind == "combination" and len(fit.algorithm.members) == len(chosen.method.methods)
    monkeypatch.setattr(choice, "WORTH", 0.0)
    assert not isinstance(choose(NILE, 2.0).candidate.method, Combination)


def test_members_with_other_scales_are_left_out():
    rng = np.random.default_rng(0)
    noise = np.cumsum(rng.normal(size=(3, 60)), 1) * np.array([1.0, 2.0, 5.0])[:, None]
    data = rekalman.Sequences.from_arrays(list(noise + rng.normal(size=noise.shape)))
    chosen = choose(data, 2.0).candidate
    assert isinstance(chosen.method, Combination)
    fit = chosen.fit(data, 0)
    kinds = {each.fit.kind for each in fit.members}
    assert len(kinds) > 1
    alone = [rekalman.fit(data, kind, progress=False) for kind in kinds]
    assert all(same_scales(fit.standardiser, each.standardiser) for each in alone)
    assert np.isfinite(np.asarray(fit.forecast(data, 2).mean)).all()


@pytest.mark.parametrize("names", [["linear"], []])
def test_one_method_is_no_combination(names):
    assert combination_of([Remembered.of(method(name)) for name in names], [1.0], NILE) is None
