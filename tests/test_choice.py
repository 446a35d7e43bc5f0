"""The filter that follows a trained model: which goes with which, and the same from fit to file to stream."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import rekalman
from rekalman.filters.choice import Filtering
from rekalman.models.linear import LinearGaussian
from rekalman.models.stochastic_rnn import StochasticRNN

ONE = np.eye(1)
FLAT = LinearGaussian.create(ONE, ONE, ONE, ONE, initial="diffuse")


@pytest.fixture(scope="module")
def wave() -> rekalman.Sequences:
    rng = np.random.default_rng(0)
    y = 5 + 2 * np.sin(np.arange(60) / 4)[:, None] + 0.4 * rng.normal(size=(60, 1))
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    return rekalman.Sequences.from_arrays(y, interval=0.1)


@pytest.fixture(scope="module")
def trained(wave) -> rekalman.Fit:
    learner = rekalman.EM(iterations=3, smoother="gaussian", average=1)
    options = Filtering("extended", iterations=2)
    return rekalman.fit(
        wave, "em-rnn", learner=learner, states=2, restarts=1, filtering=options, progress=False
    )


def test_a_network_is_followed_by_the_filter_that_was_asked_for(trained):
    assert isinstance(trained.algorithm, rekalman.ExtendedKalman)
    assert trained.algorithm.iterations == 2


def test_the_choice_is_kept_in_the_file(trained, wave, tmp_path):
    trained.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    assert again.algorithm.iterations == trained.algorithm.iterations == 2
    np.testing.assert_array_equal(again.forecast(wave, 3).mean, trained.forecast(wave, 3).mean)


def test_a_stream_ends_where_the_filter_ends(trained, wave):
    stream = trained.stream()
    for y in np.where(wave.mask[0], wave.values[0], np.nan):
        stream.update(y)
    assert stream.log_likelihood == pytest.approx(trained.filter(wave).log_likelihood, abs=0.01)
    np.testing.assert_allclose(
        stream.forecast(3).mean, trained.forecast(wave, 3).mean, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Filtering("extended", iterations=0), "iterations must be at least 1"),
        (lambda: Filtering("kalman", iterations=2), "'kalman' linearises nothing again"),
        (lambda: Filtering("extended").of(FLAT), "does not take a diffuse start: use Kalman"),
        (lambda: Filtering("particles").of(FLAT), "drawn from a diffuse start: use 'kalman'"),
        (
            lambda: Filtering("kalman").of(StochasticRNN.init(1, 1, key=jax.random.key(0))),
            "StochasticRNN is not linear: filter it by 'extended'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(make, sentence):
    with pytest.raises(rekalman.RekalError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("model", "filtering", "sentence"),
    [
        ("em-rnn", "exact", "no filter 'exact': use 'kalman', 'extended'"),
        ("em-rnn", "kalman", "is not linear"),
        ("local-level", "extended", "diffuse start: use Kalman"),
        ("local-level", "particles", "diffuse start: use 'kalman'"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_before_the_work(wave, model, filtering, sentence):
    def work(*_):
        raise AssertionError("work began")

    with pytest.raises(rekalman.RekalError, match=sentence):
        rekalman.fit(wave, model, filtering=filtering, progress=work)
