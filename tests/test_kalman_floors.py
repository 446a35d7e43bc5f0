"""The study of Kalman floors: the files, the exact values, and what the simulation is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.datasets.benchmark_systems import (
    canonical_system,
    lorenz_step,
    lorenz_system,
    rotation,
)
from rekalman.datasets.kalmannet import load_kalmannet
from rekalman.filters.extended import ExtendedKalman
from rekalman.foundation.errors import RekalError
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.kalman_floors import (
    RICCATI,
    decibels,
    estimates,
    exact_errors,
    linear_rows,
    simulated_rows,
)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def folder(data_root):
    result = data_root / "kalmannet_synthetic"
    if not result.is_dir():
        pytest.skip("needs the KalmanNet files")
    return result


def test_the_linear_file(folder):
    rows = linear_rows(folder)
    assert [row.published for row in rows] == [-0.008, -7.254, -11.847]
    for row in rows:
        assert row.ours == pytest.approx(row.published, abs=0.001)


def test_the_lorenz_file(folder, monkeypatch):
    monkeypatch.setenv("REKAL_DATA", str(folder.parent))
    data = load_kalmannet("lorenz")
    assert data.values.shape == data.states.shape == (200, 100, 3)
    assert decibels(data.values - data.states) == pytest.approx(0.814, abs=0.001)
    algorithm = ExtendedKalman(lorenz_system(degrees=1.0))
    result = estimates(algorithm, jnp.asarray(data.values))
    for x, goal in zip(result, (-10.533, -13.751), strict=True):
        assert decibels(np.asarray(x) - data.states) == pytest.approx(goal, abs=0.001)


@pytest.mark.parametrize("case", [RICCATI[0], RICCATI[4], RICCATI[6]])
def test_exact_values(case):
    states, steps, nu, *goals = case
    result = exact_errors(canonical_system(states, 10 ** (nu / 10)), steps)
    np.testing.assert_allclose(result, goals, atol=0.001)


def test_simulations_have_a_row_for_every_level_and_kind():
    rows, config = simulated_rows(StudyOptions(seeds=1), 4, 30, 0, 1)
    assert len(rows) == 10
    assert all(row.published is None for row in rows)
    assert len(config["standard_error_db"]) == 5
    for level, row in zip((0, 10, 20, 30, 40), rows[:5], strict=True):
        assert row.ours == pytest.approx(-10.5 - level, abs=2.5)


def test_the_lorenz_step_is_a_taylor_sum():
    x, dt = np.array([1.0, 2.0, 20.0]), 0.02
    A = np.array([[-10, 10, 0], [28 - x[2], -1, 0], [x[1], 0, -8 / 3]]) * dt
    total = term = np.eye(3)
    for j in range(1, 6):
        term = term @ A / j
        total = total + term
    np.testing.assert_allclose(lorenz_step(jnp.asarray(x)), total @ x, rtol=1e-12)
    held = jax.jacfwd(lambda v: lorenz_step(v, frozen=True))(jnp.asarray(x))
    np.testing.assert_allclose(held, total, rtol=1e-12)
    H = rotation(1.0)
    np.testing.assert_allclose(H @ H.T, np.eye(3), atol=1e-14)


def test_what_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("REKAL_DATA", raising=False)
    with pytest.raises(RekalError, match="say in which folder"):
        load_kalmannet("linear")
    with pytest.raises(RekalError, match="there is no linear2x2"):
        load_kalmannet("linear", tmp_path)
    (tmp_path / "linear2x2_r0dB_v-20dB_T100_test.csv").write_text(
        "traj,t,y1,x1\n0,0,1,1\n0,1,1,1\n1,0,1,1\n"
    )
    with pytest.raises(RekalError, match="not a complete set"):
        load_kalmannet("linear", tmp_path)
    with pytest.raises(RekalError, match="at least 2 states"):
        canonical_system(1)
    assert STUDIES["kalman-floors"].needs_data
