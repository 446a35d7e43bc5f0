"""The study of networks and Kalman filters: its exact answers, its scores, and small runs of its parts."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.core.innovations_form import InnovationsForm
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.rnn_or_kalman.accuracy import accuracy
from rekalman.studies.rnn_or_kalman.curved import bistable, drawn, particle_answer, published
from rekalman.studies.rnn_or_kalman.dynamics import dynamics, errors, matched
from rekalman.studies.rnn_or_kalman.published import late, taught_states
from rekalman.studies.rnn_or_kalman.setting import QUICK
from rekalman.studies.rnn_or_kalman.systems import (
    draw,
    exact,
    excess,
    published_system,
    settled,
    stationary_system,
)


@pytest.mark.parametrize("shape", [(1, 1, 0), (4, 2, 1)])
def test_the_exact_answer_has_the_likelihood_of_the_kalman_filter(shape):
    system = stationary_system(shape, 3)
    data = draw(system, 2, 0, steps=12)
    with jax.enable_x64(True):
        inputs = jnp.asarray(data.inputs) if shape[2] else None
        path = rekalman.Kalman(system).run_batch(
            jnp.asarray(data.values), jnp.ones(data.values.shape, bool), inputs
        )
        P, C = np.asarray(system.P, float), np.asarray(system.C, float)
        first = data.values[:, 0] - exact(system, data).forecast[:, 0]
        S = C @ P @ C.T + np.asarray(system.R, float)
        wanted = -0.5 * (
            np.einsum("bi,ij,bj->b", first, np.linalg.inv(S), first)
            + np.linalg.slogdet(2 * np.pi * S)[1]
        )
        np.testing.assert_allclose(path.log_evidence[:, 0], wanted, rtol=1e-9)
    late_error = (data.values - exact(system, data).forecast)[:, -1]
    S = settled(system).S
    assert np.square(late_error).mean() < 20 * np.trace(S)


def test_no_forecast_is_better_than_the_exact_one():
    system = stationary_system((4, 2, 0), 0)
    data = draw(system, 400, 1)
    best = exact(system, data).forecast
    error = np.square(data.values - best)[:, 10:].mean((0, 1))
    np.testing.assert_allclose(error, np.diagonal(settled(system).S), rtol=0.05)
    worse = best + 0.1 * np.sqrt(error)
    assert excess(worse, best, data.values) == pytest.approx(0.01, rel=1e-6)
    measured = (np.square(data.values - worse)[:, 10:].mean((0, 1)) / error).mean() - 1
    assert measured == pytest.approx(0.01, abs=0.005)


def test_gain_scales_everything():
    system = stationary_system((4, 2, 1), 0)
    one, other = draw(system, 2, 0), draw(system, 2, 0, gain=4.0)
    np.testing.assert_allclose(4 * exact(system, one).forecast, exact(system, other).forecast)


def test_systems_follow_the_published_rule():
    system = published_system(4, 0)
    A = np.asarray(system.A, float)
    assert np.linalg.norm(A, 2) == pytest.approx(0.95)
    np.testing.assert_allclose(system.P, A @ A.T + 0.01 * np.eye(4), rtol=1e-6)
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert late(x).shape == (2, 6, 3)
    np.testing.assert_array_equal(taught_states(x)[:, 1:], x)
    assert np.isnan(taught_states(x)[:, 0]).all()


def test_eigenvalues_are_matched_in_the_best_way():
    error, ours, theirs = matched(np.diag([0.5, 0.91]), np.diag([0.9, 0.5]))
    assert error == pytest.approx(0.01 / np.hypot(0.9, 0.5))
    np.testing.assert_allclose(ours, [[0.5, 0], [0.91, 0]])
    np.testing.assert_allclose(theirs, [[0.5, 0], [0.9, 0]])
    system = stationary_system((4, 2, 0), 0)
    form: InnovationsForm = settled(system)
    told = errors(form, form, np.asarray(system.R, float))
    assert max(told[key] for key in ("predictor", "dynamics", "innovations")) < 1e-10
    assert told["noise"] < 1e-6


def test_particles_come_near_the_exact_answer():
    system = bistable(0.0, 0.5)  # without wells: a random walk, for which a Kalman filter is exact
    _, y = drawn(system, 3, 0, burn_in=0)
    one = np.eye(1)
    walk = rekalman.LinearGaussian.create(A=one, C=one, Q=0.09 * one, R=0.25 * one, P=one)
    data = draw(walk, 3, 0)._replace(values=y)
    best = exact(walk, data)
    forecast, filtered = particle_answer(system, y, 4000, 0, before=1)
    assert np.abs(forecast - best.forecast)[:, 10:].max() < 0.1
    assert np.abs(filtered - best.filtered)[:, 10:].max() < 0.1


def test_a_nonlinear_system_of_the_published_rule_is_bounded():
    x, y = drawn(published(4, 0), 3, 0, 1)
    assert x.shape == (3, 100, 4) and y.shape == (3, 100, 2)
    assert np.abs(x).max() < 20


def test_a_small_run_of_accuracy_and_dynamics():
    setting = QUICK._replace(updates=30)
    rows, figures, networks = accuracy(StudyOptions(seeds=1), setting, ("GRU",))
    assert [row.metric for row in rows] == ["mse_ratio"] and rows[0].ours > 1
    assert list(figures) == ["GRU, 4 states, driven, 12"]
    more, told = dynamics(networks, (12,))
    assert len(more) == 6 and json.dumps(told)


@pytest.mark.nightly
def test_the_quick_study_runs():
    result = STUDIES["rnn-or-kalman"].run(StudyOptions(seeds=1, quick=True))
    assert {"accuracy", "dynamics", "published", "nonlinear", "distilled"} <= set(result.config)
    assert all(np.isfinite(row.ours) for row in result.rows)
    assert json.loads(result.to_json())["study"] == "rnn-or-kalman"
