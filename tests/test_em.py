"""EM: exact statistics, a likelihood that rises, constraints that hold, runs that stop."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.filters.extended import ExtendedKalman
from rekalman.filters.unscented import UnscentedKalman
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch, padded_length
from rekalman.learners.em.em import EM, e_step
from rekalman.learners.em.priors import PriorStrength
from rekalman.learners.em.restarts import hide_after, try_starts
from rekalman.models.stochastic_rnn import StochasticRNN

WEAK = PriorStrength(weight_steps=1e-4, noise_steps=1e-4, initial_steps=1.0)


def linear_model():
    return StochasticRNN.create(
        A=jnp.array([[0.9, 0.3], [-0.3, 0.9]]),
        C=jnp.array([[1.0, 0.0], [0.5, 0.5]]),
        Q=0.1 * jnp.eye(2),
        R=jnp.diag(jnp.array([0.2, 0.1])),
        c=jnp.array([0.1, -0.1]),
        d=jnp.array([0.3, 0.0]),
        P=jnp.eye(2),
        activation="identity",
    )


def joint_gaussian(model, steps):
    """Mean and covariance of (x_1..x_T) and of (y_1..y_T), all stacked, for f = identity."""
    n = model.states
    A, C, Q, R = (np.asarray(b, float) for b in (model.A, model.C, model.Q, model.R))
    mean = [np.asarray(model.m, float)]
    cov = np.zeros((steps * n, steps * n))
    cov[:n, :n] = np.asarray(model.P)
    for t in range(1, steps):
        now, before = slice(t * n, (t + 1) * n), slice((t - 1) * n, t * n)
        mean.append(A @ mean[-1] + np.asarray(model.c))
        cov[now, : t * n] = A @ cov[before, : t * n]
        cov[: t * n, now] = cov[now, : t * n].T
        cov[now, now] = A @ cov[before, before] @ A.T + Q
    H = np.kron(np.eye(steps), C)
    x_mean = np.concatenate(mean)
    y_mean = H @ x_mean + np.tile(np.asarray(model.d), steps)
    return x_mean, cov, H, y_mean, H @ cov @ H.T + np.kron(np.eye(steps), R)


def exact_log_likelihood(model, y, mask):
    _, _, _, mean, cov = joint_gaussian(model, len(y))
    seen = mask.reshape(-1)
    e, S = (y.reshape(-1) - mean)[seen], cov[np.ix_(seen, seen)]
    return -0.5 * (e @ np.linalg.solve(S, e) + np.linalg.slogdet(2 * np.pi * S)[1])


def exact_smoother(model, y, mask):
    """E x and E x x' of all states, stacked."""
    x_mean, x_cov, H, mean, cov = joint_gaussian(model, len(y))
    seen = mask.reshape(-1)
    gain = np.linalg.solve(cov[np.ix_(seen, seen)], (H @ x_cov)[seen]).T
    m = x_mean + gain @ (y.reshape(-1) - mean)[seen]
    P = x_cov - gain @ (H @ x_cov)[seen]
    return m, P + np.outer(m, m)


def simulate_linear(model, steps, seed):
    rng = np.random.default_rng(seed)
    x, ys = rng.normal(size=2), []
    for _ in range(steps):
        ys.append(np.asarray(model.C) @ x + np.asarray(model.d)
                  + np.sqrt(np.diag(model.R)) * rng.normal(size=2))  # fmt: skip
        x = np.asarray(model.A) @ x + np.asarray(model.c) + np.sqrt(0.1) * rng.normal(size=2)
    return np.array(ys)


@pytest.fixture(scope="module")
def gappy():
    model = linear_model()
    y = simulate_linear(model, 30, 0)
    mask = np.random.default_rng(1).uniform(size=y.shape) > 0.3
    return model, y, mask


