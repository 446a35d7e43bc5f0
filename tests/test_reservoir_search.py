"""The search over hyper-parameters, held-out scores, and dynamics learned from smoothed rows."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.datasets.recurrent.chaotic import (
    LORENZ_TIME,
    lorenz,
    lorenz_rate,
    mackey_glass,
    narma10,
)
from rekalman.datasets.recurrent.oscillators import oscillators
from rekalman.foundation.errors import RekalError
from rekalman.learners.reservoir.harvest import stacked
from rekalman.learners.reservoir.held_out import held_out_scores, parted
from rekalman.learners.reservoir.nvar_search import Shape, search_shape, shapes_of
from rekalman.learners.reservoir.search import affordable_points, halton, points_of, search
from rekalman.learners.reservoir.smoothed import learn_noisy_dynamics, smoothed_path
from rekalman.networks.predictors.nvar import NVAR
from rekalman.networks.predictors.reservoir import Reservoir


def oscillation(steps=240, seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    y = np.zeros(steps)
    for t in range(2, steps):
        y[t] = 1.7 * y[t - 1] - 0.9 * y[t - 2] + rng.normal()
    return (y / y.std() + noise * rng.normal(size=steps))[None, :, None]


def part_of(values, horizon=5, washout=20):
    return parted(
        values,
        np.ones(values.shape, bool),
        None,
        np.array([values.shape[1]]),
        washout,
        0.2,
        horizon,
    )


def make(settings, seed):
    return Reservoir.create(1, units=20, seed=seed, **settings._asdict())


def test_the_score_is_that_of_a_loop_in_numpy():
    values = oscillation(120)
    part = part_of(values, horizon=3)
    network = Reservoir.create(1, units=10, seed=1)
    with jax.enable_x64(True):
        batch = stacked([network, Reservoir.create(1, units=10, seed=2)])
        placed = jax.tree.map(
            lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, part
        )
        found = held_out_scores(batch, placed, jnp.array([1e-3]))[0, 0]
        states, y = [network.start()], values[0]
        for t in range(119):
            states.append(network.advance(states[-1], jnp.asarray(y[t])))
        X = np.array([network.features_of(each) for each in states])
        rows = np.arange(20, 96)
        size = np.full(X.shape[1], 1e-3 * len(rows))
        size[-1] = 0.0
        W = np.linalg.solve(X[rows].T @ X[rows] + np.diag(size), X[rows].T @ y[rows])
        errors = [[], [], []]
        for t in range(96, 120):
            state = states[t]
            for k in range(3):
                ahead = np.asarray(network.features_of(state)) @ W
                if t + k < 120:
                    errors[k].append(float(ahead[0] - y[t + k, 0]))
                state = network.advance(state, jnp.asarray(ahead))
    nats = [-0.5 * np.log(2 * np.pi * np.e * np.mean(np.square(each))) for each in errors]
    assert float(found) == pytest.approx(np.mean(nats), rel=1e-6)


def test_the_same_seed_chooses_the_same_and_another_may_not():
    part = part_of(oscillation())
    one, again = (search(make, part, budget=0.05, seed=3) for _ in range(2))
    assert one == again
    assert len(one.trials) >= 4 and one.networks > len(one.trials)
    assert one.score == max(score for settings, score in one.trials if settings == one.settings)
    assert search(make, part, budget=0.05, seed=4).settings != one.settings or one.seed != 4


def test_it_finds_settings_that_beat_the_usual_ones():
    part = part_of(oscillation(400), horizon=1)
    found = search(make, part, budget=0.4, seed=0)
    usual = next(score for settings, score in found.trials if settings.input_scale == 0.5)
    assert found.score > usual


def test_given_settings_are_kept():
    found = search(make, part_of(oscillation()), fixed={"leak": 0.5}, penalty=1e-2, budget=0.03)
    assert found.settings.leak == 0.5 and found.penalty == 1e-2
    every = {"spectral_radius": 0.8, "leak": 1.0, "input_scale": 0.1, "bias_scale": 0.0}
    alone = search(make, part_of(oscillation()), fixed=every, budget=5.0)
    assert alone.settings._asdict() == every and len(alone.trials) == 1


def test_the_budget_bounds_the_work():
    counts = [affordable_points(budget, 1000, 200, 1, 10) for budget in (0.01, 1.0, 10.0, 1e9)]
    assert counts == sorted(counts) and counts[0] == 2 and counts[-1] == 200
    part = part_of(oscillation(600))
    search(make, part, budget=1e-6)  # compiles
    since = time.process_time()
    search(make, part, budget=1.0)
    assert time.process_time() - since < 6.0  # one second on a machine that does nothing else


def test_points_fill_the_space():
    points = halton(200, 4, seed=0)
    assert points.min() >= 0 and points.max() < 1
    for k in range(4):
        counts = np.histogram(points[:, k], bins=8, range=(0, 1))[0]
        assert counts.min() >= 22 and counts.max() <= 28
    assert len(points_of(7, 0, {})) == 7


def test_the_form_of_a_quadratic_map_is_found():
    y = [0.3]
    for _ in range(299):
        y.append(3.9 * y[-1] * (1 - y[-1]))
    values = np.array(y)[None, :, None]
    values = (values - values.mean()) / values.std()
    shapes = shapes_of(300, 300, 1, 10.0, {})
    assert len(shapes) > 10 and all(shape.reach <= 75 for shape in shapes)
    found = search_shape(part_of(values, horizon=4), shapes, increment=False)
    assert found.shape.taps == 1 and found.shape.order >= 2 and found.trials[0][1] > 5
    linear = next(score for shape, score in found.trials if shape == Shape(1, 1, 1))
    assert linear < 0


def test_smoothing_before_learning_is_nearer_the_true_dynamics():
    rng = np.random.default_rng(5)
    truth = lorenz(400, rng)[0]
    truth = (truth - truth.mean(0)) / truth.std(0)
    noisy = truth + 0.02 * rng.normal(size=truth.shape)
    found = learn_noisy_dynamics(noisy, order=3, rounds=6)
    assert np.sqrt(np.mean((np.asarray(found.path.mean) - truth) ** 2)) < 0.5 * 0.02
    np.testing.assert_allclose(np.sqrt(np.diag(found.R)), 0.02, rtol=0.2)
    assert np.all(np.diff(found.log_likelihood[1:]) > -1.0)


def test_a_linear_map_is_smoothed_as_by_the_joint_gaussian():
    rng = np.random.default_rng(0)
    F = np.array([[0.9, 0.2], [-0.1, 0.8]])
    y = rng.normal(size=(7, 2))
    Q, R = np.diag([0.3, 0.1]), np.diag([0.2, 0.5])
    with jax.enable_x64(True):
        made = NVAR.create(2, taps=1, order=1, increment=False, bound=1e6)
        made = made.with_readout(jnp.asarray(np.concatenate([F.T, [[0.1, 0.0]]])))
        found = smoothed_path(made, jnp.asarray(y), jnp.asarray(Q), jnp.asarray(R))
    # x_1 ~ N(y_1, R), since the first row is where the recursion begins; then the information form.
    n, shift = 7, np.array([0.1, 0.0])
    P, h = np.zeros((2 * n, 2 * n)), np.zeros(2 * n)
    for t in range(n):
        at = slice(2 * t, 2 * t + 2)
        P[at, at] += np.linalg.inv(R)
        h[at] += np.linalg.solve(R, y[t])
        if t + 1 < n:
            both = slice(2 * t, 2 * t + 4)
            D = np.concatenate([-F, np.eye(2)], 1)
            P[both, both] += D.T @ np.linalg.solve(Q, D)
            h[both] += D.T @ np.linalg.solve(Q, shift)
    cov = np.linalg.inv(P)
    np.testing.assert_allclose(np.asarray(found.mean).ravel(), cov @ h, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.asarray(found.var).ravel(), np.diag(cov), rtol=1e-8)


def test_too_few_rows_for_the_monomials_are_refused():
    with pytest.raises(RekalError, match="30 rows are too few for 20 monomials: give 60 at least"):
        learn_noisy_dynamics(np.zeros((30, 3)), order=3)


def test_the_simulators_solve_their_equations():
    rng = np.random.default_rng(0)
    fine = mackey_glass(60, np.random.default_rng(0), tau=17, substeps=10)
    assert fine.shape == (1, 60) and 0.2 < fine.min() < fine.max() < 1.5
    x = mackey_glass(400, rng, tau=17, series=2, substeps=1)
    rate = 0.2 * x[:, :-18] / (1 + x[:, :-18] ** 10) - 0.1 * x[:, 17:-1]
    np.testing.assert_allclose(np.diff(x, axis=1)[:, 17:], rate, rtol=1e-9, atol=1e-12)

    path = lorenz(300, rng, series=2, interval=0.005, substeps=5)
    centre = (path[:, 2:] - path[:, :-2]) / 0.01
    rates = np.stack([lorenz_rate(each) for each in path])[:, 1:-1]
    assert np.abs(centre - rates).max() < 0.01 * np.abs(rates).max()
    assert pytest.approx(1.104, abs=1e-3) == LORENZ_TIME

    u, y = narma10(200, rng)
    t = 150
    wanted = 0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
    assert y[t + 1] == pytest.approx(wanted) and y.max() <= 1.0

    wave = oscillators(2, 10)
    assert wave[3] == pytest.approx(np.sin(0.6) + np.sin(0.933))
    with pytest.raises(RekalError, match="count must be"):
        oscillators(9, 10)
