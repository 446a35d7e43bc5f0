"""Which linear model is chosen: few states behind noise, or the long memory of precise columns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import random_linear, simulate_linear

import rekalman
from rekalman.data import Sequences
from rekalman.learners.batch import as_batch
from rekalman.learners.start.n4sid import n4sid
from rekalman.learners.start.screening import screened, settled_gain, settled_score
from rekalman.training import linear_choice
from rekalman.training.linear_choice import choose_linear


def noisy(steps: int = 400) -> np.ndarray:
    """Two columns that show two states behind much noise."""
    rng = np.random.default_rng(0)
    t = np.arange(steps)
    return np.stack([np.sin(t / 4), np.cos(t / 4)], 1) + 0.7 * rng.normal(size=(steps, 2))


def precise(steps: int = 500) -> np.ndarray:
    """Three columns without noise that remember eight steps."""
    rng, y = np.random.default_rng(1), np.zeros((steps + 50, 3))
    for t in range(8, len(y)):
        y[t] = 0.3 * y[t - 1] + 0.6 * y[t - 8, [1, 2, 0]] + 0.1 * rng.normal(size=3)
    return y[50:]


def test_the_settled_gain_is_that_of_the_filter():
    with jax.enable_x64(True):
        model = random_linear(3, 2, 0, seed=2)
        linear = rekalman.LinearGaussian.create(
            **{name: getattr(model, name) for name in ("A", "C", "Q", "R", "m", "P", "c", "d")}
        )
        y = np.asarray(simulate_linear(model, 400, seed=1)[0])
        path = rekalman.Kalman(linear).run(jnp.asarray(y), None)
        blocks = [np.asarray(getattr(linear, name)) for name in ("A", "C", "Q", "R", "P")]
        K, S = settled_gain(*blocks)
        C, prior = blocks[1], np.asarray(path.prior_cov[-1])
        np.testing.assert_allclose(S, C @ prior @ C.T + blocks[3], rtol=1e-7)
        np.testing.assert_allclose(K, prior @ C.T @ np.linalg.inv(S), atol=1e-8)
        score = settled_score(linear, [(y, np.zeros((400, 0)))], [300])
        assert score == pytest.approx(float(path.log_evidence[300:].sum()) / 200, abs=1e-6)


def test_screening_scores_every_order_on_what_follows():
    y = noisy()
    series = [(y, np.zeros((400, 0))), (y[:200], np.zeros((200, 0)))]
    scores = screened(series, [320, 160], (1, 2, 3, 300))
    assert {states for states, _ in scores} == {1, 2, 3}
    assert scores[0][0] in (2, 3) and scores[-1][0] == 1
    values = np.stack([y[:320], np.pad(y[:160], [(0, 160), (0, 0)])])
    model = n4sid(values, np.ones(values.shape, bool), 2, lengths=np.array([320, 160]))
    assert dict(scores)[2] == pytest.approx(settled_score(model, series, [320, 160]))


def chosen(y: np.ndarray):
    data = Sequences.from_arrays((y - y.mean(0)) / y.std(0))
    with jax.enable_x64(True):
        return choose_linear(data, as_batch(data))


def test_of_many_series_some_are_chosen_by(monkeypatch):
    monkeypatch.setattr(linear_choice, "ENOUGH", 700)
    lengths = np.array([100, 300, 200, 400, 300, 100])
    assert linear_choice._enough(lengths).tolist() == [0, 2, 5]
    assert linear_choice._enough(lengths[:3]) is None
    y = noisy()
    noise = np.random.default_rng(5).normal(size=(200, 2))
    every = [y[:200], noise, y[200:], noise, y[100:300]]
    with jax.enable_x64(True):
        monkeypatch.setattr(linear_choice, "_enough", lambda lengths: np.array([0, 2, 4]))
        data = Sequences.from_arrays(every)
        some = choose_linear(data, as_batch(data))
        monkeypatch.setattr(linear_choice, "_enough", lambda lengths: None)
        data = Sequences.from_arrays(every[::2])
        alone = choose_linear(data, as_batch(data))
    assert some.trials == alone.trials


def test_noise_leaves_few_states():
    choice = chosen(noisy())
    assert choice.start is not None and choice.start.states == 2
    assert choice.trials[0][0] == "2 states"
    assert any(name.startswith("autoregression") for name, _ in choice.trials)


def test_precise_columns_with_a_long_memory_get_an_autoregression():
    y = precise()
    fit = rekalman.fit(Sequences.from_arrays(y[:400]), "linear", progress=False)
    name, score = fit.history.trials[0]
    assert name.startswith("autoregression") and score > fit.history.trials[1][1]
    assert dict(fit.history.criteria)["lags"] >= 8 and "first was kept" in fit.summary()
    same = rekalman.fit(Sequences.from_arrays(y[:400]), "ridge-ar", progress=False)
    whole = Sequences.from_arrays(y)
    np.testing.assert_array_equal(fit.roll(whole, 1).mean, same.roll(whole, 1).mean)
    few = rekalman.fit(Sequences.from_arrays(y[:400]), "linear", states=4, progress=False)
    errors = [
        np.sqrt(((each.roll(whole, 1, origins=range(399, 499)).mean[:, 0] - y[400:]) ** 2).mean())
        for each in (fit, few)
    ]
    assert errors[0] < 0.115 and errors[1] > 1.1 * errors[0]


def test_a_learner_that_was_asked_for_learns_a_state_space_model():
    learner = rekalman.EM(iterations=3)
    data = Sequences.from_arrays(precise(200)[:, :1])
    fit = rekalman.fit(data, "linear", learner, progress=False)
    assert not fit.history.trials and fit.model.states <= 6


def test_few_steps_say_nothing_against_a_state_space_model():
    y = np.cumsum(np.random.default_rng(0).normal(size=(30, 1)), 0)
    fit = rekalman.fit(Sequences.from_arrays(y), "linear", progress=False)
    assert fit.history.trials[-1][0].startswith("autoregression")
    assert not fit.history.criteria