@pytest.mark.parametrize("trajectories", [None, 3000])
def test_statistics_match_the_exact_smoother(gappy, trajectories):
    model, y, mask = gappy
    data = Sequences.from_arrays(np.where(mask, y, np.nan))
    result, _ = e_step(model, (2000, "guided", trajectories), as_batch(data), jax.random.key(0))
    m, second = exact_smoother(model, y, mask)
    steps, n = len(y), 2
    block = lambda a, b: second[a * n : (a + 1) * n, b * n : (b + 1) * n]  # noqa: E731
    now = sum(block(t, t) for t in range(1, steps))
    before = sum(block(t, t) for t in range(steps - 1))
    pairs = sum(block(t, t - 1) for t in range(1, steps))
    np.testing.assert_allclose(result.transition.targets, now, rtol=0.03, atol=0.4)
    np.testing.assert_allclose(result.transition.features[:2, :2], before, rtol=0.03, atol=0.4)
    np.testing.assert_allclose(result.transition.cross[:, :2], pairs, rtol=0.03, atol=0.4)
    xs = m.reshape(steps, n)
    np.testing.assert_allclose(result.transition.cross[:, 2], xs[1:].sum(0), atol=0.3)
    assert float(result.transition.count) == steps - 1

    # Missing entries completed by their conditional moments.
    C, R, d = (np.asarray(v, float) for v in (model.C, model.R, model.d))
    yy, yx, used = np.zeros((2, 2)), np.zeros((2, 2)), 0
    for t in range(steps):
        if not mask[t].any():
            continue
        used += 1
        xx = block(t, t)
        mean_y = C @ xs[t] + d
        full = C @ xx @ C.T + np.outer(C @ xs[t], d) + np.outer(d, C @ xs[t]) + np.outer(d, d) + R
        o = mask[t]
        E_y = np.where(o, y[t], mean_y)
        E_yx = np.where(o[:, None], np.outer(y[t], xs[t]), C @ xx + np.outer(d, xs[t]))
        E_yy = np.where(np.outer(~o, ~o), full, np.outer(E_y, E_y))
        yy, yx = yy + E_yy, yx + E_yx
    np.testing.assert_allclose(result.observation.targets, yy, rtol=0.03, atol=0.4)
    np.testing.assert_allclose(result.observation.cross[:, :2], yx, rtol=0.03, atol=0.4)
    assert float(result.observation.count) == used


def test_the_exact_likelihood_rises(gappy):
    model, y, mask = gappy
    wrong = eqx.tree_at(
        lambda t: (t.A, t.C, t.Q, t.R),
        model,
        (0.5 * jnp.eye(2), 0.5 * model.C, jnp.eye(2), jnp.eye(2)),
    )
    batch = as_batch(Sequences.from_arrays(np.where(mask, y, np.nan)))
    values = [exact_log_likelihood(wrong, y, mask)]
    current = wrong
    for i in range(8):
        em = EM(particles=500, iterations=1, average=1, tolerance=0.0, strength=WEAK)
        current = em.run(current, batch, key=jax.random.key(i)).model
        values.append(exact_log_likelihood(current, y, mask))
    assert np.diff(values).min() > -0.3, values
    assert values[-1] > values[0] + 5


def test_several_ragged_series_add_up():
    model = linear_model()
    long, short = simulate_linear(model, 40, 2), simulate_linear(model, 23, 3)
    together = as_batch(Sequences.from_arrays([long, short]))
    result, _ = e_step(model, (1000, "guided", None), together, jax.random.key(0))
    parts = [
        e_step(
            model, (1000, "guided", None), as_batch(Sequences.from_arrays(y)), jax.random.key(1)
        )[0]
        for y in (long, short)
    ]
    summed = jax.tree.map(lambda a, b: a + b, *parts)
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(summed), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.8)
    assert float(result.transition.count) == 39 + 22
    assert float(result.initial.count) == 2


def test_what_stands_in_a_missing_entry_changes_nothing(gappy):
    model, y, mask = gappy
    batch = as_batch(Sequences.from_arrays(np.where(mask, y, np.nan)))
    spoilt = batch._replace(values=jnp.where(batch.mask, batch.values, 1e6))
    a, _ = e_step(model, (100, "guided", None), batch, jax.random.key(0))
    b, _ = e_step(model, (100, "guided", None), spoilt, jax.random.key(0))
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.fixture(scope="module")
def wave():
    rng = np.random.default_rng(0)
    t = np.arange(200)
    return as_batch(Sequences.from_arrays(np.sin(t / 4)[:, None] + 0.3 * rng.normal(size=(200, 1))))


def small(**changes):
    return EM(**({"particles": 50, "iterations": 6, "average": 2, "tolerance": 0.0} | changes))


def test_frozen_blocks_and_fixed_entries_stay(wave):
    model = StochasticRNN.init(3, 1, key=jax.random.key(0))
    corner = np.zeros((3, 3), bool)
    corner[0, 1] = True
    result = small(freeze=("C", "R", "c", "m"), fixed={"A": corner}).run(
        model, wave, key=jax.random.key(1)
    )
    for name in ("C", "R", "c", "m"):
        np.testing.assert_allclose(getattr(result.model, name), getattr(model, name), rtol=1e-6)
    assert float(result.model.A[0, 1]) == pytest.approx(float(model.A[0, 1]))
    assert np.abs(result.model.A - model.A).max() > 1e-3
    assert np.abs(result.model.Q - model.Q).max() > 1e-4


