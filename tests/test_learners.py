"""One protocol for all learners: the same call, the same kind of result, the same key the same numbers."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_frames, small_network

import rekalman
from rekalman.fitting.history import REASONS
from rekalman.foundation.errors import RekalError
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.gradient.prediction_error import PredictionError
from rekalman.learners.online.readout import ReadoutData, ReadoutFilter
from rekalman.learners.protocol import LIKELIHOOD, POSTERIOR, Iterations, Learner, TrainResult
from rekalman.methods.learners import LEARNERS, learner_class
from rekalman.networks.predictors.recurrent import RecurrentPredictor

ONE = np.eye(1)


def swing():
    """A noisy oscillation, driven by an input, with a gap."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(60, 1))
    y = np.sin(np.arange(60) / 3)[:, None] + 0.3 * u + 0.1 * rng.normal(size=(60, 1))
    y[20:24] = np.nan
    return y, u


def series(inputs=False):
    y, u = swing()
    return rekalman.Sequences.from_arrays(y, inputs=u if inputs else None)


def turning(inputs=0):
    """A slowly turning state."""
    A = 0.95 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    B = np.full((2, inputs), 0.1)
    return rekalman.LinearGaussian.create(A, np.eye(1, 2), 0.1 * np.eye(2), 0.1 * ONE, B=B)


def level(p):
    return rekalman.LinearGaussian.create(ONE, ONE, p["q"] * ONE, p["r"] * ONE, initial="diffuse")


def parametric():
    bounds = {"q": (0, None), "r": (0, None)}
    return rekalman.ParametricModel.create(level, start={"q": 1.0, "r": 1.0}, bounds=bounds)


def functions():
    return rekalman.NonlinearGaussian.create(
        lambda x, u, dt: 0.95 * jnp.sin(x), lambda x, u: x, ONE, ONE, np.zeros(1), ONE
    )


def network(inputs=0):
    return rekalman.StochasticRNN.init(2, 1, key=jax.random.key(1), inputs=inputs)


def predictor():
    return RecurrentPredictor.create(rekalman.LSTM, 1, units=3, key=jax.random.key(1))


def kernels():
    return rekalman.RBFNetwork.init(1, 1, key=jax.random.key(1), kernels=3)


def readout():
    rng = np.random.default_rng(1)
    y = np.asarray(series().values)[0]
    own = np.stack([0.5 * y, 0.2 * y], 1)
    return ReadoutData(rng.normal(size=(60, 3)), own, y, np.asarray(series().mask)[0])


EM, ML = rekalman.EM, rekalman.MaximumLikelihood
RUNS = {
    "EM with particles": lambda: (EM(particles=20, iterations=3), network(), series()),
    "EM with a Gaussian smoother": lambda: (EM(smoother="gaussian", iterations=3), network(), series()),
    "EM of kernels": lambda: (EM(smoother="gaussian", iterations=3), kernels(), series()),
    "exact EM": lambda: (EM(iterations=6), turning(), series()),
    "exact EM with priors": lambda: (
        EM(iterations=6, strength=PriorStrength()), turning(), series()),
    "likelihood of a structure": lambda: (
        ML(starts=2), rekalman.local_level().start(swing()[0]), series()),
    "likelihood of a linear model": lambda: (ML(starts=1, iterations=40), turning(), series()),
    "likelihood of a function of parameters": lambda: (ML(starts=2), parametric(), series()),
    "likelihood of two functions": lambda: (ML(starts=1, iterations=20), functions(), series()),
    "NUTS": lambda: (rekalman.NUTS(draws=20, warmup=20, chains=2), parametric(), series()),
    "free simulation": lambda: (
        rekalman.SimulationError(iterations=5), network(1), series(inputs=True)),
    "back-propagation": lambda: (
        rekalman.Backprop(epochs=2, batch=5), small_network(), small_frames(10)),
    "prediction error": lambda: (
        PredictionError(epochs=3, hold_out=0), RecurrentPredictor.create(
            rekalman.GRU, 1, units=3, key=jax.random.key(0)), series()),
    "readout": lambda: (ReadoutFilter(), (1, 3), readout()),
    "evolution": lambda: (
        rekalman.Evolino(population=6, generations=4, trials=1), predictor(), series()),
}  # fmt: skip
"""For each learner a small problem: the learner, where it starts, the data."""


@pytest.mark.parametrize("name", RUNS)
def test_every_learner_keeps_the_protocol(name):
    learner, start, data = RUNS[name]()
    said = []
    result = learner.run(start, data, key=jax.random.key(0), callback=said.append)
    history = result.history

    assert isinstance(learner, Learner)
    assert isinstance(result, TrainResult) and isinstance(history, Iterations)
    assert history.stopped in REASONS and history.seconds > 0 and history.entries > 0
    assert history.objective and history.unit and len(history.values)
    assert said and all(1 <= each.iteration <= each.iterations for each in said)

    leaves = jax.tree.leaves(eqx.filter(result.model, eqx.is_inexact_array))
    assert leaves and all(np.isfinite(leaf).all() for leaf in leaves)
    assert np.isfinite(history.values).all()
    if history.objective in (LIKELIHOOD, POSTERIOR):
        assert history.unit == "nats" and history.rises
        assert np.isfinite(history.per_entry).all() and len(history.per_entry)
    if history.monotone:
        steps = np.diff(history.values) * (1 if history.rises else -1)
        assert steps.min(initial=0.0) >= -1e-6 * np.abs(history.values).max()

    again = learner.run(start, data, key=jax.random.key(0))
    np.testing.assert_array_equal(again.history.values, history.values)
    for one, other in zip(leaves, jax.tree.leaves(eqx.filter(again.model, eqx.is_inexact_array)),
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_what_theory_lets_rise_is_marked():
    always = {name for name in RUNS if "exact" in name or "likelihood" in name or "free" in name}
    fast = always - {"likelihood of a linear model"}
    for name in fast | {"EM of kernels", "readout"}:
        learner, start, data = RUNS[name]()
        assert learner.run(start, data).history.monotone == (name in always), name


@pytest.mark.parametrize("name", ["EM with particles", "NUTS", "evolution"])
def test_what_draws_asks_for_a_key(name):
    learner, start, data = RUNS[name]()
    with pytest.raises(RekalError, match="give run a key"):
        learner.run(start, data)


def test_the_learners_by_name_keep_the_protocol():
    for name in LEARNERS:
        assert isinstance(learner_class(name)(), Learner)


def test_a_key_takes_the_place_of_the_seed():
    learner, start, data = RUNS["back-propagation"]()
    losses = [
        learner.run(start, data, key=jax.random.key(seed)).history.values[0] for seed in (0, 1)
    ]
    assert losses[0] != losses[1]


def test_a_filter_for_the_likelihood_of_a_linear_model_is_refused():
    learner = dataclasses.replace(ML(), filtering=rekalman.Filtering("unscented"))
    with pytest.raises(RekalError, match="filtering is of no use to a linear model"):
        learner.run(turning(), series())


def test_exact_em_is_for_models_with_a_closed_form():
    drift = rekalman.LinearContinuous.create(-ONE, ONE, ONE, ONE)
    with pytest.raises(RekalError, match="a LinearContinuous has no closed-form M-step"):
        EM().run(drift, series())
