"""The baseline of holding the last value, and the verdict beside it."""

import numpy as np
import pytest
from scipy.stats import norm

import rekalman
from rekalman import Sequences
from rekalman.evaluation.diagnostics import diagnose
from rekalman.evaluation.holding import Scores, scores

GAPS = np.array([1.0, np.nan, 4.0, 3.0, np.nan, np.nan, 5.0, 5.5])


def test_scores_are_those_of_a_random_walk():
    data = Sequences.from_arrays(GAPS)
    moved, elapsed = np.array([3.0, -1, 2, 0.5]), np.array([2.0, 1, 3, 1])
    sd = np.sqrt((moved**2 / elapsed).mean() * elapsed)
    evidence = np.linspace(-2, -1, 8)[None]
    judged = np.ones((1, 8, 1), bool)
    result = scores(data, evidence, judged)
    held = norm.logpdf(moved, scale=sd)
    own = evidence[0, [2, 3, 6, 7]]
    assert result.score == pytest.approx(own.mean())
    assert result.hold_score == pytest.approx(held.mean())
    assert result.hold_error == pytest.approx(np.std(held - own) / 2)
    judged[0, 6] = False  # the step counts for neither
    assert scores(data, evidence, judged).score == pytest.approx(own[[0, 1, 3]].mean())


def test_irregular_steps_and_columns_of_their_own():
    times = np.array([0, 1.0, 1.5, 4.0])
    y = np.array([[0.0, 10], [1, np.nan], [3, 14], [2, 15]])
    data = Sequences.from_arrays(y, times=times, irregular=True)
    result = scores(data, np.zeros((1, 4)), np.ones((1, 4, 2), bool))
    total = 0.0
    for moved, elapsed in (([1, 2, -1], [1, 0.5, 2.5]), ([4, 1], [1.5, 2.5])):
        m, t = np.array(moved, float), np.array(elapsed)
        total += norm.logpdf(m, scale=np.sqrt((m**2 / t).mean() * t)).sum()
    assert result.hold_score == pytest.approx(total / 5)


def test_without_a_move_there_is_no_baseline():
    data = Sequences.from_arrays(np.array([2.0, 2.0, 2.0]))
    result = scores(data, np.full((1, 3), -1.0), np.ones((1, 3, 1), bool))
    assert result == Scores(-1.0)
    assert scores(data, np.zeros((1, 3)), np.zeros((1, 3, 1), bool)) == Scores()


def test_one_verdict_of_all_tests():
    white = np.random.default_rng(0).normal(size=(1, 400, 1))
    right = diagnose(white, norm.cdf(white), ("y",), Scores(-1.0, -1.2, 0.01))
    assert right.consistent
    assert right.verdict == "the filter is consistent"
    assert "holding the last value has -1.200" in right.summary()
    smooth = np.repeat(white[:, ::2], 2, 1)
    output = diagnose(smooth, norm.cdf(smooth), ("y",)).verdict
    assert output == "the filter is not consistent: its innovations can be predicted"
    heavy = np.sign(white) * np.abs(white) ** 3
    heavy /= np.sqrt((heavy**2).mean())
    result = diagnose(heavy, norm.cdf(heavy), ("y",), Scores(-1.5, -1.2, 0.1))
    assert not result.consistent and result.right_size
    assert "its distributions do not hold (the 90 % interval holds" in result.verdict
    assert result.verdict.endswith("; holding the last value predicts better")
    by_chance = diagnose(white, norm.cdf(white), ("y",), Scores(-1.5, -1.2, 0.2))
    assert not by_chance.held_better


def test_a_wrong_model_is_behind_holding_and_says_so(tmp_path):
    y = np.cumsum(np.random.default_rng(1).normal(size=400))
    data = Sequences.from_arrays(y)
    one = np.eye(1)
    stiff = rekalman.LinearGaussian.create(one, one, 0.01 * one, 9.0 * one, initial="diffuse")
    output = rekalman.filter(rekalman.Kalman(stiff), data).summary()
    assert "holding the last value predicts better" in output
    right = rekalman.fit(data, "local-level", progress=False)
    assert not right.history.diagnostics.held_better
    right.save(tmp_path / "m.rekalman")
    assert rekalman.load(tmp_path / "m.rekalman").summary() == right.summary()
