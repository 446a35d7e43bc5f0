"""Noise-free observations, singular noise and diffuse starts: right in every form, against brute force.

Each case was wrong once: observations without noise were dropped, or known directions taken for unknown ones.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive_diffuse import Exact
from random_linear import FEW, make_cases
from scipy.linalg import solve_discrete_lyapunov

import rekalman
from rekalman import Kalman, LinearGaussian, LinearTimeVarying, Sequences
from rekalman.learners.batch import Batch
from rekalman.learners.em.linear_em import linear_em

FORMS = ("covariance", "square-root", "parallel")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def linear(*blocks, **more) -> LinearGaussian:
    """A model from nested lists."""
    arrays = {name: np.array(v) if isinstance(v, list) else v for name, v in more.items()}
    return LinearGaussian.create(*map(np.array, blocks), **arrays)


def joint_moments(A, Q, P, steps: int) -> np.ndarray:
    """Covariance of all states, `(steps * n, steps * n)`."""
    n = len(A)
    effect, noise = np.zeros((2, steps * n, steps * n))
    noise[:n, :n], effect[:n, :n] = P, np.eye(n)
    for t in range(1, steps):
        now, before = slice(t * n, (t + 1) * n), slice((t - 1) * n, t * n)
        effect[now] = A @ effect[before]
        effect[now, now] = np.eye(n)
        noise[now, now] = Q
    return effect @ noise @ effect.T


def autoregression(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A stationary AR(3) in companion form and a path of it."""
    angle, modulus = rng.uniform(0, np.pi), rng.uniform(0, 0.95)
    pair = modulus * np.exp(1j * angle)
    phi = -np.real(np.poly([rng.uniform(-0.95, 0.95), pair, pair.conjugate()]))[1:]
    A, Q = np.vstack([phi, np.eye(3)[:2]]), np.diag([0.53, 0, 0])
    P = solve_discrete_lyapunov(A, Q)
    x, y = rng.multivariate_normal(np.zeros(3), 0.5 * (P + P.T)), []
    for _ in range(30):
        y.append(x[0])
        x = A @ x + np.r_[np.sqrt(Q[0, 0]) * rng.normal(), 0, 0]
    return A, Q, 0.5 * (P + P.T), np.array(y)


@pytest.mark.parametrize("form", FORMS)
def test_an_autoregression_seen_without_noise(form):
    """statsmodels, test_smoothing.py TestStatesAR3: the same model; here any stationary coefficients."""
    rng, C = np.random.default_rng(1), np.array([[1.0, 0, 0]])
    for _ in range(40):
        A, Q, P, y = autoregression(rng)
        S, H = joint_moments(A, Q, P, len(y)), np.kron(np.eye(len(y)), C)
        V = H @ S @ H.T
        solved = np.linalg.solve(V, y)
        likelihood = -0.5 * (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + y @ solved)
        model = linear(A, C, Q, [[0.0]], m=np.zeros(3), P=P)
        result = rekalman.smooth(Kalman(model, form=form), Sequences.from_arrays(y))
        assert result.log_likelihood == pytest.approx(likelihood, abs=1e-8)
        np.testing.assert_allclose(
            result.mean[0], (S @ H.T @ solved).reshape(-1, 3), atol=1e-8, rtol=0
        )


