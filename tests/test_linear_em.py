"""EM for linear Gaussian models: exact statistics, monotone likelihood, constraints, speed of shape."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import JointGaussian, random_linear, simulate_linear

import rekalman
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch, like_lengths
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.linear_statistics import linear_e_step
from rekalman.learners.em.priors import PriorStrength
from rekalman.models.linear import LinearGaussian

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def linear(states: int, obs: int, inputs: int, seed: int, **more) -> LinearGaussian:
    network = random_linear(states, obs, inputs, seed)
    return LinearGaussian.create(**{name: getattr(network, name) for name in BLOCKS}, **more)


def batch_of(model: LinearGaussian, lengths: list[int], seed: int, missing: bool) -> Batch:
    """Series of several lengths; in each, the last real step has an observation."""
    size = max(lengths)
    values, masks, inputs, valid = [], [], [], []
    for i, steps in enumerate(lengths):
        y, mask, u = simulate_linear(model, steps, seed + i)
        mask = np.asarray(mask) if missing else np.ones_like(mask)
        pad = ((0, size - steps), (0, 0))
        values.append(np.pad(np.where(mask, y, 0.0), pad))
        masks.append(np.pad(mask, pad))
        inputs.append(None if u is None else np.pad(np.asarray(u), pad))
        valid.append(np.arange(size) < steps)
    u = None if inputs[0] is None else jnp.asarray(np.stack(inputs))
    stack = lambda rows: jnp.asarray(np.stack(rows))  # noqa: E731
    return Batch(stack(values), stack(masks), u, stack(valid))


def brute_force(model: LinearGaussian, y, mask, u):
    """The statistics of one series by conditioning the joint law of all states and observations."""
    T, n, p = len(y), model.states, model.observations
    joint = JointGaussian(model, y, mask, u)
    seen = np.flatnonzero(joint.mask)
    cov = np.block([[joint.x_cov, joint.xy_cov], [joint.xy_cov.T, joint.y_cov]])
    mean = np.concatenate([joint.x_mean, joint.y_mean])
    gain = np.linalg.solve(joint.y_cov[np.ix_(seen, seen)], cov[T * n :][seen]).T
    mean = mean + gain @ (joint.y.reshape(-1)[seen] - joint.y_mean[seen])
    cov = cov - gain @ cov[T * n :][seen]
    second = cov + np.outer(mean, mean)
    u = np.zeros((T, 0)) if u is None else np.asarray(u)

    def moment(rows, columns):
        """`E[a b']` of lists of index arrays and known vectors."""
        a_index, a_known = rows
        b_index, b_known = columns
        return np.block(
            [
                [second[np.ix_(a_index, b_index)], np.outer(mean[a_index], b_known)],
                [np.outer(a_known, mean[b_index]), np.outer(a_known, b_known)],
            ]
        )

    x = lambda t: np.arange(t * n, (t + 1) * n)  # noqa: E731
    obs = lambda t: T * n + np.arange(t * p, (t + 1) * p)  # noqa: E731
    none = np.zeros(0)
    sums = {"transition": [0, 0, 0], "observation": [0, 0, 0]}
    for t in range(T):
        tail = np.append(u[t], 1.0)
        if t:
            phi, target = (x(t - 1), tail), (x(t), none)
            for i, pair in enumerate(((phi, phi), (target, phi), (target, target))):
                sums["transition"][i] = sums["transition"][i] + moment(*pair)
        if joint.mask[t].any():
            psi, target = (x(t), tail), (obs(t), none)
            for i, pair in enumerate(((psi, psi), (target, psi), (target, target))):
                sums["observation"][i] = sums["observation"][i] + moment(*pair)
    first = moment((x(0), none), (x(0), np.ones(1)))
    return sums, first


@pytest.mark.parametrize(
    ("states", "obs", "inputs", "missing"), [(1, 1, 0, True), (2, 3, 1, True), (3, 2, 2, False)]
)
def test_statistics_equal_the_joint_gaussian(states, obs, inputs, missing):
    model = linear(states, obs, inputs, seed=states)
    lengths = [7, 5]
    batch = batch_of(model, lengths, seed=1, missing=missing)
    result, value = jax.jit(lambda: linear_e_step(model, batch, not missing, False))()
    expected = {"transition": 0.0, "observation": 0.0}
    likelihood, first = 0.0, 0.0
    totals = {name: [0.0, 0.0, 0.0] for name in expected}
    for i, steps in enumerate(lengths):
        u = None if batch.inputs is None else batch.inputs[i, :steps]
        one = batch.values[i, :steps], batch.mask[i, :steps], u
        sums, start = brute_force(model, *one)
        first = first + start
        likelihood += JointGaussian(model, *one).log_likelihood()
        for name, parts in sums.items():
            totals[name] = [a + b for a, b in zip(totals[name], parts, strict=True)]
    for name, parts in totals.items():
        regression = getattr(result, name)
        for leaf, part in zip(("features", "cross", "targets"), parts, strict=True):
            np.testing.assert_allclose(getattr(regression, leaf), part, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(result.initial.targets, first[:, :-1], atol=1e-10)
    np.testing.assert_allclose(result.initial.cross, first[:, -1:], atol=1e-10)
    assert float(value) == pytest.approx(likelihood, abs=1e-8)


def test_short_series_beside_a_long_one_are_learned_from_in_groups():
    model = linear(2, 1, 1, seed=3)
    batch = batch_of(model, [400, 7, 7, 30, 5, 9, 40, 8], seed=2, missing=True)
    groups = like_lengths(batch)
    assert [group.values.shape[:2] for group in groups] == [(5, 9), (2, 40), (1, 400)]
    together = linear_em(model, batch, iterations=1, tolerance=0)
    statistics, value = jax.jit(lambda: linear_e_step(model, batch, False, False))()
    assert together.log_likelihood[0] == pytest.approx(float(value), rel=1e-12)
    apart = [jax.jit(lambda g=g: linear_e_step(model, g, False, False)[0])() for g in groups]
    summed = jax.tree.map(lambda *parts: sum(parts), *apart)
    for whole, part in zip(jax.tree.leaves(statistics), jax.tree.leaves(summed), strict=True):
        np.testing.assert_allclose(part, whole, atol=1e-8)


def test_moments_that_no_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr("rekalman.numerics.memory.memory_of_machine", lambda: 1e6)
    data = Sequences.from_arrays([np.zeros(4000), np.zeros(3)])
    message = "2 series, padded to 4096 steps, would take .* GiB .*: work on series of like lengths"
    level = LinearGaussian.create(np.eye(1), np.eye(1), np.eye(1), np.eye(1))
    with pytest.raises(RekalError, match="^filtering " + message):
        rekalman.filter(rekalman.Kalman(level), data)
    with pytest.raises(RekalError, match="^smoothing " + message):
        rekalman.smooth(rekalman.Kalman(level), data)


def test_series_side_by_side_equal_one_after_the_other():
    model = linear(3, 2, 1, seed=3)
    batch = batch_of(model, [40, 40, 40], seed=2, missing=False)
    fast, slow = (
        jax.jit(lambda how=how: linear_e_step(model, batch, *how))()
        for how in ((True, True), (False, False))
    )
    for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    case=st.sampled_from(
        [
            ((3, 2, 0), False, "given", "full"),
            ((2, 2, 1), True, "given", "diagonal"),
            ((2, 2, 0), False, "diffuse", "full"),
        ]
    ),
)
def test_the_likelihood_never_falls(seed, case):
    shape, missing, initial, noise = case
    truth = linear(*shape, seed=seed)
    batch = batch_of(truth, [30, 24], seed=seed, missing=missing)
    start = linear(*shape, seed=seed + 1, initial=initial)
    if noise == "diagonal":
        blocks = {name: getattr(start, name) for name in BLOCKS}
        blocks |= {name: jnp.diag(jnp.diagonal(blocks[name])) for name in "QR"}
        start = LinearGaussian.create(**blocks, initial=initial)
    result = linear_em(
        start,
        batch,
        iterations=15,
        tolerance=0,
        freeze=("A", "C") if initial == "diffuse" else (),
        process_noise=noise,
        observation_noise=noise,
    )
    rise = np.diff(result.log_likelihood)
    assert rise.min() > -1e-8 * abs(result.log_likelihood).max()
    assert rise.max() > 0


@pytest.mark.parametrize("freeze", [("A", "Q"), ("C", "d", "m", "P"), ("B", "D", "R")])
def test_frozen_blocks_stay(freeze):
    truth = linear(2, 2, 1, seed=5)
    batch = batch_of(truth, [60], seed=6, missing=True)
    start = linear(2, 2, 1, seed=7)
    result = linear_em(start, batch, iterations=5, tolerance=0, freeze=freeze)
    for name in BLOCKS:
        same = np.array_equal(getattr(result.model, name), getattr(start, name))
        assert same == (name in freeze), name
    assert np.diff(result.log_likelihood).min() > 0


def test_fixed_entries_stay_and_the_others_move():
    start = linear(2, 1, 0, seed=8)
    batch = batch_of(linear(2, 1, 0, seed=9), [80], seed=1, missing=False)
    held = np.array([[True, False], [False, True]])
    model = linear_em(start, batch, iterations=4, tolerance=0, fixed={"A": held}).model
    np.testing.assert_array_equal(np.asarray(model.A) == np.asarray(start.A), held)


def test_ragged_series_equal_masked_ones():
    """Padding and steps without any observation at the end of a series say the same of the likelihood."""
    model = linear(2, 2, 0, seed=10)
    ragged = batch_of(model, [40, 25], seed=3, missing=False)
    masked = ragged._replace(valid=jnp.ones_like(ragged.valid))
    fast, general = (
        jax.jit(lambda b, c=c: linear_e_step(model, b, c, False)[1]) for c in (True, False)
    )
    values = [fast(ragged), general(ragged), general(masked)]
    np.testing.assert_allclose(values, values[0], rtol=1e-12)
    apart = [
        JointGaussian(model, ragged.values[i, :n], ragged.mask[i, :n], None).log_likelihood()
        for i, n in enumerate((40, 25))
    ]
    np.testing.assert_allclose(values[0], sum(apart), rtol=1e-10)


def test_a_diffuse_start_keeps_its_moments():
    start = LinearGaussian.create(
        np.eye(1), np.eye(1), np.eye(1), np.eye(1), m=np.zeros(1), initial="diffuse"
    )
    y = np.cumsum(np.random.default_rng(0).normal(size=200))[:, None]
    result = linear_em(
        start, as_batch(Sequences.from_arrays(y)), iterations=20, freeze=("A", "c", "C")
    )
    assert result.model.initial == "diffuse"
    np.testing.assert_array_equal(result.model.m, start.m)
    np.testing.assert_array_equal(result.model.P, start.P)
    assert float(result.model.Q[0, 0]) == pytest.approx(1.0, abs=0.3)


def small_case() -> tuple[LinearGaussian, Batch]:
    """What several tests share, so that it is compiled once."""
    truth = linear(2, 1, 0, seed=11)
    return truth, batch_of(truth, [100], seed=4, missing=False)


def test_it_stops_by_tolerance_and_tells_every_iteration():
    truth, batch = small_case()
    output = []
    result = linear_em(truth, batch, iterations=500, tolerance=1e-4, report=output.append)
    assert result.stopped == "tolerance"
    assert [t.iteration for t in output] == list(range(1, len(result.log_likelihood) + 1))
    assert abs(np.diff(result.log_likelihood)[-1]) < 1e-4 * 100


def test_an_interrupt_keeps_what_was_found():
    batch = small_case()[1]

    def interrupt(progress):
        if progress.iteration == 3:
            raise KeyboardInterrupt

    result = linear_em(linear(2, 1, 0, seed=13), batch, tolerance=0, report=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.log_likelihood) == 3


def test_priors_hold_the_initial_covariance_up():
    truth, batch = small_case()
    result = linear_em(truth, batch, iterations=100, tolerance=0, strength=PriorStrength())
    assert float(jnp.linalg.eigvalsh(result.model.P)[0]) > 0.01


def test_what_is_refused():
    truth, batch = small_case()
    stationary = dataclasses.replace(truth, initial="stationary")
    with pytest.raises(RekalError, match=r"no closed form .* stationary start: use MaximumLik"):
        linear_em(stationary, batch)
    with pytest.raises(RekalError, match=r"unbounded in the columns .* coordinates \(0, 1\)"):
        linear_em(dataclasses.replace(truth, initial="diffuse", flat=(0, 1)), batch)
    with pytest.raises(RekalError, match="model has 2 observations and 0 inputs, but the data"):
        linear_em(linear(2, 2, 0, seed=1), batch)
    with pytest.raises(RekalError, match="no entry was observed"):
        linear_em(truth, batch._replace(mask=jnp.zeros_like(batch.mask)))
    with pytest.raises(RekalError, match="not finite at iteration 1"):
        linear_em(truth, batch._replace(values=batch.values * jnp.nan))
