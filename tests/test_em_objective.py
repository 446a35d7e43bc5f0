"""What EM of linear models raises: the log-likelihood plus the log prior, whatever EM is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_linear_em import linear

import rekalman
from rekalman import EM, RekalError, Sequences
from rekalman.learners.batch import as_batch
from rekalman.learners.em import linear_em as module
from rekalman.learners.em.constraints import constrain_linear
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.log_prior import log_prior
from rekalman.learners.em.maximise import Priors
from rekalman.learners.em.priors import SAFEGUARD, PriorStrength
from rekalman.learners.likelihood.regression import RegressionPrior


def wandering(steps: int = 150) -> np.ndarray:
    """A walk whose slope walks, behind noise."""
    rng = np.random.default_rng(0)
    slopes = np.cumsum(0.1 * rng.normal(size=steps))
    return np.cumsum(slopes) + 0.3 * rng.normal(size=steps)


def trend(size: float = 1.0) -> rekalman.LinearGaussian:
    A, C = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    return rekalman.LinearGaussian.create(
        A, C, size * 0.01 * np.eye(2), size * 0.1 * np.eye(1), initial="diffuse"
    )


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def test_a_given_em_brings_no_priors_to_a_model_of_ones_own():
    data = Sequences.from_arrays(wandering())
    fit = rekalman.fit(data, trend(), EM(freeze=("A", "C"), iterations=30), progress=False)
    likelihood = fit.history.log_likelihood
    assert np.diff(likelihood).min() > -1e-9 * abs(likelihood).max()
    assert len(fit.history.objective) == 0 and "objective" not in fit.summary()
    learner = EM(freeze=("A", "C"), iterations=30, strength=SAFEGUARD)
    named = rekalman.fit(data, trend(), learner, progress=False)
    objective = named.history.objective
    assert np.diff(objective).min() > -1e-9 * abs(objective).max()
    assert "objective" in named.summary()


def test_a_given_em_leaves_the_priors_of_linear_as_they_are():
    y = np.random.default_rng(3).normal(size=(120, 2)).cumsum(0)
    data = Sequences.from_arrays(y)
    shapes = {"process_noise": "full", "observation_noise": "full"}
    ends = []
    for learner in (None, EM(iterations=300, tolerance=1e-6, **shapes)):
        fit = rekalman.fit(data, "linear", learner, states=2, progress=False)
        objective, likelihood = fit.history.objective, fit.history.log_likelihood
        assert np.diff(objective).min() > -1e-9 * abs(objective).max()
        assert abs(objective[-1] - likelihood[-1]) < 1  # they count for a hundredth of a step
        ends.append(likelihood)
    np.testing.assert_array_equal(*ends)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10_000),
    case=st.sampled_from(
        [
            ((2, 1, 0), "diffuse", ("A", "C")),
            ((2, 2, 1), "given", ("B", "D")),
            ((2, 2, 1), "given", ("Q", "m")),
        ]
    ),
    strength=st.sampled_from([SAFEGUARD, PriorStrength()]),
)
def test_the_objective_never_falls(seed, case, strength):
    shape, initial, freeze = case
    rng = np.random.default_rng(seed)
    _, obs, inputs = shape
    series = [rng.normal(size=(steps, obs)).cumsum(0) for steps in (30, 24)]
    series = [np.where(rng.random(y.shape) < 0.1, np.nan, y) for y in series]
    known = [rng.normal(size=(steps, inputs)) for steps in (30, 24)] if inputs else None
    batch = as_batch(Sequences.from_arrays(series, inputs=known))
    start = linear(*shape, seed=seed, initial=initial)
    result = linear_em(start, batch, iterations=15, tolerance=0, freeze=freeze, strength=strength)
    assert np.diff(result.history.values).min() > -1e-8 * abs(result.history.values).max()


def test_an_objective_that_falls_is_an_error(monkeypatch):
    real = module.maximise_linear

    def worse(model, statistics, priors, constraints):
        made = real(model, statistics, priors, constraints)
        return rekalman.LinearGaussian.create(
            made.A, made.C, 30 * made.Q, 30 * made.R, initial="diffuse"
        )

    batch = as_batch(Sequences.from_arrays(wandering(61)))
    monkeypatch.setattr(module, "maximise_linear", worse)
    with pytest.raises(RekalError, match=r"EM lowered its objective from .* at iteration 1: "):
        linear_em(trend(), batch, iterations=4, tolerance=0, freeze=("A", "C"))


def test_the_log_prior_is_that_of_its_formula():
    model = linear(2, 2, 0, seed=1)
    rng = np.random.default_rng(0)
    priors = Priors(
        *(
            RegressionPrior(
                mean=jnp.asarray(rng.normal(size=(rows, features))),
                precision=jnp.asarray(rng.uniform(0.1, 1.0, features)),
                noise=jnp.diag(jnp.asarray(rng.uniform(0.1, 1.0, rows))),
                noise_weight=jnp.asarray(3.0),
            )
            for rows, features in ((2, 3), (2, 3), (2, 1))
        )
    )
    expected = 0.0
    weights = (
        np.column_stack([model.A, model.c]),
        np.column_stack([model.C, model.d]),
        np.asarray(model.m)[:, None],
    )
    each = (priors.transition, priors.observation, priors.initial)
    for W, V, prior in zip(weights, (model.Q, model.R, model.P), each, strict=True):
        K, S0 = np.linalg.inv(V), np.asarray(prior.noise)
        change = W - np.asarray(prior.mean)
        expected -= 0.5 * np.trace(K @ change @ np.diag(prior.precision) @ change.T)
        size = np.linalg.slogdet(V)[1] - np.linalg.slogdet(S0)[1]
        expected -= 1.5 * (size + np.trace(K @ S0) - 2)
    result = log_prior(model, priors, constrain_linear(model))
    assert float(result) == pytest.approx(expected, rel=1e-5)