def test_full_covariances_are_symmetric_and_positive(wave):
    model = StochasticRNN.init(3, 1, key=jax.random.key(0))
    Q = small(process_noise="full").run(model, wave, key=jax.random.key(1)).model.Q
    np.testing.assert_allclose(Q, Q.T, rtol=1e-6)
    assert np.linalg.eigvalsh(Q).min() > 0
    assert np.abs(Q - np.diag(np.diag(Q))).max() > 1e-6


def test_it_stops_on_the_tolerance_and_averages(wave):
    model = StochasticRNN.init(2, 1, key=jax.random.key(0))
    em = small(iterations=200, tolerance=1e-2, window=5)
    result = em.run(model, wave, key=jax.random.key(1))
    assert result.stopped == "tolerance"
    assert 10 <= len(result.log_likelihood) < 200
    assert result.log_likelihood[-5:].mean() > result.log_likelihood[:2].mean() + 10


def test_an_interrupt_returns_the_best_so_far(wave):
    def stop(progress):
        if progress.iteration == 3:
            raise KeyboardInterrupt

    model = StochasticRNN.init(2, 1, key=jax.random.key(0))
    result = small().run(model, wave, key=jax.random.key(1), callback=stop)
    assert result.stopped == "interrupted"
    assert len(result.log_likelihood) == 3
    assert np.isfinite(result.model.A).all()


def test_starts_are_ranked_by_data_they_did_not_see(wave):
    good = (
        small(iterations=30)
        .run(StochasticRNN.init(2, 1, key=jax.random.key(0)), wave, key=jax.random.key(1))
        .model
    )
    bad = eqx.tree_at(lambda m: (m.A, m.C), good, (-0.9 * jnp.eye(2), 0.01 * good.C))
    frozen = small(iterations=1, freeze=("A", "C", "Q", "R", "m", "P", "c", "d", "B", "D"))
    trials = try_starts(frozen, [("bad", bad), ("good", good)], wave, 0.25, jax.random.key(2))
    assert [trial.name for trial in trials] == ["good", "bad"]
    shown, hidden = hide_after(wave, 0.25)
    assert int(shown.mask.sum()) == 150
    assert hidden.sum() == 50


def test_starts_are_scored_by_the_filter_that_will_forecast(wave):
    start = StochasticRNN.init(2, 1, key=jax.random.key(0))
    frozen = small(iterations=1, freeze=("A", "C", "Q", "R", "m", "P", "c", "d", "B", "D"))
    hidden = hide_after(wave, 0.25)[1]
    for kind, algorithm in (("unscented", UnscentedKalman), ("extended", ExtendedKalman)):
        arguments = (frozen, [("one", start)], wave, 0.25, jax.random.key(2))
        (trial,) = try_starts(*arguments, filtering=Filtering(kind))
        run = jax.jit(lambda y, m: algorithm(start).run(y, m).log_evidence)  # noqa: B023
        scores = [run(y, m) for y, m in zip(wave.values, wave.mask, strict=True)]
        assert trial.held_out == pytest.approx(float(np.sum(np.stack(scores) * hidden)), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"particles": 0}, "particles"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"freeze": ("Z",)}, "'Z'"),
    ],
)
def test_bad_settings_are_refused(changes, word):
    with pytest.raises(RekalError, match=word):
        small(**changes)


def test_a_mask_that_does_not_fit_is_refused(wave):
    model = StochasticRNN.init(2, 1, key=jax.random.key(0))
    with pytest.raises(RekalError, match=r"fixed\['A'\]"):
        small(fixed={"A": np.zeros((3, 3), bool)}).run(model, wave, key=jax.random.key(0))


def test_a_network_without_priors_is_refused(wave):
    model = StochasticRNN.init(2, 1, key=jax.random.key(0))
    with pytest.raises(RekalError, match="with priors only"):
        small(strength=None).run(model, wave, key=jax.random.key(0))


def test_lengths_are_padded_to_few_sizes():
    sizes = [padded_length(t) for t in range(1, 5000)]
    assert all(t <= s <= 1.07 * t + 1 for t, s in zip(range(1, 5000), sizes, strict=True))
    assert len(set(sizes)) < 160
