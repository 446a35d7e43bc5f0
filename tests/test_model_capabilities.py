"""What models say of themselves, so that nobody need ask which kind they are."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.models.gaussian import GaussianModel

ONE = np.eye(1)
MODELS = {
    "linear": lambda: rekalman.LinearGaussian.create(0.9 * np.eye(2), np.ones((1, 2)), np.eye(2), ONE),
    "varying": lambda: rekalman.LinearTimeVarying.create(
        ONE, ONE, ONE, np.ones((5, 1, 1)), varying=("R",)),
    "continuous": lambda: rekalman.LinearContinuous.create(-ONE, ONE, ONE, ONE, interval=0.5),
    "network": lambda: rekalman.StochasticRNN.init(3, 1, key=jax.random.key(0), inputs=1),
    "kernels": lambda: rekalman.RBFNetwork.init(2, 1, key=jax.random.key(0), kernels=4),
    "functions": lambda: rekalman.NonlinearGaussian.create(
        lambda x, u, dt: jnp.sin(x), lambda x, u: x, ONE, ONE, np.zeros(1), ONE),
}  # fmt: skip
KNOWN = {
    #            linear, time-invariant, continuous, elementwise, unbounded states
    "linear": (True, True, False, False, 2),
    "varying": (True, False, False, False, 1),
    "continuous": (True, True, True, False, 1),
    "network": (False, True, False, True, 0),
    "kernels": (False, True, False, False, 2),
    "functions": (False, True, False, False, 1),
}


def arrays(model):
    return jax.tree.leaves(eqx.filter(model, eqx.is_array))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_is(name):
    model = MODELS[name]()
    said = (model.linear, model.time_invariant, model.continuous, model.elementwise)
    assert (*said, model.unbounded_states) == KNOWN[name]
    assert (model.linear_transition is not None) == (name in ("linear", "network", "kernels"))


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_of_a_model_are_its_blocks(name):
    model = MODELS[name]()
    assert bool(model.transition_blocks) == bool(model.observation_blocks) == (name != "functions")
    for block in (*model.transition_blocks, *model.observation_blocks):
        assert getattr(model, block).ndim in (1, 2, 3)
    with jax.enable_x64(model.Q.dtype == np.float64):
        same = model.with_weights(model.weights())
        for one, other in zip(arrays(model), arrays(same), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("name", ["linear", "continuous", "network", "kernels", "functions"])
def test_the_slope_of_the_transition_is_that_of_automatic_differentiation(name):
    model = MODELS[name]()
    with jax.enable_x64(model.Q.dtype == np.float64):
        x = jnp.linspace(0.2, 0.7, model.states, dtype=model.Q.dtype)
        u = jnp.ones(model.n_inputs, x.dtype) if model.n_inputs else None
        expected = GaussianModel.transition_jacobian(model, x, u)
        np.testing.assert_allclose(model.transition_jacobian(x, u), expected, rtol=1e-5, atol=1e-7)


def test_a_model_in_discrete_time_is_its_own_discretisation():
    for name in ("linear", "network"):
        model = MODELS[name]()
        assert model.discrete(0.1) is model
    with jax.enable_x64(True):
        step = MODELS["continuous"]().discrete()
        assert step.linear and float(step.A[0, 0]) == pytest.approx(np.exp(-0.5))
