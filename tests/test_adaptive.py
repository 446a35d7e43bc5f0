"""Adaptive forecasts on small data: causal, calibrated, and fit for a user's own series."""

import copy
import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.data import Sequences
from rekalman.evaluation.intervals import running_intervals
from rekalman.filters.adaptive.readout import Readout, learn
from rekalman.fitting.adaptive import AdaptiveForecaster
from rekalman.fitting.readout_members import held_in_range
from rekalman.foundation.errors import RekalError
from rekalman.learners.online.tracked import TRAINING
from rekalman.report import report_html

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
    held = held_in_range(forecasts, values, seen, FORECASTER.margin)
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


@pytest.fixture(scope="module")
def fit():
    data = Sequences.from_arrays(breathing_like(400), names=("chest", "belly"))
    head, _ = data.split(240)
    learner = dataclasses.replace(SMALL)
    method = rekalman.methods.Adaptive(horizon=5, states=4, particles=50)
    return rekalman.fit(head, method, learner, progress=False)


def test_a_fit_forecasts_what_comes_with_intervals_that_hold(fit):
    y = breathing_like(400)
    made = fit.roll(Sequences.from_arrays(y, names=("chest", "belly")), (1, 4), range(240, 394))
    scores = made.score(y)
    assert scores["coverage_90"].between(0.8, 0.98).all()
    for h in (1, 4):
        naive = np.sqrt(np.mean((y[240:394] - y[240 + h : 394 + h]) ** 2, 0))
        assert (scores.loc[scores["horizon"] == h, "rmse"].to_numpy() < 0.5 * naive).all()


def test_a_filter_sees_no_future(fit):
    y = breathing_like(60, 3)
    changed = y.copy()
    changed[31:] += 3
    one, other = (
        fit.roll(Sequences.from_arrays(each, names=("chest", "belly")), (1, 5)).mean
        for each in (y, changed)
    )
    np.testing.assert_array_equal(one[:31], other[:31])
    assert not np.allclose(one[31:], other[31:])


def test_a_stream_goes_on_learning_and_comes_back_from_its_file(fit, tmp_path):
    y = breathing_like(60, 3)
    y[7] = np.nan
    y[9, 0] = np.nan
    data, stream = Sequences.from_arrays(y, names=("chest", "belly")), fit.stream()
    for row in y[:40]:
        stream.update(row)
    before = np.asarray(stream.belief.members[0].readouts.weights)
    stream.save(tmp_path / "s.rekalman")
    resumed = rekalman.load_stream(tmp_path / "s.rekalman")
    for row in y[40:]:
        stream.update(row)
        resumed.update(row)
    assert not np.allclose(before, stream.belief.members[0].readouts.weights)
    np.testing.assert_array_equal(stream.forecast(5).mean, resumed.forecast(5).mean)
    assert stream.log_likelihood == resumed.log_likelihood
    # Other particles follow the state in a run over the whole series.
    np.testing.assert_allclose(stream.log_likelihood, fit.filter(data).log_likelihood, rtol=0.05)
    np.testing.assert_allclose(stream.forecast(5).mean, fit.forecast(data, 5).mean, rtol=0.05)
    fit.save(tmp_path / "f.rekalman")
    again = rekalman.load(tmp_path / "f.rekalman")
    np.testing.assert_array_equal(again.forecast(data, 2).mean, fit.forecast(data, 2).mean)


def test_what_an_adaptive_fit_cannot_do_is_refused(fit):
    data = Sequences.from_arrays(breathing_like(60), names=("chest", "belly"))
    assert fit.simulate(6, batch=2).values.shape == (2, 6, 2)
    for call, sentence in (
        (lambda: fit.forecast(data, 6), "up to 5 steps ahead, not 6: fit it with horizon=6"),
        (lambda: fit.smooth(data), "no state that could be smoothed"),
        (lambda: fit.identify(), "no state-space model"),
        (
            lambda: rekalman.fit(Sequences.from_arrays(np.ones((2, 40, 1)).cumsum(1)), "adaptive"),
            "follows one series, but there are 2",
        ),
    ):
        with pytest.raises(RekalError, match=sentence):
            call()


def test_another_seed_follows_with_other_particles(fit):
    data = Sequences.from_arrays(breathing_like(60), names=("chest", "belly"))
    other = fit.seeded(7)
    assert (other.seed, other.algorithm.seed) == (7, 7)
    one, two = (each.forecast(data, 3).mean for each in (fit, other))
    assert not np.array_equal(one, two)
    np.testing.assert_allclose(one, two, rtol=0.1)


def test_padding_is_not_learned_from_and_progress_is_told(fit):
    rows = breathing_like(400)[:240]
    data = Sequences.from_arrays([rows, np.zeros((400, 2))], names=("chest", "belly")).take([0])
    assert data.steps == 400 and data.lengths[0] == 240
    output = []
    method = rekalman.methods.Adaptive(horizon=5, states=4, particles=50)
    padded = rekalman.fit(data, method, SMALL, progress=lambda *each: output.append(each))
    ours, theirs = padded.algorithm.members[0], fit.algorithm.members[0]
    np.testing.assert_allclose(ours.scale, theirs.scale, rtol=0.2)
    assert [(stage, now.iteration) for stage, now in output] == [("4 states", i) for i in (1, 2, 3)]


def test_the_report_forecasts_as_far_as_there_are_readouts(fit):
    page = report_html(fit, Sequences.from_arrays(breathing_like(120), names=("chest", "belly")))
    assert (
        "an adaptive forecaster" in page
        and "the forecast after the end of the data, 5 steps" in page
    )
    assert "nats per value while it learned" in page


def test_readouts_are_recursive_least_squares():
    rng = np.random.default_rng(0)
    phi = jnp.asarray(rng.normal(size=(80, 3)))
    z = phi @ rng.normal(size=(3, 2)) + 0.1 * jnp.asarray(rng.normal(size=(80, 2)))
    readout, nothing, yes = Readout.start(3, 2, 10.0), jnp.zeros(2), jnp.asarray(True)
    for row, target in zip(phi, z, strict=True):
        readout = learn(readout, row, nothing, target, jnp.ones(2, bool), yes, 1.0, 1e9)
    ridge = np.linalg.solve(phi.T @ phi + 10 * np.eye(3), phi.T @ z)
    np.testing.assert_allclose(readout.weights, ridge, rtol=1e-3, atol=1e-4)
    unseen = learn(readout, phi[0], nothing, z[0], jnp.zeros(2, bool), yes, 0.9, 1.5)
    np.testing.assert_array_equal(unseen.weights, readout.weights)
    np.testing.assert_array_equal(unseen.cov, readout.cov)
