"""Adaptive forecasts on small data: causal, calibrated, and fit for a user's own series."""

import copy
import dataclasses

import numpy as np
import pytest

from rekalman.data import Sequences
from rekalman.evaluation.intervals import running_intervals
from rekalman.fitting.adaptive import TRAINING, AdaptiveForecaster, fit_adaptive
from rekalman.foundation.errors import RekalError

SMALL = dataclasses.replace(TRAINING, iterations=3, average=1, particles=50)
FORECASTER = AdaptiveForecaster((1, 4), 96, (144,), sizes=(4,), em=SMALL, particles=50)


def breathing_like(steps=240, seed=0):
    """Two columns of an oscillation whose period drifts."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(0.35 + 0.05 * np.sin(np.arange(steps) / 50))
    clean = np.stack([np.sin(phase), 2 * np.cos(phase) + 0.3 * np.sin(2 * phase)], 1)
    return 5.0 + clean + 0.05 * rng.normal(size=clean.shape)


def test_beats_the_last_sample_and_sees_no_future():
    y = breathing_like()
    one = FORECASTER.run(y)
    assert np.isnan(one.mean[:96]).all() and np.isfinite(one.mean[96:]).all()
    for j, h in enumerate((1, 4)):
        ours = np.sqrt(np.mean((one.mean[144:-h, j] - y[144 + h :]) ** 2))
        naive = np.sqrt(np.mean((y[144:-h] - y[144 + h :]) ** 2))
        assert ours < 0.6 * naive
    assert set(one.members) == {(4, 1.0), (4, 0.998)}
    assert [n.trained_on for n in one.networks[4]] == [96, 144]
    for tau in (130, 143, 180):
        changed = y.copy()
        changed[tau + 1 :] += 20 * np.random.default_rng(tau).normal(size=changed[tau + 1 :].shape)
        other = FORECASTER.run(changed)
        before = slice(96, tau + 1)
        assert np.array_equal(one.mean[before], other.mean[before])
        assert np.array_equal(
            one.quantile(0.9)[before], other.quantile(0.9)[before], equal_nan=True
        )
        assert not np.allclose(one.mean[tau + 1 :], other.mean[tau + 1 :])


def test_missing_entries_and_several_series():
    rng = np.random.default_rng(1)
    rows = [breathing_like(240, 1), breathing_like(200, 2)]
    gappy = [np.where(rng.random(r.shape) < 0.3, np.nan, r) for r in rows]
    data = Sequences.from_arrays(gappy)
    runs = [
        FORECASTER.run(np.asarray(data.values)[i, :n], np.asarray(data.mask)[i, :n])
        for i, n in enumerate((240, 200))
    ]
    for y, one in zip(rows, runs, strict=True):
        assert one.mean.shape == (len(y), 2, 2)
        ours = np.sqrt(np.mean((one.mean[144:-4, 1] - y[148:]) ** 2))
        assert ours < np.sqrt(np.mean((y[144:-4] - y[148:]) ** 2))


def test_forecasts_stay_within_the_past_range():
    one = FORECASTER.run(breathing_like())
    y = breathing_like()
    high = np.maximum.accumulate(y)
    reach = 0.05 * (high - np.minimum.accumulate(y))
    assert (one.mean[96:] <= (high + reach)[96:, None] + 1e-9).all()


@pytest.mark.parametrize("sd", [0.1, 3.0])
def test_running_intervals_are_calibrated(sd):
    rng = np.random.default_rng(0)
    y = sd * rng.standard_t(5, size=(3000, 3)) * np.linspace(1, 3, 3000)[:, None]
    mask = rng.random(y.shape) > 0.2
    mean = np.zeros((3000, 2, 3))
    made = running_intervals(mean, y, mask, (1, 5), start=50, floor=0.0)
    for j, h in enumerate((1, 5)):
        low, high = (made.quantile(q)[300:-h, j] for q in (0.05, 0.95))
        inside = (y[300 + h :] >= low) & (y[300 + h :] <= high)
        assert inside.mean() == pytest.approx(0.9, abs=0.015)
    assert np.allclose(made.quantile(0.5)[300:], 0.0, atol=1e-9)
    assert np.allclose(made.at(5)[300:, :, 94], made.quantile(0.95)[300:, 1])
    with pytest.raises(RekalError):
        made.quantile(0.999)


def adaptive_without_type_checks(**changed):
    made = copy.copy(FORECASTER)
    for name, value in changed.items():
        object.__setattr__(made, name, value)
    made.__post_init__()


def test_what_was_not_seen_yet_holds_no_forecast_back():
    forecasts = np.array([[[3.0]], [[3.0]], [[3.0]]])
    values, seen = np.array([[0.0], [1.0], [2.0]]), np.array([[False], [True], [True]])
    held = FORECASTER._clip(forecasts, values, seen)
    np.testing.assert_allclose(held[:, 0, 0], [3.0, 1.0, 2.05])


def test_refusals():
    for wrong in ({"horizons": (0,)}, {"refit": (50,)}, {"refit": (200, 150)}, {"sizes": ()}):
        with pytest.raises(RekalError):
            dataclasses.replace(FORECASTER, **wrong)
    for wrong, sentence in (
        ({"horizons": (1.5,)}, "each of horizons must be a whole number, but is 1.5"),
        ({"sizes": ("3",)}, "each of sizes must be a whole number"),
        ({"forgetting": (1.5,)}, "forgetting factors lie above 0 and up to 1"),
        ({"margin": np.nan}, "margin must be a share"),
    ):
        with pytest.raises(RekalError, match=sentence):
            adaptive_without_type_checks(**wrong)
    with pytest.raises(RekalError, match="leaves none"):
        FORECASTER.run(breathing_like(90))
    y = breathing_like(200)
    for values, mask, sentence in (
        (y.astype(str), None, "values must be numbers, not text"),
        (y[:, 0], None, "values have the axes"),
        (np.where(np.arange(len(y))[:, None] == 3, np.inf, y), None, "an infinite number"),
        (y, np.ones(y.shape), "mask is of booleans"),
    ):
        with pytest.raises(RekalError, match=sentence):
            FORECASTER.run(values, mask)
    driven = Sequences.from_arrays(np.ones((200, 1)), inputs=np.ones((200, 1)))
    with pytest.raises(RekalError, match="without inputs"):
        fit_adaptive(driven, (1,), warmup=96)
