"""EM of linear models whose covariances have structure: nothing falls, and zeros stay."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rekalman
from rekalman import EM, LinearGaussian, Sequences
from rekalman.learners.batch import as_batch
from rekalman.learners.em.constraints import constrain_linear
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.linear_statistics import linear_e_step
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.em.statistics import observation_weights, transition_weights
from rekalman.learners.support import support_of

STEPS = 24


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def covariance(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Of two coordinates: one without noise, one direction only, one variance for both, or none at all."""
    size = rng.uniform(0.05, 1.0)
    direction = rng.normal(size=2)
    root = rng.normal(size=(2, 2))
    return {
        "first": np.diag([size, 0.0]), "second": np.diag([0.0, size]), "none": np.zeros((2, 2)),
        "direction": size * np.outer(direction, direction), "tied": size * np.eye(2), "full": root @ root.T,
    }[kind]  # fmt: skip


e_step = eqx.filter_jit(lambda model, batch: linear_e_step(model, batch, False, True))


def log_prior(model, priors, constraints) -> float:
    """What the priors add to the log-likelihood, on the free directions (see `regression.py`)."""
    total = 0.0
    weights = transition_weights(model), observation_weights(model), model.m[:, None]
    names = ("transition", "observation", "initial")
    for name, W, V in zip(names, weights, (model.Q, model.R, model.P), strict=True):
        prior, support = getattr(priors, name), getattr(constraints, name).support
        if not support.rank:
            continue
        S, change = np.asarray(support.inner(V)), np.asarray(W - prior.mean)
        cross = (change * np.asarray(prior.precision)) @ change.T
        spread = prior.noise_weight * support.inner(prior.noise) + support.inner(jnp.asarray(cross))
        logdet = np.linalg.slogdet(S)[1]
        total -= 0.5 * (prior.noise_weight * logdet + np.trace(np.linalg.solve(S, spread)))
    return float(total)


CASES = [  # range of Q, shape, flat coordinates, range of R, whether some of B and c is fixed
    ("first", None, (0, 1), "full", False),
    ("direction", None, (0,), "full", True),
    ("tied", "scaled", None, "first", False),
    ("second", "full", (0,), "first", True),
]
"""A compilation each: what else varies are numbers."""


@settings(max_examples=14, deadline=None)
@given(seed=st.integers(0, 10_000), case=st.sampled_from(CASES), priors=st.booleans())
def test_em_never_lowers_what_it_maximises(seed, case, priors):
    process, shape, flat, observed, fixed = case
    rng = np.random.default_rng(seed)
    A = np.array([[1.0, rng.normal()], [0.0, 0.7]])
    model = LinearGaussian.create(
        A, np.eye(2), covariance(process, rng), covariance(observed, rng),
        B=rng.normal(size=(2, 1)), initial="given" if flat is None else "diffuse", flat=flat,
        P=covariance("second" if flat is None else "none", rng),
    )  # fmt: skip
    y = np.cumsum(rng.normal(size=(2, STEPS, 2)), 1) + rng.normal(size=(2, STEPS, 2))
    if observed == "first":  # what is seen without noise has to be possible at all
        y[..., 1] = np.nan
    y[rng.uniform(size=y.shape) < 0.2] = np.nan
    y[:, 5] = np.nan
    batch = as_batch(Sequences.from_arrays(y, inputs=rng.normal(size=(2, STEPS, 1))))
    strength = PriorStrength() if priors else None
    freeze = ("A", "C") if flat is not None else ()
    mask = {"B": np.array([[True], [False]]), "c": np.array([False, True])} if fixed else None
    options = {"process_noise": shape, "observation_noise": None}
    held = freeze if flat is None else (*freeze, "m", "P")
    constraints = constrain_linear(model, held, mask, **options)
    statistics, first = e_step(model, batch)
    weights = strength.priors(statistics) if priors else None
    result = linear_em(
        model,
        batch,
        iterations=8,
        tolerance=0,
        freeze=freeze,
        fixed=mask,
        strength=strength,
        **options,
    )
    last = float(e_step(result.model, batch)[1])
    history = np.append(result.log_likelihood, last)
    assert history[0] == pytest.approx(float(first))
    if priors:  # only the sum with the log prior need rise
        rise = log_prior(result.model, weights, constraints) - log_prior(
            model, weights, constraints
        )
        rises = np.array([last - float(first) + rise])
    else:
        rises = np.diff(history)
    assert rises.min() > -1e-8 * np.abs(history).max()
    for name in ("Q", "R", "P"):
        before, after = np.asarray(getattr(model, name)), np.asarray(getattr(result.model, name))
        size = np.sqrt(np.abs(np.diagonal(after)))
        scaled = after / np.where(size > 0, size, 1)[:, None] / np.where(size > 0, size, 1)
        assert np.diagonal(after).min() >= 0
        assert np.linalg.eigvalsh(scaled).min() > -1e-12
        assert not after[before.diagonal() == 0].any()
        assert (
            np.linalg.matrix_rank(after, tol=1e-9 * after.max(initial=0)) <= support_of(before).rank
        )


