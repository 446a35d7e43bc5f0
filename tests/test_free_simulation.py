"""Least squares, starts and free runs: what training on free simulation is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.driven.least_squares import Local, levenberg_marquardt
from rekalman.learners.driven.simulation_error import SimulationError, seen_from, simulated
from rekalman.learners.driven.simulation_starts import simulation_start
from rekalman.models.linear import LinearGaussian
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.simulation.free_run import free_run


def rosenbrock(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the banana valley and their Jacobian."""
    return np.array([10 * (v[1] - v[0] ** 2), 1 - v[0]]), np.array([[-20 * v[0], 10], [-1, 0]])


def test_levenberg_marquardt_ends_where_minpack_ends():
    def around(v: np.ndarray) -> Local:
        e, J = rosenbrock(v)
        return Local(e @ e, J.T @ e, J.T @ J)

    start = np.array([-1.2, 1.0])
    result = levenberg_marquardt(around, lambda v: around(v).value, start, 200, 1e-14)
    peer = scipy.optimize.least_squares(lambda v: rosenbrock(v)[0], start, method="lm")
    np.testing.assert_allclose(result.point, peer.x, atol=1e-6)
    assert (np.diff(result.values) <= 0).all()
    assert result.stopped == "converged"


def test_a_direction_without_effect_does_not_move():
    around = lambda v: Local(float(v[0] ** 2), np.array([v[0], 0]), np.diag([1.0, 0.0]))  # noqa: E731
    result = levenberg_marquardt(around, lambda v: around(v).value, np.array([3.0, 5.0]), 50)
    assert result.point[1] == 5.0
    assert abs(result.point[0]) < 1e-3


def test_an_interrupt_keeps_the_best():
    def after(step: int, value: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    around = lambda v: Local(float(v @ v), v, np.eye(1))  # noqa: E731
    start = np.array([4.0])
    result = levenberg_marquardt(around, lambda v: float(v @ v), start, 9, 0.0, after)
    assert result.stopped == "interrupted"
    assert abs(result.point[0]) < 1


def test_linear_units_pass_their_state_on():
    model = StochasticRNN.create(
        jnp.eye(3), jnp.ones((1, 3)), jnp.eye(3), jnp.eye(1), linear_units=2
    )
    x = jnp.array([[3.0, -4.0, 2.0]])
    np.testing.assert_allclose(model.f(x), [[3.0, -4.0, np.tanh(2.0)]], rtol=1e-6)
    np.testing.assert_allclose(model.slope(x), [[1.0, 1.0, 1 - np.tanh(2.0) ** 2]], rtol=1e-5)
    with pytest.raises(RekalError, match="linear_units must lie between 0 and 3, but is 4"):
        StochasticRNN.create(jnp.eye(3), jnp.ones((1, 3)), jnp.eye(3), jnp.eye(1), linear_units=4)


def two_states(R: float) -> LinearGaussian:
    """A damped rotation with one input."""
    return LinearGaussian.create(
        A=np.array([[0.9, 0.2], [-0.2, 0.8]]),
        C=np.array([[1.0, 0.5]]),
        Q=1e-6 * np.eye(2),
        R=R * np.eye(1),
        B=np.array([[0.3], [0.5]]),
        m=np.zeros(2),
        P=np.eye(2),
    )


def drawn(model: LinearGaussian, steps: int, seed: int) -> Sequences:
    """A noise-free simulation of the model from a random first state, as data."""
    random = np.random.default_rng(seed)
    u = random.normal(size=(1, steps, 1))
    first = jnp.asarray(random.normal(size=(1, model.states)))
    inputs = jnp.asarray(u, first.dtype)
    y = seen_from(model, simulated(model, first, inputs, steps), inputs)
    return Sequences.from_arrays(np.asarray(y, np.float64), inputs=u)


def test_a_free_run_finds_the_first_state_of_a_linear_model():
    model = two_states(1e-8)
    data = drawn(model, 60, 3)
    run = free_run(model, data, warm_up=6)
    np.testing.assert_allclose(run, np.asarray(data.values), atol=2e-4)
    # What comes after the first samples is not looked at.
    spoiled = np.asarray(data.values).copy()
    spoiled[:, 6:] = 7.0
    again = Sequences.from_arrays(spoiled, inputs=np.asarray(data.inputs))
    np.testing.assert_array_equal(free_run(model, again, warm_up=6), run)
    with pytest.raises(RekalError, match="warm_up must be at least 1, but is 0"):
        free_run(model, data, warm_up=0)
    with pytest.raises(RekalError, match="between 1 and 60 samples, but is 61"):
        free_run(model, data, warm_up=61)


@pytest.mark.parametrize("kind", ["linear", "rnn", "rbf"])
def test_every_kind_learns_to_simulate_a_linear_system(kind):
    true = two_states(1e-4)
    batch = as_batch(drawn(true, 120, 0))
    starts = [simulation_start(kind, 2, 1, 1, bends=3, seed=s) for s in (1, 2)]
    result = SimulationError(iterations=40, ridge=1e-6).search(starts, batch)
    assert result[0].log_likelihood[-1] >= result[1].log_likelihood[-1]
    assert (np.diff(result[0].log_likelihood) >= 0).all()
    assert -2 * result[0].log_likelihood[-1] < 2e-3 * float(jnp.var(batch.values))


def test_bounded_units_see_the_same_step_as_linear_ones():
    """The units of the start hold `V z_t + W u_t + b` of the very step, as the derivation says."""
    start = simulation_start("rnn", 2, 1, 1, bends=3, seed=0)
    u = jax.random.normal(jax.random.key(0), (1, 30, 1))
    x = simulated(start, jnp.zeros((1, 5)), u, 30)[0]
    design = np.column_stack([x[1:, :2], u[0, 1:], np.ones(29)])
    fitted = np.linalg.lstsq(design, np.asarray(x[1:, 2:]), rcond=None)[0]
    np.testing.assert_allclose(design @ fitted, x[1:, 2:], atol=1e-4)


def test_a_search_without_starts_is_refused():
    with pytest.raises(RekalError, match="at least one start"):
        SimulationError().search([], as_batch(Sequences.from_arrays(np.zeros((1, 20, 1)))))
