import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman import RekalError
from rekalman.models.base import StateSpaceModel
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.simulation.models import simulate, simulate_sequences

KEY = jax.random.key(3)


def paper():
    return StochasticRNN.create(
        A=jnp.array([[1.0, 1.0], [-0.05, 0.98]]),
        C=jnp.array([[1.0, 0.0]]),
        Q=0.001 * jnp.eye(2),
        R=jnp.array([[0.01]]),
    )


def driven():
    return StochasticRNN.create(
        A=jnp.array([[0.5]]),
        C=jnp.array([[2.0]]),
        Q=jnp.array([[0.3]]),
        R=jnp.array([[0.2]]),
        B=jnp.array([[1.0]]),
        D=jnp.array([[10.0]]),
        d=jnp.array([0.5]),
        m=jnp.array([4.0]),
        P=jnp.array([[0.1]]),
        activation="identity",
    )


def test_spread_of_the_papers_system():
    _, y = simulate(paper(), 4000, KEY, batch=5, burn_in=500)
    assert y.shape == (5, 4000, 1)
    # Unkelbach et al. 2009, footnote 6: the standard deviation of the test data is 0.380.
    assert float(y.std()) == pytest.approx(0.380, rel=0.05)


def test_moments_of_a_linear_model():
    u = np.zeros((4, 1))
    x, y = simulate(driven(), 4, KEY, batch=20000, inputs=u)
    mean, var = 4.0, 0.1
    for t in range(4):
        if t:
            mean, var = 0.5 * mean, 0.25 * var + 0.3
        assert float(x[:, t].mean()) == pytest.approx(mean, abs=5 * np.sqrt(var / 20000))
        assert float(x[:, t].var()) == pytest.approx(var, rel=0.05)
        assert float(y[:, t].mean()) == pytest.approx(2 * mean + 0.5, abs=0.05)
        assert float((y[:, t] - 2 * x[:, t]).var()) == pytest.approx(0.2, rel=0.05)


def test_noise_free_run_by_hand():
    u = np.arange(5.0)[:, None]
    x, y = simulate(driven(), 5, KEY, inputs=u, noise=False)
    state, expected = 4.0, []
    for t in range(5):
        state = state if t == 0 else 0.5 * state + t  # u_t drives the step into t
        expected.append(state)
    np.testing.assert_allclose(x[0, :, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(y[0, :, 0], 2 * np.array(expected) + 10 * u[:, 0] + 0.5, rtol=1e-6)


def test_start_and_burn_in():
    starts = np.array([[0.1, 0.0], [0.0, -0.2]])
    x, y = simulate(paper(), 30, KEY, 2, noise=False, start=starts)
    np.testing.assert_allclose(x[:, 0], starts, rtol=1e-6)
    late, seen = simulate(paper(), 10, KEY, 2, noise=False, start=starts, burn_in=20)
    np.testing.assert_allclose(late, x[:, 20:], rtol=1e-5)
    np.testing.assert_allclose(seen, y[:, 20:], rtol=1e-5)
    noisy, _ = simulate(paper(), 3, KEY, 2, start=starts[0])
    np.testing.assert_allclose(noisy[:, 0], np.tile(starts[0], (2, 1)), rtol=1e-6)
    assert np.abs(noisy[0, 1] - noisy[1, 1]).max() > 0


def test_inputs_rest_at_their_mean_during_burn_in():
    u = np.array([[[1.0], [3.0]], [[5.0], [5.0]]])
    x, _ = simulate(driven(), 2, KEY, 2, inputs=u, noise=False, burn_in=100)
    np.testing.assert_allclose(x[:, 0, 0], [0.5 * 4 + 1, 0.5 * 10 + 5], rtol=1e-5)
    np.testing.assert_allclose(x[:, 1, 0], 0.5 * x[:, 0, 0] + u[:, 1, 0], rtol=1e-5)


def test_same_key_same_series():
    one, two = (simulate(paper(), 10, KEY)[1] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - simulate(paper(), 10, jax.random.key(4))[1]).max() > 0


def test_sequences():
    data = simulate_sequences(
        driven(), 12, KEY, 3, inputs=np.ones((12, 1)), interval=0.1, names=["flow"]
    )
    assert data.values.shape == (3, 12, 1) and data.names == ("flow",) and data.interval == 0.1
    np.testing.assert_array_equal(data.inputs, np.ones((3, 12, 1)))
    assert simulate_sequences(paper(), 12, KEY).inputs is None


def test_refusals():
    for wrong in ({"steps": 0}, {"batch": 0}, {"burn_in": -1}):
        with pytest.raises(RekalError, match=f"{next(iter(wrong))} must be at least"):
            simulate(paper(), **{"steps": 5, **wrong}, key=KEY)
    with pytest.raises(RekalError, match=r"needs inputs: give an array of shape \(5, 1\)"):
        simulate(driven(), 5, KEY)
    with pytest.raises(RekalError, match="takes no inputs"):
        simulate(paper(), 5, KEY, inputs=np.ones((5, 1)))
    with pytest.raises(RekalError, match="fit neither"):
        simulate(driven(), 5, KEY, inputs=np.ones((4, 1)))
    for u, sentence in (
        (np.full((5, 1), np.nan), "one is missing or larger"),
        (np.full((5, 1), 1e300), "one is missing or larger"),
        (np.full((5, 1), "1"), "inputs must be numbers, not text"),
        (np.ones((5, 1)) * 1j, "inputs must be real numbers"),
        (np.ma.masked_all((5, 1)), "one is missing or larger"),
    ):
        with pytest.raises(RekalError, match=sentence):
            simulate(driven(), 5, KEY, inputs=u)
    with pytest.raises(RekalError, match="start must be finite numbers"):
        simulate(driven(), 5, KEY, inputs=np.ones((5, 1)), start=[np.inf])
    with pytest.raises(RekalError, match="start of shape"):
        simulate(paper(), 5, KEY, start=[1.0, 2.0, 3.0])


def test_without_mean_dynamics_there_is_no_noise_free_run():
    class Jumps(StateSpaceModel):
        states = observations = 1
        sample_initial = draw = sample_transition = log_transition = encode = None
        log_observation = observation_mean = sample_observation = None

    with pytest.raises(RekalError, match="Jumps has no mean dynamics"):
        simulate(Jumps(), 5, KEY, noise=False)