@pytest.mark.parametrize("form", FORMS)
def test_a_random_walk_seen_without_noise_from_a_diffuse_start(form):
    """The first observation fixes the level; the likelihood is that of the differences (KFAS)."""
    y, q = np.array([5.0, 5.3, 4.9, 5.6, 6.0]), 0.118
    model = linear([[1.0]], [[1.0]], [[q]], [[0.0]], initial="diffuse")
    kalman, data = Kalman(model, form=form), Sequences.from_arrays(y)
    filtered, smoothed = rekalman.filter(kalman, data), rekalman.smooth(kalman, data)
    steps = np.diff(y)
    right = -0.5 * (len(steps) * np.log(2 * np.pi * q) + (steps**2).sum() / q)
    assert filtered.log_likelihood == pytest.approx(right, abs=1e-10)
    for posterior in (filtered, smoothed):
        np.testing.assert_allclose(posterior.mean[0, :, 0], y)
        np.testing.assert_allclose(posterior.cov, 0)
    assert np.isnan(filtered.white[0, 0]) and np.isfinite(filtered.white[0, 1:]).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_dummy_that_is_zero_at_first_hides_nothing_else(form):
    """statsmodels#7342: residuals were thrown away until the regressor was seen."""
    rng, steps = np.random.default_rng(0), 60
    dummy = np.r_[np.zeros(40), np.ones(20)]
    y = np.cumsum(0.3 * rng.normal(size=steps)) + 2 * dummy + 0.5 * rng.normal(size=steps)
    C = np.stack([np.ones(steps), dummy], 1)[:, None, :]
    both = LinearTimeVarying.create(
        np.eye(2), C, np.diag([0.09, 0]), np.array([[0.25]]), varying=("C",), initial="diffuse"
    )
    alone = linear([[1.0]], [[1.0]], [[0.09]], [[0.25]], initial="diffuse")
    data = Sequences.from_arrays(y)
    one, other = (rekalman.filter(Kalman(m, form=form), data) for m in (both, alone))
    np.testing.assert_allclose(one.mean[0, :40, 0], other.mean[0, :40, 0], rtol=1e-10)
    np.testing.assert_allclose(one.cov[0, :40, 0, 0], other.cov[0, :40, 0, 0], rtol=1e-10)
    np.testing.assert_allclose(one.log_evidence[0, :40], other.log_evidence[0, :40], atol=1e-10)
    np.testing.assert_allclose(one.pit[0, 1:40], other.pit[0, 1:40], atol=1e-10)
    assert (one.cov[0, :40, 1, 1] > 1e6).all() and (one.cov[0, 40:, 1, 1] < 10).all()
    assert np.isfinite(one.white).sum() == np.isfinite(one.pit).sum() == steps - 2
    smoothed = rekalman.smooth(Kalman(both, form=form), data)
    assert (smoothed.cov[0, :, 1, 1] < 10).all()
    np.testing.assert_allclose(np.ptp(smoothed.mean[0, :, 1]), 0, atol=1e-10)


