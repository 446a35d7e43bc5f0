"""ARX against its closed form, stability, means of networks, and the sensitivities of simulations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.driven.arx import arx
from rekalman.learners.driven.linear_simulation import linear_firsts, network_run
from rekalman.learners.driven.simulation_error import seen_from, simulated
from rekalman.learners.driven.stability import spectral_radius, stabilised
from rekalman.learners.likelihood.sensitivities import sensitivities
from rekalman.models.mean_network import mean_network
from rekalman.models.stochastic_rnn import StochasticRNN


def batch_of(y: np.ndarray, u: np.ndarray) -> Batch:
    mask = np.isfinite(y)
    return Batch(
        jnp.asarray(np.nan_to_num(y)),
        jnp.asarray(mask),
        jnp.asarray(u),
        jnp.ones(y.shape[:2], bool),
    )


def network(seed: int, linear: int = 2, units: int = 2, scale: float = 0.3) -> StochasticRNN:
    random, n = np.random.default_rng(seed), linear + units
    draw = lambda *shape: jnp.asarray(scale * random.normal(size=shape))  # noqa: E731
    return StochasticRNN.create(
        draw(n, n), draw(2, n), jnp.eye(n), jnp.eye(2), B=draw(n, 3), c=draw(n), D=draw(2, 3),
        d=draw(2), linear_units=linear,
    )  # fmt: skip


def test_arx_is_the_least_squares_of_its_equation():
    random = np.random.default_rng(0)
    y, u = random.normal(size=(1, 60, 2)), random.normal(size=(1, 60, 1))
    y[0, 20, 1] = np.nan  # rows that would need it take no part
    with jax.enable_x64(True):
        model = arx(batch_of(y, u), 2, 3)
        rows = [t for t in range(3, 60) if t not in (20, 21, 22, 23)]
        features = np.array(
            [[*y[0, t - 1], *y[0, t - 2], *u[0, t], *u[0, t - 1], *u[0, t - 2], 1.0] for t in rows]
        )
        weights = np.linalg.lstsq(features, y[0, rows], rcond=None)[0]
        x = np.zeros(model.states)
        A, B, c = (np.asarray(each) for each in (model.A, model.B, model.c))
        path = []
        for t in range(10):  # the recursion itself, begun from rest
            x = A @ x + B @ u[0, t] + c
            path.append(x[:2])
        wanted: list[np.ndarray] = []
        for t in range(10):
            back = lambda k, t=t: wanted[t - k] if t >= k else np.zeros(2)  # noqa: E731
            lag = lambda k, t=t: u[0, t - k] if t >= k else np.zeros(1)  # noqa: E731
            row = np.concatenate([back(1), back(2), lag(0), lag(1), lag(2), [1.0]])
            wanted.append(row @ weights)
    np.testing.assert_allclose(path, wanted, atol=1e-5)


def test_arx_refuses_more_coefficients_than_rows():
    y, u = np.zeros((1, 9, 1)), np.zeros((1, 9, 1))
    with jax.enable_x64(True), pytest.raises(RekalError, match="use fewer lags"):
        arx(batch_of(y, u), 4, 4)


@given(st.integers(0, 2**20), st.integers(1, 6), st.floats(0.5, 3.0))
@settings(max_examples=60, deadline=None)
def test_a_stabilised_matrix_is_stable_and_a_stable_one_stays(seed, size, scale):
    A = scale * np.random.default_rng(seed).normal(size=(size, size))
    moved = stabilised(A, 0.99)
    assert spectral_radius(moved) <= 0.99 * (1 + 1e-5)
    if spectral_radius(A) <= 0.99:
        np.testing.assert_array_equal(moved, A)


def test_the_simulation_in_numpy_and_the_sensitivities_are_those_of_automatic_differentiation():
    random = np.random.default_rng(1)
    with jax.enable_x64(True):
        model, u = network(0), jnp.asarray(random.normal(size=(2, 12, 3)))
        firsts = jnp.asarray(random.normal(size=(2, 4)))
        vector, back = ravel_pytree((model.weights(), firsts))

        def run(vector):
            weights, firsts = back(vector)
            made = model.with_weights(weights)
            return seen_from(made, simulated(made, firsts, u, 12), u)

        y, J = sensitivities(model, firsts, u, 12)
        np.testing.assert_allclose(y, run(vector), atol=1e-12)
        np.testing.assert_allclose(J, jax.jacfwd(run)(vector), atol=1e-10)
        np.testing.assert_allclose(
            network_run(model, np.asarray(firsts), np.asarray(u)), y, atol=1e-12
        )


def test_the_mean_of_networks_simulates_the_mean():
    random = np.random.default_rng(2)
    u = random.normal(size=(1, 15, 3))
    with jax.enable_x64(True):
        members = [network(3, 2, 1), network(4, 1, 3)]
        joint = mean_network(members, [0.25, 0.75])
        runs = [network_run(m, np.zeros((1, m.states)), u) for m in members]
        mixed = network_run(joint, np.zeros((1, joint.states)), u)
    np.testing.assert_allclose(mixed, 0.25 * runs[0] + 0.75 * runs[1], atol=1e-12)
    with pytest.raises(RekalError, match="as many weights"):
        mean_network(members, [1.0])


def test_first_states_of_a_linear_model_are_recovered():
    random = np.random.default_rng(3)
    u = random.normal(size=(2, 40, 3))
    with jax.enable_x64(True):
        model = network(5, 3, 0, 0.4)
        firsts = random.normal(size=(2, 3))
        y = network_run(model, firsts, u)
        result = linear_firsts(model, batch_of(y, u))
    np.testing.assert_allclose(network_run(model, result, u), y, atol=5e-2)
