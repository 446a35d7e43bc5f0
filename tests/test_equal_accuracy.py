"""Tests of equal accuracy and the model confidence set, on simulated losses whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from rekalman.comparison.confidence_set import ALPHA, confidence_set
from rekalman.comparison.equal_accuracy import (
    block_length,
    bootstrap_interval,
    bootstrap_means,
    diebold_mariano,
    long_run_variance,
    variance_of_mean,
)
from rekalman.foundation.errors import RekalError


def correlated(rng: np.random.Generator, rows: int, count: int, rho: float) -> np.ndarray:
    """Stationary series with `y_t = rho y_{t-1} + e_t` of unit variance."""
    y = rng.normal(size=(rows, count + 50))
    for t in range(1, y.shape[1]):
        y[:, t] = rho * y[:, t - 1] + np.sqrt(1 - rho**2) * y[:, t]
    return y[:, 50:]


def test_the_long_run_variance_is_that_of_the_process():
    rows = correlated(np.random.default_rng(0), 300, 400, 0.5)
    result = [long_run_variance(d)[0] for d in rows]
    assert np.mean(result) == pytest.approx(1.5 / 0.5, rel=0.1)  # (1 + rho) / (1 - rho)


def test_constants_do_not_change_it_and_few_origins_leave_few_transforms():
    d = np.random.default_rng(1).normal(size=30)
    assert long_run_variance(d + 5.0)[0] == pytest.approx(long_run_variance(d)[0])
    assert long_run_variance(d)[1] == 4 and long_run_variance(d[:3])[1] == 2
    assert long_run_variance(np.tile(d, 10), 12)[1] == 17
    assert long_run_variance(np.tile(d, 10), 100)[1] == 4


def test_the_variances_of_several_series_add_up():
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=n) * s for n, s in ((40, 1.0), (60, 3.0))]
    d, series = np.concatenate(parts), np.repeat([0, 1], [40, 60])
    expected = sum(len(p) * long_run_variance(p)[0] for p in parts) / 100**2
    assert variance_of_mean(d, 1, series)[0] == pytest.approx(expected)
    many = np.repeat(rng.normal(size=50), 4)  # what a series has in common counts once
    variance, freedom = variance_of_mean(many, 1, np.repeat(np.arange(50), 4))
    assert variance == pytest.approx(many[::4].var(ddof=1) / 50) and freedom == 49


@pytest.mark.parametrize(("horizon", "rho"), [(1, 0.0), (4, 0.5)])
def test_the_test_rejects_a_true_hypothesis_about_as_often_as_it_says(horizon: int, rho: float):
    rows = correlated(np.random.default_rng(1), 2000, 60, rho)
    p = np.array([diebold_mariano(d, horizon).p_value for d in rows])
    assert 0.04 < (p < 0.1).mean() < 0.16


def test_a_difference_is_seen_and_its_interval_holds_it():
    rows = correlated(np.random.default_rng(2), 1000, 100, 0.3) + 0.6
    results = [diebold_mariano(d, 2) for d in rows]
    assert np.mean([each.p_value < 0.1 for each in results]) > 0.95
    held = np.mean([each.low < 0.6 < each.high for each in results])
    assert 0.84 < held < 0.96
    held = np.mean(
        [low < 0.6 < high for low, high in (bootstrap_interval(d, 2) for d in rows[:300])]
    )
    assert 0.78 < held < 0.96


def test_equal_losses_have_no_p_value_and_few_are_refused():
    same = diebold_mariano(np.zeros(10))
    assert same.mean == 0 and np.isnan(same.p_value) and not same.significant
    with pytest.raises(RekalError, match="two finite differences"):
        diebold_mariano(np.array([1.0]))


def test_resampled_means_have_the_spread_of_the_mean():
    losses = correlated(np.random.default_rng(3), 400, 200, 0.6).T  # many methods, one series
    spread = bootstrap_means(losses, 12).std(0).mean()
    assert spread == pytest.approx(losses.mean(0).std(), rel=0.2)
    series = np.repeat(np.arange(40), 5)  # whole series are drawn
    shared = np.repeat(np.random.default_rng(4).normal(size=(40, 400)), 5, axis=0)
    spread = bootstrap_means(shared, 1, series).std(0).mean()
    assert spread == pytest.approx(shared.mean(0).std(), rel=0.15)
    assert block_length(25, 12) == 6 and block_length(1000, 3) == 10


def test_the_confidence_set_holds_the_best_as_often_as_it_says():
    rng, held, size = np.random.default_rng(5), 0, 0
    offsets = np.array([0.0, 0.0, 0.15, 0.6])
    for _ in range(200):
        p = confidence_set(rng.normal(size=(150, 4)) + offsets, draws=300)
        held += (p[:2] >= ALPHA).all()
        size += (p >= ALPHA).sum()
        assert p.max() == 1.0
    assert held / 200 > 0.85  # both of the equally good ones
    assert size / 200 < 3.2  # and the bad one is gone


def test_the_confidence_set_has_power_and_keeps_what_is_the_same():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=(100, 1))
    p = confidence_set(shared + 0.1 * rng.normal(size=(100, 3)) + np.array([0.0, 0.2, 0.2]))
    assert p[0] == 1.0 and (p[1:] < ALPHA).all()
    assert (confidence_set(np.repeat(shared, 3, axis=1)) == 1.0).all()