def test_two_levels_the_second_seen_late():
    rng, steps = np.random.default_rng(3), 60
    y = np.cumsum(rng.normal(size=(steps, 2)), 0)
    y[:50, 1] = np.nan
    pair = linear(np.eye(2), np.eye(2), np.eye(2), 0.5 * np.eye(2), initial="diffuse")
    single = linear([[1.0]], [[1.0]], [[1.0]], [[0.5]], initial="diffuse")
    one = rekalman.filter(Kalman(pair), Sequences.from_arrays(y))
    other = rekalman.filter(Kalman(single), Sequences.from_arrays(y[:, 0]))
    assert np.isfinite(one.white).sum() == 59 + 9
    np.testing.assert_allclose(one.mean[0, :, 0], other.mean[0, :, 0], rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gaps", [False, True])
def test_collinear_observations_without_noise(form, gaps):
    """DynareTeam/dynare PR#1581: `y2 = 2 y1`, some entries missing."""
    rng, x = np.random.default_rng(0), [0.5]
    for _ in range(24):
        x.append(0.9 * x[-1] + np.sqrt(0.3) * rng.normal())
    y = np.outer(x, [1.0, 2.0])
    if gaps:
        y[[4, 7, 11, 11, 0], [0, 1, 0, 1, 0]] = np.nan
    model = linear([[0.9]], [[1.0], [2.0]], [[0.3]], np.zeros((2, 2)), m=[0.0], P=[[1.0]])
    kalman, data = Kalman(model, form=form), Sequences.from_arrays(y)
    seen = ~np.isnan(y).all(1)
    filtered = rekalman.filter(kalman, data)
    for posterior in (filtered, rekalman.smooth(kalman, data)):
        np.testing.assert_allclose(posterior.mean[0, seen, 0], np.array(x)[seen], atol=1e-12)
    # The entries that follow from the others have no density: what counts are the first ones.
    firsts = np.where(np.isnan(y[:, 0]), y[:, 1] / 2, y[:, 0])
    alone = linear([[0.9]], [[1.0]], [[0.3]], [[0.0]], m=[0.0], P=[[1.0]])
    right = rekalman.filter(Kalman(alone), Sequences.from_arrays(firsts)).log_likelihood
    scaled = np.log(2.0) * (np.isnan(y[:, 0]) & seen).sum()
    assert filtered.log_likelihood == pytest.approx(right - scaled, abs=1e-10)


def test_observations_that_the_model_rules_out_are_refused():
    y = np.outer([0.5, 0.2, 0.7], [1.0, 2.0])
    y[1, 1] = 0.5
    model = linear([[0.9]], [[1.0], [2.0]], [[0.3]], np.zeros((2, 2)), m=[0.0], P=[[1.0]])
    with pytest.raises(rekalman.RekalError, match=r"step 1 .*known exactly"):
        rekalman.filter(Kalman(model), Sequences.from_arrays(y))


@pytest.mark.parametrize("scale", [1e-60, 1e12, 1e60])
def test_square_roots_of_large_and_small_noise(scale):
    """`sqrt(f r)` left the range of the type, and updates were skipped."""
    y = np.cumsum(np.random.default_rng(0).normal(size=20))
    one = np.eye(1)
    result = []
    for unit in (1.0, scale):
        model = linear(one, one, unit**2 * one, 0.25 * unit**2 * one, P=unit**2 * one)
        path = Kalman(model, form="square-root").run(jnp.asarray(unit * y[:, None]), None)
        result.append(np.asarray(path.mean) / unit)
    np.testing.assert_allclose(*result, rtol=1e-12)


def test_single_precision_far_from_zero():
    """A difference of squares of the raw level left nothing of the likelihood."""
    rng, steps = np.random.default_rng(0), 300
    y = np.cumsum(rng.normal(size=steps)) + 0.5 * rng.normal(size=steps)
    exact = linear([[1.0]], [[1.0]], [[1.0]], [[0.25]], initial="diffuse")
    right = rekalman.filter(Kalman(exact), Sequences.from_arrays(y)).log_likelihood
    with rekalman.single_precision():
        model = linear([[1.0]], [[1.0]], [[1.0]], [[0.25]], initial="diffuse")
        assert model.Q.dtype == jnp.float32
        for form in ("auto", "covariance", "parallel"):
            for offset, digits in ((0, 0.01), (1e4, 0.5), (1e5, 5)):
                path = Kalman(model, form=form).run(jnp.asarray(y[:, None] + offset), None)
                # Data of size 1e5 have a spacing of 0.008 in single precision.
                assert float(path.log_likelihood) == pytest.approx(right, abs=digits)


def test_single_precision_with_a_vast_prior_variance():
    steps = 50
    y = np.cumsum(np.random.default_rng(0).normal(size=(steps, 2)), 0)
    blocks = (np.array([[1.0, 1.0], [0, 1.0]]), np.eye(2), np.diag([0.1, 0.01]), 0.5 * np.eye(2))
    exact = Kalman(linear(*blocks, P=1e12 * np.eye(2))).run(jnp.asarray(y), None)
    with rekalman.single_precision():
        model = linear(*blocks, P=1e12 * np.eye(2))
        for form in ("square-root", "covariance"):
            path = Kalman(model, form=form).run(jnp.asarray(y), None)
            np.testing.assert_allclose(path.cov, exact.cov, rtol=2e-4, atol=1e-6)
            np.testing.assert_allclose(path.mean, exact.mean, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("form", ["auto", "covariance", "square-root", "parallel"])
@pytest.mark.parametrize("noise", [1e-9, 1e-12, 1e-18])
def test_very_precise_observations_of_a_vague_start(form, noise):
    """A line seen almost exactly: covariances alone lose 1.5 to 9.5 nats."""
    steps = np.arange(60.0)
    A, C = np.array([[1, 1.0], [0, 1]]), np.array([[1.0, 0]])
    model = LinearGaussian.create(A, C, np.zeros((2, 2)), noise * np.eye(1), P=1e6 * np.eye(2))
    y = 0.1 * steps + np.sqrt(noise) * np.random.default_rng(0).normal(size=60)
    path = Kalman(model, form).run(jnp.asarray(y[:, None]), None)
    # In units of the noise: all but what the start adds is the residual of a least-squares line.
    design = np.stack([np.ones(60), steps], 1)
    line, residual, *_ = np.linalg.lstsq(design, y, rcond=None)
    fisher = design.T @ design * 1e6 / noise
    log_det = 60 * np.log(noise) + np.linalg.slogdet(np.eye(2) + fisher)[1]
    right = -0.5 * (60 * np.log(2 * np.pi) + log_det + residual[0] / noise + line @ line / 1e6)
    assert path.log_likelihood == pytest.approx(right, abs=2e-4)
    np.testing.assert_allclose(path.mean[-1], [line @ design[-1], line[1]], rtol=1e-9)


@pytest.mark.parametrize("seed", [268, 292, 310, 333, 368])
def test_learners_have_the_exact_likelihood(seed):
    """Inside a compiled learner nobody can look whether `R` is singular: 17 to 36 nats were lost."""
    transition = ["dense", "walk", "companion"][seed % 3]
    case = make_cases(FEW[2], seed, transition, (seed % 2, seed % 2, 3), 0.2, 6)[0]
    y, mask, u = (jnp.asarray(part[:6]) for part in (case.y, case.mask, case.u))
    right = Exact(case.model, case.y[:6], case.mask[:6], case.u[:6]).log_likelihood
    batch = Batch(y[None], mask[None], u[None], jnp.ones((1, 6), bool))
    learned = linear_em(case.model, batch, iterations=1)
    assert learned.log_likelihood[0] == pytest.approx(right, abs=1e-6)
    searched = rekalman.MaximumLikelihood(iterations=1, errors=False).run(case.model, batch)
    assert searched.log_likelihood[0] == pytest.approx(right, abs=1e-6)
