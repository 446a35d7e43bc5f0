"""`rekalman.fit` without a model: a short list that suits the data, the best of it, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rekalman
from rekalman.comparison.choice import choose
from rekalman.comparison.shortlist import shortlist
from rekalman.data.time.seasons import season_of

NILE = rekalman.load_example("nile")


def names(data: rekalman.Sequences, season: int | None = None, **more: Any) -> list[str]:
    return [each.name for each in shortlist(data, season, **more)]


def noise(steps: int, columns: int = 1, **more: Any) -> rekalman.Sequences:
    values = np.random.default_rng(0).normal(size=(steps, columns))
    return rekalman.Sequences.from_arrays(values, **more)


def test_the_best_is_trained_on_everything_and_says_why(tmp_path: Any):
    fit = rekalman.fit(NILE, budget=0.5, progress=False)
    choice = choose(NILE, 0.5)
    assert fit.kind == choice.candidate.method.title() and fit.history.choice == choice.reason
    assert f"{choice.candidate.name}, the best of" in choice.reason
    assert choice.reason in " ".join(fit.summary().split())
    again = rekalman.fit(NILE, choice.candidate.method, progress=False)
    np.testing.assert_allclose(fit.forecast(NILE, 3).mean, again.forecast(NILE, 3).mean, rtol=1e-6)
    fit.save(tmp_path / "n.rekalman")
    assert rekalman.load(tmp_path / "n.rekalman").history.choice == choice.reason
    assert not again.history.choice


def test_the_list_suits_the_data():
    assert {"naive", "mean", "drift", "local-level", "ridge-ar", "linear", "rls"} <= set(
        names(NILE)
    )
    assert "gru" not in names(NILE) and "gru" in names(noise(400))
    assert {"seasonal", "seasonal-naive"} <= set(names(noise(60), 12))
    assert "seasonal" not in names(noise(60))
    assert "drift" not in names(noise(60, 3)) and "gru" in names(noise(60, 3))
    driven = noise(60, inputs=np.ones((60, 1)) * np.arange(60)[:, None])
    assert "driven-rnn" in names(driven) and "drift" not in names(driven)


def test_positive_columns_whose_noise_grows_are_tried_transformed():
    rng = np.random.default_rng(1)
    level = np.exp(np.cumsum(0.15 * rng.normal(size=150)) + 0.2 * rng.normal(size=150))
    growing = rekalman.Sequences.from_arrays(level)
    assert {"linear, transformed", "rls, transformed"} <= set(names(growing))
    assert not any("transformed" in each for each in names(NILE))


def test_a_budget_makes_the_list_shorter_and_leaves_the_naive_ones():
    assert names(noise(2000), budget=0.01) == ["naive", "mean", "drift"]
    assert len(names(noise(2000), budget=5.0)) < len(names(noise(2000), budget=500.0))


def test_too_few_samples_are_not_compared():
    fit = rekalman.fit(noise(10), progress=False)
    assert fit.kind == "local-level"
    assert fit.history.choice == (
        "methods could not be compared: the data without their last quarter: 7 samples are too few to learn "
        "from; give 10."
    )


def test_a_season_of_the_test_alone_is_not_on_the_list():
    values = np.random.default_rng(0).normal(size=120)
    values[90:] += 100 * np.sin(np.arange(30) * 2 * np.pi / 6)
    data = rekalman.Sequences.from_arrays(values)
    assert season_of(data) == 6
    assert [each.name for each in choose(data, 1e-3).evaluations][:3] == ["naive", "mean", "drift"]


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_a_season_is_seen_at_any_scale(scale: float):
    values = np.random.default_rng(0).normal(size=120) + 5 * np.sin(np.arange(120) * 2 * np.pi / 6)
    assert season_of(rekalman.Sequences.from_arrays(scale * values)) == 6


REFUSED = {
    "states belongs to a model": {"states": 3},
    "learner belongs to a model": {"learner": rekalman.EM()},
    "budget must be above 0": {"budget": 0},
    "budget is of use only where no model": {"model": "linear", "budget": 3},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_belongs_to_a_model_needs_one(sentence: str):
    with pytest.raises(rekalman.RekalError, match=sentence):
        rekalman.fit(NILE, progress=False, **REFUSED[sentence])
