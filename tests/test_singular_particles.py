"""Particles where process noise or the first state has no density: against the Kalman filter and smoother."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import rekalman
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import noise_coordinates
from rekalman.numerics.precision import single_precision
from rekalman.smoothers.backward import smooth_backward, trajectory_moments
from rekalman.smoothers.marginal import LEAST_LINES, smooth_marginal


def precision(x64: bool):
    """Double precision, in which models are made, or single precision."""
    return jax.enable_x64(True) if x64 else single_precision()


ONE = np.ones((1, 1))
F = np.array([[1.0, 1.0], [0.0, 0.9]])
PUSHED = 0.3 * np.outer([0.5, 1.0], [0.5, 1.0])  # filterpy's Q_discrete_white_noise: rank one
C, R, M = np.array([[1.0, 0.0]]), np.array([[0.4]]), np.array([0.0, 1.0])
Y = np.array([[0.3], [1.9], [2.1], [4.0], [4.2], [5.5]])


def linear(Q, P):
    return rekalman.LinearGaussian.create(F, C, Q, R, m=M, P=P)


# One pair of functions for all models: they share what is compiled of them.
def move(x, u, dt):
    return jnp.asarray(F, x.dtype) @ x


def first_state(x, u):
    return x[:1]


def nonlinear(Q, P, residual=None, noise=R):
    return rekalman.NonlinearGaussian.create(
        move, first_state, Q, noise, M, P, state_residual=residual
    )


LAWS = {
    "tracker": (PUSHED, np.eye(2)),
    "known start": (PUSHED, np.zeros((2, 2))),
    "one coordinate known": (np.diag([0.0, 0.2]), np.diag([0.5, 0.0])),
    "no process noise": (np.zeros((2, 2)), 0.3 * np.outer([1.0, 0.5], [1.0, 0.5])),
    "nothing random": (np.zeros((2, 2)), np.zeros((2, 2))),
}


@eqx.filter_jit
def many_runs(algorithm, y, runs: int):
    mask = jnp.ones(y.shape, bool).at[2].set(False)

    def one(key):
        path = algorithm.run(y, mask, None, None, key)
        return path.log_likelihood, path.mean

    return jax.lax.map(one, jax.random.split(jax.random.key(3), runs))


@functools.cache
def exact(law: str):
    """Log-likelihood, filtered means and variances, smoothed means and covariances in double precision."""
    with precision(True):
        mask = jnp.ones(Y.shape, bool).at[2].set(False)
        path, smoothed = rekalman.Kalman(linear(*LAWS[law])).smooth(jnp.asarray(Y), mask)
        values = path.log_likelihood, path.mean, path.var, smoothed.mean, smoothed.cov
        return tuple(np.asarray(v) for v in values)


CASES = [
    ("tracker", "guided", linear),
    ("tracker", "guided", nonlinear),
    ("tracker", "bootstrap", nonlinear),
    ("one coordinate known", "guided", nonlinear),
    ("one coordinate known", "bootstrap", linear),
    ("known start", "guided", nonlinear),
    ("no process noise", "guided", nonlinear),
    ("nothing random", "guided", nonlinear),
]


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(("law", "proposal", "make"), CASES)
def test_particles_agree_with_the_kalman_filter(law, proposal, make, x64):
    # The likelihood is unbiased for any number of particles; five standard errors of 40 runs.
    log_likelihood, means, var, _, _ = exact(law)
    with precision(x64):
        model = make(*LAWS[law])
        result, mean = many_runs(rekalman.ParticleFilter(model, 1000, proposal), jnp.asarray(Y), 40)
    ratio = np.exp(np.asarray(result, float) - log_likelihood)
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 5 * error + 2e-5
    assert error < 0.03
    scale = np.sqrt(var) + 3e-3
    off = (np.asarray(mean, float).mean(0) - means) / scale
    spread = (np.asarray(mean, float) / scale).std(0) / np.sqrt(len(ratio))
    assert (abs(off) < 5 * spread + 0.02).all()


@pytest.mark.parametrize("make", [linear, nonlinear])
def test_a_simulation_moves_along_the_range_of_the_noise(make):
    model = make(PUSHED, np.diag([0.0, 1.0]))
    x, y = (
        np.asarray(v, float) for v in rekalman.simulate(model, 40, jax.random.key(0), batch=400)
    )
    shocks = np.asarray(x[:, 1:] - x[:, :-1] @ F.T, float).reshape(-1, 2)
    np.testing.assert_allclose(shocks[:, 0], 0.5 * shocks[:, 1], atol=2e-4)
    count = len(shocks)
    assert shocks[:, 1].var() == pytest.approx(0.3, abs=5 * 0.3 * np.sqrt(2 / count))
    assert np.asarray(x[:, 0, 0]).std() == 0
    assert np.isfinite(np.asarray(y)).all()
    exactly = eqx.tree_at(lambda m: m.R, model, jnp.zeros((1, 1)))
    x, y = rekalman.simulate(exactly, 5, jax.random.key(0))
    np.testing.assert_array_equal(y[..., 0], x[..., 0])


@pytest.mark.parametrize("residual", [None, [1]])
def test_transition_densities_are_those_on_the_range_of_the_noise(residual):
    Q = PUSHED
    with precision(True):
        model = nonlinear(Q, np.eye(2), residual)
        before = jnp.asarray([[0.2, 1.0], [0.2, 1.0], [0.4, 0.8], [-3.0, 2.0]])
        after = model.transition_mean(before) + jnp.asarray([[0.5], [-0.2], [1.0], [0.0]]) * 0.5 * (
            jnp.asarray([0.5, 1.0])
        )
        law = lambda a: scipy.stats.multivariate_normal(  # noqa: E731
            np.asarray(model.transition_mean(a[None])[0]), Q, allow_singular=True
        )
        right = np.array([law(a).logpdf(np.asarray(b)) for a, b in zip(before, after, strict=True)])
        ours = [float(model.log_transition(b, a, None)) for a, b in zip(before, after, strict=True)]
        np.testing.assert_allclose(ours, right, rtol=1e-10)
        assert (
            float(model.log_transition(after[0] + jnp.asarray([1e-3, 0]), before[0], None))
            == -np.inf
        )

        tables = jax.tree.map(
            lambda leaf: leaf[0], model.pair_tables(before[None], after[None], None, None)
        )
        pairs = np.asarray(model.log_pairs(*tables))
        reached = np.eye(4, dtype=bool)
        reached[0, 1] = reached[1, 0] = True  # the same state twice
        # The third lies on the same line as the first two: both have position plus velocity 1.2.
        together = np.abs((np.asarray(after)[None] - np.asarray(before @ F.T)[:, None]) @ [1, -0.5])
        reached |= together < 1e-12
        np.testing.assert_array_equal(np.isfinite(pairs), reached)
        np.testing.assert_allclose(pairs[0, 1] - pairs[1, 1], 0, atol=1e-12)
        np.testing.assert_allclose(
            np.asarray(model.log_matched(*tables)), np.diagonal(pairs), atol=1e-12
        )


def test_the_coordinates_of_a_regular_noise_are_its_inverse_factor():
    Q = np.array([[2.0, 0.3], [0.3, 0.5]])
    with precision(True):
        whiten, frame = noise_coordinates(jnp.asarray(Q))
    np.testing.assert_allclose(whiten, np.linalg.inv(np.linalg.cholesky(Q)), atol=1e-14)
    assert not np.asarray(frame).any()


@eqx.filter_jit
def smoothed_moments(model, keys, particles: int, method: str):
    """Means, variances and sums of weights of the smoothed particles, one row a key."""
    y = jnp.asarray(Y, model.Q.dtype)
    mask = jnp.ones(Y.shape, bool).at[2].set(False)
    valid = jnp.ones(len(Y), bool)

    def run(key):
        keys = jax.random.split(key)
        path = rekalman.ParticleFilter(model, particles).run(y, mask, None, None, keys[0])
        x = path.x
        if method == "marginal":
            smoothed = smooth_marginal(model, path, None, None, valid, x, x)
        else:
            x = smooth_backward(model, path, None, None, valid, particles, keys[1], method)
            smoothed = trajectory_moments(x, x, valid)
        centre = jnp.einsum("tn,tns->ts", smoothed.weights, x)
        spread = jnp.einsum("tn,tns->ts", smoothed.weights, (x - centre[:, None]) ** 2)
        return centre, spread, smoothed.weights.sum(1)

    return jax.lax.map(run, keys)


@pytest.mark.parametrize(
    ("law", "method", "x64"),
    [
        ("tracker", "marginal", False),
        ("tracker", "marginal", True),
        ("tracker", "exact", False),
        ("tracker", "mcmc", False),
        ("known start", "marginal", True),
    ],
)
def test_smoothed_moments_agree_with_the_kalman_smoother(law, method, x64):
    _, _, _, mean, cov = exact(law)
    var = np.stack([c.diagonal() for c in cov])
    scale = np.sqrt(var) + 1e-3
    particles, runs = 400, 30
    with precision(x64):
        keys = jax.random.split(jax.random.key(1), runs)
        centre, spread, total = smoothed_moments(nonlinear(*LAWS[law]), keys, particles, method)
    np.testing.assert_allclose(total, 1, atol=1e-4)
    for estimates, right in ((centre / scale, mean / scale), (spread / scale**2, var / scale**2)):
        estimates = np.asarray(estimates, float)
        error = estimates.std(0) / np.sqrt(runs)
        assert error.max() < 0.06
        assert (abs(estimates.mean(0) - right) < 5 * error + 20 / particles).all()


def test_particles_that_share_what_has_no_noise_mix_again():
    # All particles know the drift: the smoother is the one of the level alone, not the genealogy.
    rng = np.random.default_rng(0)
    level = np.sqrt(0.3) * rng.normal(size=(60, 1)).cumsum(0) + np.sqrt(0.4) * rng.normal(
        size=(60, 1)
    )
    drift = 0.9 ** np.arange(60)
    y = level + np.concatenate([[0.0], drift[:-1].cumsum()])[:, None]
    with precision(True):
        model = linear(np.diag([0.3, 0.0]), np.diag([1.0, 0.0]))
        one = rekalman.LinearGaussian.create(ONE, ONE, 0.3 * ONE, R, P=ONE)
        data = rekalman.Sequences.from_arrays(y)
        ours = rekalman.smooth(rekalman.ParticleFilter(model, 400), data)
        right = rekalman.smooth(rekalman.Kalman(one), rekalman.Sequences.from_arrays(level))
    shifted = right.mean[0, :, 0] + (y - level)[:, 0]
    assert np.abs(ours.mean[0, :, 0] - shifted).max() < 5 * np.sqrt(0.2 / 100)
    np.testing.assert_allclose(ours.mean[0, :, 1], drift, rtol=1e-6)


def test_too_few_ancestral_lines_are_refused():
    model = nonlinear(PUSHED, np.eye(2))
    long = rekalman.simulate(model, 100, jax.random.key(0))[1]
    data = rekalman.Sequences.from_arrays(np.asarray(long))
    with pytest.raises(
        RekalError, match=rf"leave only \d+ at step \d+ .* {LEAST_LINES} are needed"
    ):
        rekalman.smooth(rekalman.ParticleFilter(model, 50), data)
    regular = nonlinear(PUSHED + 1e-2 * np.eye(2), np.eye(2))
    assert np.isfinite(rekalman.smooth(rekalman.ParticleFilter(regular, 50), data).mean).all()


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("R", [0 * ONE, np.ones((2, 2)), np.diag([1e-12, 0.0])])
def test_observation_noise_without_a_density_is_refused(R, x64):
    with precision(x64):
        p = len(R)
        model = rekalman.LinearGaussian.create(F, np.eye(2)[:p], PUSHED, R)
        with pytest.raises(RekalError, match="R is singular"):
            rekalman.ParticleFilter(model, 10)
        rekalman.ParticleFilter(
            eqx.tree_at(lambda m: m.R, model, jnp.diag(jnp.logspace(-9, 9, p))), 10
        )


@pytest.mark.parametrize("proposal", ["guided", "bootstrap"])
@pytest.mark.parametrize("x64", [False, True])
def test_an_outlier_beyond_all_digits_is_refused_in_one_sentence(proposal, x64, outlier=1e20):
    with precision(x64):
        model = nonlinear(PUSHED, np.eye(2))
        algorithm = rekalman.ParticleFilter(model, 50, proposal)
        y = np.concatenate([Y, Y])
        y[4] = outlier
        data = rekalman.Sequences.from_arrays(y)
        for verb in (rekalman.filter, rekalman.smooth):
            with pytest.raises(RekalError, match=r"at step 4 \(counted from 0\) lies so far"):
                verb(algorithm, data)
        belief = algorithm.init(jax.random.key(0))
        row = model.encode(jnp.asarray([outlier], model.R.dtype), jnp.ones(1, bool), None)
        with pytest.raises(RekalError, match="the observation lies so far"):
            algorithm.update(belief, np.array([outlier]))
        # In compiled code nothing is raised, and nothing is spoiled but the density.
        after, gain = eqx.filter_jit(algorithm.update_encoded)(belief, row)
        assert not np.isnan(gain)
        np.testing.assert_allclose(after.weights.sum(), 1, rtol=1e-4)


def test_a_transition_that_is_not_finite_is_named():
    model = rekalman.NonlinearGaussian.create(
        lambda x, u, dt: jnp.log(x), lambda x, u: x, 0.1 * ONE, 0.1 * ONE, ONE[0], 0.1 * ONE
    )
    data = rekalman.Sequences.from_arrays(np.ones(20))
    with pytest.raises(
        RekalError, match=r"particles at step \d+ \(counted from 0\) are not finite"
    ):
        rekalman.filter(rekalman.ParticleFilter(model, 50), data)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("algorithm", [rekalman.ExtendedKalman, rekalman.UnscentedKalman])
def test_nonlinear_filters_agree_with_kalman_or_say_what_is_wrong(algorithm, x64):
    zero = np.zeros((2, 2))
    path = np.array([[0.0], [1.0], [1.9], [2.71], [3.439], [4.0951]])  # the noise-free path
    far = Y.copy()
    far[3] = 1e20
    cases = (
        (PUSHED, R, zero, Y, None),
        (zero, R, np.eye(2), Y, None),
        (PUSHED, 0 * R, np.eye(2), Y, None),
        (zero, R, zero, Y, None),
        (zero, 0 * R, zero, path, None),
        (zero, 0 * R, np.eye(2), Y, "the model rules out what was observed at step 2"),
        (zero, 0 * R, zero, Y, "the model rules out what was observed at step 0"),
        (PUSHED, R, np.eye(2), far, "the observation at step 3 .* lies so far"),
    )
    with precision(x64):
        for Q, noise, P, y, sentence in cases:
            data = rekalman.Sequences.from_arrays(y)
            right = rekalman.LinearGaussian.create(F, C, Q, noise, m=M, P=P)
            model = nonlinear(Q, P, noise=noise)
            if sentence is not None:
                with pytest.raises(RekalError, match=sentence):
                    rekalman.filter(algorithm(model), data)
                continue
            ours = rekalman.filter(algorithm(model), data)
            exact = rekalman.filter(rekalman.Kalman(right), data)
            assert ours.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-5, abs=1e-5)
            np.testing.assert_allclose(ours.mean, exact.mean, rtol=1e-4, atol=1e-4)