def test_a_level_with_seasons_keeps_its_zeros_and_becomes_more_likely():
    """The shift register of the seasons has no noise; rounding made some of it negative, priors filled it."""
    rng = np.random.default_rng(0)
    level = np.cumsum(0.1 * rng.normal(size=60))
    y = level + np.tile([0.5, -0.2, -0.4, 0.1], 15) + 0.3 * rng.normal(size=60)
    A = np.zeros((4, 4))
    A[0, 0], A[1, 1:], A[2, 1], A[3, 2] = 1, -1, 1, 1
    Q = np.diag([0.02, 0.0, 0.0, 0.0])
    model = LinearGaussian.create(
        A, np.array([[1.0, 1.0, 0.0, 0.0]]), Q, np.array([[0.1]]), initial="diffuse"
    )
    learner = EM(freeze=("A", "B", "c", "C", "d"), iterations=40, tolerance=0)
    result = rekalman.fit(Sequences.from_arrays(y), model, learner, progress=False)
    history = result.history.log_likelihood
    assert np.diff(history).min() > -1e-8
    assert history[-1] > history[0]
    learned = np.array(result.model.Q)
    assert learned[0, 0] > 0
    learned[0, 0] = 0
    assert not learned.any()


def test_a_small_variance_far_from_zero_is_not_lost_in_rounding():
    """Second moments of 1e10 and a noise of 1e-8: their difference would be rounding and nothing else."""
    rng = np.random.default_rng(1)
    y = 1e5 + np.cumsum(1e-4 * rng.normal(size=300)) + 1e-4 * rng.normal(size=300)
    one = np.eye(1)
    starts = [
        LinearGaussian.create(one, one, 1e-9 * one, 1e-8 * one, initial="diffuse"),
        LinearGaussian.create(one, one, 1e-9 * one, 1e-8 * one, initial="diffuse"),
    ]
    near, far = (
        linear_em(
            start, as_batch(Sequences.from_arrays(values)), iterations=200, tolerance=0,
            freeze=("A", "c", "C", "d"),
        ).model
        for start, values in zip(starts, (y - 1e5, y), strict=True)
    )  # fmt: skip
    np.testing.assert_allclose(far.Q, near.Q, rtol=1e-3)
    np.testing.assert_allclose(far.R, near.R, rtol=1e-3)
    assert float(near.Q[0, 0]) == pytest.approx(1e-8, rel=0.5)


@pytest.mark.parametrize(
    ("V", "pivots"),
    [
        (np.diag([2.0, 0.0, 3.0]), (0, 2)),
        (np.outer([0.5, 1.0, 0.0], [0.5, 1.0, 0.0]), (0,)),
        (np.eye(3), (0, 1, 2)),
        (np.zeros((3, 3)), ()),
        (np.diag([1e-20, 1e20, 0.0]), (0, 1)),
    ],
)
def test_the_range_of_a_covariance(V, pivots):
    support = support_of(V)
    assert support.pivots == pivots
    np.testing.assert_allclose(support.outer(support.inner(jnp.asarray(V))), V, rtol=1e-12)


def test_one_factor_of_a_covariance_may_be_all_that_is_learned():
    """Constant velocity: the noise has one parameter, whatever the length of a step."""
    rng = np.random.default_rng(2)
    Q = np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])
    x, y = np.zeros(2), []
    for _ in range(400):
        x = np.array([[1.0, 1.0], [0.0, 1.0]]) @ x + np.linalg.cholesky(0.5 * Q) @ rng.normal(
            size=2
        )
        y.append(x[0] + rng.normal())
    model = LinearGaussian.create(
        np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), Q, np.eye(1), initial="diffuse"
    )
    learner = EM(
        freeze=("A", "B", "c", "C", "d"), iterations=60, tolerance=0, process_noise="scaled"
    )
    learned = rekalman.fit(Sequences.from_arrays(y), model, learner, progress=False).model.Q
    np.testing.assert_allclose(learned / learned[1, 1], Q, rtol=1e-6)
    assert float(learned[1, 1]) == pytest.approx(0.5, rel=0.3)
