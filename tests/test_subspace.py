"""The deterministic start: it finds linear dynamics, and copes with what data can be like."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.projection import fill
from rekalman.learners.start.subspace import subspace_start


def oscillation(steps, seed, noise=0.1, outputs=3, inputs=None):
    """A damped oscillator driven by noise, read by `outputs` sensors."""
    rng = np.random.default_rng(seed)
    angle = 0.4
    turn = 0.98 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    C = np.cos(np.arange(outputs)[:, None] + np.array([0.0, 1.3]))
    x, rows = np.zeros(2), []
    for t in range(steps):
        x = turn @ x + 0.2 * rng.normal(size=2)
        if inputs is not None:
            x = x + np.array([0.5, -0.3]) * inputs[t]
        rows.append(C @ x + noise * rng.normal(size=outputs))
    y = np.array(rows)
    return y / y.std()


def eigenvalues(model):
    """Of the linearised network, by falling magnitude."""
    values = np.linalg.eigvals(np.asarray(model.A, np.float64))
    return values[np.argsort(-np.abs(values))]


@pytest.mark.parametrize("linear_observation", [True, False])
def test_finds_the_oscillator(linear_observation):
    y = oscillation(2000, 0)
    model = subspace_start(y, np.ones_like(y, bool), 2, linear_observation=linear_observation)
    first = eigenvalues(model)[0]
    assert abs(np.angle(first)) == pytest.approx(0.4, abs=0.03)
    assert abs(first) == pytest.approx(0.98, abs=0.03)
    assert model.linear_observation is linear_observation
    assert np.sqrt(np.diag(model.R)) == pytest.approx(0.1 / 0.9, abs=0.08)


def test_same_data_same_start():
    y = oscillation(300, 1)
    mask = np.ones_like(y, bool)
    one, two = subspace_start(y, mask, 4), subspace_start(y, mask, 4)
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True))


def test_missing_entries_are_filled():
    y = oscillation(2000, 2)
    mask = np.random.default_rng(0).random(y.shape) > 0.3
    model = subspace_start(np.where(mask, y, 1e6), mask, 2)
    assert abs(np.angle(eigenvalues(model)[0])) == pytest.approx(0.4, abs=0.04)


def test_fill_interpolates_and_holds_the_ends():
    y = np.array([[9.0, 9.0], [1.0, 9.0], [9.0, 9.0], [3.0, 9.0], [9.0, 9.0]])
    mask = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [0, 0]], bool)
    assert np.array_equal(fill(y, mask), [[1, 0], [1, 0], [2, 0], [3, 0], [3, 0]])


def test_one_output_with_more_states_than_directions():
    y = np.sin(0.4 * np.arange(400))[:, None]
    model = subspace_start(y, np.ones_like(y, bool), 7)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(model))
    decay = np.diag(model.A)[2:]
    assert model.states == 7 and len(set(np.round(decay, 6))) == 5
    assert np.linalg.matrix_rank(np.asarray(model.Q, np.float64), tol=1e-12) == 7


def test_series_are_pooled_but_never_joined():
    whole = oscillation(900, 3)
    batch = np.zeros((3, 500, 3))
    for row, (start, n) in zip(batch, [(0, 250), (250, 500), (750, 150)], strict=True):
        row[:n] = whole[start : start + n]
    mask = np.arange(500)[None, :, None] < np.array([250, 500, 150])[:, None, None]
    mask = np.broadcast_to(mask, batch.shape)
    model = subspace_start(batch, mask, 2)
    assert abs(np.angle(eigenvalues(model)[0])) == pytest.approx(0.4, abs=0.04)
    shuffled = subspace_start(batch[::-1], mask[::-1], 2)
    assert np.allclose(np.abs(model.C), np.abs(shuffled.C), rtol=1e-3)
    junk = np.where(mask, batch, 1e9)
    assert np.array_equal(model.A, subspace_start(junk, mask, 2).A)


def test_inputs_are_regressed():
    u = np.random.default_rng(5).normal(size=1500)
    y = oscillation(1500, 4, inputs=u)
    model = subspace_start(y, np.ones_like(y, bool), 2, inputs=u[:, None])
    angle = abs(np.angle(eigenvalues(model)[0]))
    response = np.asarray(model.C @ model.B)[:, 0]
    truth = np.cos(np.arange(3)[:, None] + np.array([0.0, 1.3])) @ np.array([0.5, -0.3])
    assert angle == pytest.approx(0.4, abs=0.03)
    assert np.corrcoef(response, truth)[0, 1] > 0.99
    assert model.D.shape == (3, 1)


def test_a_constant_column_and_short_series():
    y = np.zeros((30, 2))
    y[:, 0] = np.sin(np.arange(30))
    model = subspace_start(y, np.ones_like(y, bool), 3)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(model))
    with pytest.raises(RekalError, match="need more data"):
        subspace_start(y[:6], np.ones((6, 2), bool), 5)
