"""Readouts learned online over the filter of any model: they follow a drift, see no future, stream."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.filters.adaptive.follower import Follower, feature_horizons, features_of_series
from rekalman.filters.kalman.filter import Kalman
from rekalman.methods import Adaptive
from rekalman.report import report_html


def oscillation(steps: int = 1500, seed: int = 0, missing: float = 0.0) -> rekalman.Sequences:
    """An oscillation driven by noise whose frequency doubles, seen through noise."""
    rng = np.random.default_rng(seed)
    x = np.zeros(steps)
    for t in range(2, steps):
        frequency = 0.25 + 0.25 * t / steps
        x[t] = 1.98 * np.cos(frequency) * x[t - 1] - 0.9801 * x[t - 2] + rng.normal()
    y = x + 0.5 * rng.normal(size=steps)
    y[rng.random(steps) < missing] = np.nan
    return rekalman.Sequences.from_arrays(y[:, None])


@pytest.fixture(scope="module")
def data():
    return oscillation()


@pytest.fixture(scope="module")
def over_linear(data):
    method = Adaptive(over="linear", states=4, horizon=5, forgetting=0.99)
    return rekalman.fit(data.window(0, 500), method, progress=False)


def test_it_beats_the_model_alone_where_dynamics_drift_and_its_intervals_hold(data, over_linear):
    alone = rekalman.fit(data.window(0, 500), "linear", states=4, progress=False)
    ours, theirs = (
        fit.roll(data, [1, 5], origins=range(500, 1494)).score(data.values, data.mask)
        for fit in (over_linear, alone)
    )
    assert (ours["crps"] < 0.8 * theirs["crps"]).all()
    assert float(ours["crps"].iloc[1]) < 0.6 * float(theirs["crps"].iloc[1])
    assert ours["coverage_90"].between(0.85, 0.95).all()
    assert theirs["coverage_90"].iloc[1] < 0.7
    assert over_linear.algorithm.members[0].method == "linear"


FITS: dict[str, dict[str, Any]] = {
    "linear": {"states": 2},  # the mean of its state
    "naive": {},
    "local-linear-trend": {},  # diffuse at the start
    "gru": {"states": 3},  # its forecasts
    "rls": {},
}


@pytest.mark.parametrize("name", FITS)
def test_a_stream_is_a_run_and_sees_no_future_over_any_filter(name, tmp_path):
    data = oscillation(260, 1, 0.1)
    learner = {"learner": rekalman.Backprop(epochs=2)} if name == "gru" else {}
    method = Adaptive(over=name, horizon=4, **FITS[name])
    fit = rekalman.fit(data.window(0, 180), method, progress=False, **learner)
    rows = np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)[0]
    stream, made = fit.stream(), fit.roll(data, [1, 2, 3, 4])
    changed = rows.copy()
    changed[201:] += 20
    other = fit.roll(rekalman.Sequences.from_arrays(changed), [1, 2, 3, 4])
    np.testing.assert_array_equal(made.mean[:201], other.mean[:201])
    assert not np.allclose(made.mean[202:], other.mean[202:])
    for t, row in enumerate(rows):
        stream.update(row)
        if t == 120:
            stream.save(tmp_path / "s.rekalman")
        if t in (0, 3, 150, 259):
            ahead = stream.forecast(4)
            np.testing.assert_allclose(ahead.mean[0], made.mean[t], rtol=2e-3, atol=2e-3)
            np.testing.assert_allclose(ahead.std[0], made.std[t], rtol=2e-3)
    likelihood = fit.filter(data).log_likelihood
    np.testing.assert_allclose(stream.log_likelihood, likelihood, rtol=1e-3)
    resumed = rekalman.load_stream(tmp_path / "s.rekalman")
    for row in rows[121:]:
        resumed.update(row)
    np.testing.assert_array_equal(resumed.forecast(4).means, stream.forecast(4).means)
    fit.save(tmp_path / "f.rekalman")
    again = rekalman.load(tmp_path / "f.rekalman")
    np.testing.assert_array_equal(again.roll(data, 2).means, fit.roll(data, 2).means)


def test_several_columns_with_padding_and_running_intervals():
    y = np.concatenate([np.asarray(oscillation(300, k, 0.1).to_frame()[["y"]]) for k in (2, 3)], 1)
    data = rekalman.Sequences.from_arrays(y, names=("a", "b"))
    both = rekalman.Sequences.from_arrays([y[:200], np.zeros((300, 2))], names=("a", "b"))
    method = Adaptive(over="ridge-ar", horizon=3)
    padded, fit = (
        rekalman.fit(each, method, progress=False) for each in (both.take([0]), data.window(0, 200))
    )
    rolled = fit.roll(data, [1, 2, 3])
    np.testing.assert_allclose(padded.roll(data, [1, 2, 3]).mean, rolled.mean, rtol=1e-4, atol=1e-4)
    stream = fit.stream(intervals="running")  # as far as there are readouts
    for row in np.where(np.asarray(data.mask), np.asarray(data.values), np.nan)[0]:
        stream.update(row)
    ours, theirs = stream.forecast(3), fit.forecast(data, 3, intervals="running")
    np.testing.assert_allclose(ours.quantile(0.9), theirs.quantile(0.9), rtol=2e-3, atol=2e-3)
    with pytest.raises(
        rekalman.RekalError, match="up to 3 steps ahead, not 4: fit it with horizon=4"
    ):
        fit.stream(intervals="running", horizon=4)


def test_the_features_are_the_state_or_the_forecasts(data):
    one = np.eye(2)
    A = np.array([[0.9, 0.2], [-0.2, 0.9]])
    kalman = Kalman(rekalman.LinearGaussian.create(A, one[:1], 0.1 * one, 0.3 * np.eye(1)))
    with jax.enable_x64(True):
        y = jnp.asarray(np.asarray(data.values)[0, :40] / 5)
        mask = jnp.ones(y.shape, bool).at[7].set(False)
        seen = features_of_series(kalman, y, mask, 3)
        path = kalman.run(y, mask)
    np.testing.assert_allclose(seen.raw_features, path.mean, rtol=1e-9)
    expected = np.where(mask, y - path.prior_mean[:, :1], 0.0)
    np.testing.assert_allclose(seen.innovation, expected, rtol=1e-9, atol=1e-12)
    ahead = np.array([np.linalg.matrix_power(A, h)[:1] for h in (1, 2, 3)])
    np.testing.assert_allclose(seen.own, np.einsum("hdi,ti->thd", ahead, path.mean), rtol=1e-9)
    for horizons in (1, 5, 200):
        places = feature_horizons(horizons)
        assert places[0] == 0 and places[-1] == horizons - 1 and len(places) <= 8


def test_readouts_that_know_nothing_leave_the_forecasts_of_the_filter(data, over_linear):
    follower = over_linear.algorithm.members[0]
    assert isinstance(follower, Follower)
    with jax.enable_x64(True):
        belief = follower.init(1, None)
        assert np.abs(belief.readouts.weights).max() > 0.01  # the training data have taught them
        none = jax.tree.map(jnp.zeros_like, belief.readouts)
        start = follower.filter.update(follower.filter.init(), np.array([0.7]))[0]
        own = np.asarray(follower.filter.forecast(start, 5).mean)
        belief = type(belief)(belief.belief, belief.innovation, belief.features, belief.own, none)
        row, step = jnp.array([0.7]), jnp.zeros((), int)
        made = follower.update(belief, row, jnp.ones(1, bool), step, 1, (1.0, 0.99), 1.5)[1]
    np.testing.assert_allclose(made, np.broadcast_to(own, made.shape), rtol=1e-9)


def test_what_it_says_of_itself(data, over_linear):
    assert "the filter of linear, readouts learned online for 5 horizons" in over_linear.summary()
    page = report_html(over_linear, data.window(0, 120))
    assert "readouts over" in page and "over=&quot;linear&quot;" in page.replace('"', "&quot;")
    assert over_linear.simulate(6, batch=2).values.shape == (2, 6, 1)


def test_refusals(data):
    two = rekalman.Sequences.from_arrays(np.random.default_rng(0).normal(size=(50, 2)))
    for call, sentence in (
        (lambda: Adaptive(over="liner"), "did you mean 'linear'"),
        (lambda: Adaptive(over="adaptive"), "over another model"),
        (lambda: Adaptive(over="naive", states=3), "states is of no use to the model naive"),
        (
            lambda: Adaptive(over="linear", particles=50),
            "particles is of no use to adaptive over linear",
        ),
        (
            lambda: rekalman.fit(two, Adaptive(over="local-level")),
            "describes 1 column, but the data have 2",
        ),
        (
            lambda: rekalman.fit(data, Adaptive(over="naive"), rekalman.EM()),
            "EM trains .*, not the model naive",
        ),
        (lambda: rekalman.fit(data, "adaptive", filtering="kalman"), "leave filtering out"),
    ):
        with pytest.raises(rekalman.RekalError, match=sentence):
            call()
