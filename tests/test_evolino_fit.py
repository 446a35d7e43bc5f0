"""`rekalman.fit(data, "evolino")`: what a fit of an evolved network does, and how good its forecasts are."""

from __future__ import annotations

import numpy as np
import pytest

import rekalman
from rekalman.foundation.errors import RekalError
from rekalman.methods.request import TrainingRequest
from rekalman.training.predictors import evolino as training

SMALL = {"units": 4, "generations": 4, "population": 8, "progress": False}


def swings(steps=240, seed=0):
    """Two series of two columns with an input that acts on the next row, and gaps."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps) + rng.uniform(0, 20, (2, 1))
    u = rng.normal(size=(2, steps, 1))
    y = np.stack([np.sin(0.4 * t) + 0.8 * u[..., 0], 2 + np.cos(0.4 * t)], -1)
    y += 0.1 * rng.normal(size=y.shape)
    y[0, 60:66, 0] = np.nan
    y[1, 100] = np.nan
    return rekalman.Sequences.from_arrays(y, inputs=u)


@pytest.fixture(scope="module")
def fitted():
    return rekalman.fit(swings(), "evolino", units=8, generations=10, progress=False), swings()


def test_it_learns_columns_inputs_and_gaps(fitted):
    fit, data = fitted
    assert fit.history.entries == int(np.asarray(data.mask).sum())
    assert np.isfinite(fit.history.log_likelihood).all()
    assert "LSTM with 8 units" in fit.summary()
    future = np.zeros((2, 3, 1))
    future[:, 0] = 2.0
    driven, idle = fit.forecast(data, 3, future), fit.forecast(data, 3, np.zeros((2, 3, 1)))
    effect = np.asarray(driven.mean - idle.mean)
    assert effect[:, 0, 0] == pytest.approx(1.6, abs=0.3)  # 0.8 for each unit of the input
    assert np.abs(effect[:, 0, 1]).max() < 0.3


def test_gaps_widen_the_forecasts_behind_them(fitted):
    fit, data = fitted
    spread = np.sqrt(np.asarray(fit.paths(data).predicted.cov))[0, :, 0, 0]
    assert spread[64] > 1.02 * spread[50]


def test_it_is_saved_and_streamed(fitted, tmp_path):
    fit, data = fitted
    fit.save(tmp_path / "evolved.rekalman")
    again = rekalman.load(tmp_path / "evolved.rekalman")
    future = np.zeros((2, 4, 1))
    one, other = fit.forecast(data, 4, future), again.forecast(data, 4, future)
    np.testing.assert_array_equal(one.mean, other.mean)
    stream = fit.stream()
    values, inputs = np.asarray(data.values)[0], np.asarray(data.inputs)[0]
    mask = np.asarray(data.mask)[0]
    for row, seen, u in zip(values, mask, inputs, strict=True):
        stream.update(np.where(seen, row, np.nan), u)
    ahead = stream.forecast(4, np.zeros((4, 1)))
    np.testing.assert_allclose(np.asarray(ahead.mean)[0], np.asarray(one.mean)[0], rtol=1e-6)


def test_the_same_seed_gives_the_same_fit():
    fits = [rekalman.fit(swings(), "evolino", seed=seed, **SMALL) for seed in (0, 0, 1)]
    values = [float(each.history.log_likelihood[-1]) for each in fits]
    assert values[0] == values[1] != values[2]


def noisy_sines(seed, steps):
    rng = np.random.default_rng(seed)
    t, phases = np.arange(steps), rng.uniform(0, 6, 2)
    return (
        np.sin(0.3 * t + phases[0])
        + 0.5 * np.sin(0.47 * t + phases[1])
        + 0.2 * rng.normal(size=steps)
    )


def test_intervals_of_several_steps_hold_what_they_say():
    """Two sines in noise: 90 % intervals 1, 5 and 20 steps ahead, on rows after the training."""
    inside = {1: [], 5: [], 20: []}
    for seed in range(2):
        y = noisy_sines(seed, 900)
        fit = rekalman.fit(
            rekalman.Sequences.from_arrays(y[:400, None]), "evolino", generations=15, seed=seed,
            progress=False,
        )  # fmt: skip
        origins = np.arange(400, 875, 3)
        rolled = fit.roll(rekalman.Sequences.from_arrays(y[:, None]), list(inside), origins=origins)
        low, high = (np.asarray(each).reshape(len(origins), -1) for each in rolled.interval(0.9))
        for i, horizon in enumerate(inside):
            value = y[origins + horizon]
            inside[horizon].append(np.mean((low[:, i] <= value) & (value <= high[:, i])))
    for horizon, shares in inside.items():
        assert 0.8 <= np.mean(shares) <= 0.985, (horizon, shares)


def test_the_noise_is_that_of_rows_that_were_held_out():
    """The innovations of the head are smaller where a large network fits its few rows."""
    y = np.random.default_rng(0).normal(size=(100, 1))  # white noise: nothing to learn
    fit = rekalman.fit(
        rekalman.Sequences.from_arrays(y), "evolino", units=20, generations=3, hold_out=0.4,
        progress=False,
    )  # fmt: skip
    noise = float(np.asarray(fit.algorithm.predictor.noise_factor)[0, 0])
    assert (
        noise > 1.1
    )  # more than the deviation of the data, since it predicts worse than their mean


def test_long_data_are_bred_on_their_last_rows():
    data = rekalman.Sequences.from_arrays(np.random.default_rng(0).normal(size=(3, 9000, 1)))
    cut = training.last_rows(training.as_batch(data))
    assert cut.valid.sum() <= 1.01 * training.MOST_ROWS
    np.testing.assert_array_equal(
        np.asarray(cut.values)[:, -1, 0], np.asarray(data.values, np.float32)[:, -1, 0]
    )


def test_generations_are_fewer_for_more_rows():
    method = rekalman.methods.Evolino()
    few, many = (training.usual_learner(method, rows).generations for rows in (800, 10**6))
    assert (few, many) == (100, 30)
    assert training.usual_learner(rekalman.methods.Evolino(generations=7), 800).generations == 7


def test_bad_input_is_refused():
    data = swings()
    with pytest.raises(RekalError, match="population must be at least 4, but is 1"):
        rekalman.fit(data, "evolino", population=1)
    with pytest.raises(RekalError, match="units must be at least 1, but is 0"):
        rekalman.fit(data, "evolino", units=0)
    with pytest.raises(RekalError, match="give population and generations to the learner"):
        rekalman.fit(data, "evolino", rekalman.Evolino(), generations=3)
    with pytest.raises(RekalError, match="needs a series of 40 samples"):
        rekalman.fit(rekalman.Sequences.from_arrays(np.ones((30, 1)).cumsum(0)), "evolino")
    with pytest.raises(RekalError, match="leave filtering out"):
        rekalman.methods.Evolino().train(TrainingRequest(data=data, filtering="extended"))
