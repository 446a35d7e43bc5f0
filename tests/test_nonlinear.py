"""Extended and unscented Kalman filters: exact where they must be, close to a dense grid elsewhere."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import random_linear, simulate_linear

import rekalman
from rekalman.data import Sequences
from rekalman.filters.extended import ExtendedKalman
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.unscented import UnscentedKalman
from rekalman.foundation.errors import RekalError
from rekalman.models.linear import LinearGaussian
from rekalman.models.nonlinear import NonlinearGaussian
from rekalman.models.residuals import angle_residual
from rekalman.simulation.models import simulate

FORMS = ("covariance", "square-root")
PATH = ("mean", "cov", "prior_mean", "prior_cov", "log_evidence", "white")
ONE = np.eye(1)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@eqx.filter_jit
def smooth(algorithm, y, mask=None, u=None):
    return algorithm.smooth(y, mask, u)


def linear_and_its_functions() -> tuple[LinearGaussian, NonlinearGaussian]:
    network = random_linear(3, 2, 1, seed=2)
    blocks = {name: getattr(network, name) for name in ("A", "B", "c", "C", "D", "d")}
    A, B, c, C, D, d = blocks.values()
    noise = {name: getattr(network, name) for name in ("Q", "R", "m", "P")}
    own = NonlinearGaussian.create(
        lambda x, u, dt: A @ x + B @ u + c, lambda x, u: C @ x + D @ u + d, **noise, inputs=1
    )
    return LinearGaussian.create(**blocks, **noise), own


def curved(q: float = 0.05, r: float = 0.1) -> NonlinearGaussian:
    """Two states whose transition and observation both bend, with correlated noise."""
    return NonlinearGaussian.create(
        lambda x, u, dt: jnp.array([x[0] + 0.3 * x[1], 0.9 * x[1] - 0.5 * jnp.sin(x[0])]),
        lambda x, u: jnp.array([x[0] + 0.1 * x[1] ** 2, jnp.tanh(x[1])]),
        q * np.array([[1.0, 0.3], [0.3, 1.0]]),
        r * np.array([[1.0, -0.4], [-0.4, 2.0]]),
        np.array([0.5, 0.0]),
        np.array([[0.3, 0.1], [0.1, 0.4]]),
    )


@functools.cache
def three_series() -> np.ndarray:
    return np.asarray(simulate(curved(), 40, jax.random.key(0), batch=3)[1])


def gappy(steps: int):
    y = three_series()[0, :steps]
    mask = np.random.default_rng(0).uniform(size=y.shape) > 0.3
    return jnp.where(mask, y, jnp.nan), jnp.asarray(mask)


@functools.cache
def turns() -> np.ndarray:
    return np.asarray(simulate(turning(False), 50, jax.random.key(1))[1][0])


@functools.cache
def linear_case():
    linear, own = linear_and_its_functions()
    y, mask, u = simulate_linear(linear, 12, seed=1)
    return linear, own, (y, mask, u), smooth(Kalman(linear), y, mask, u)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("extended", "covariance"),
        ("iterated", "square-root"),
        ("unscented", "covariance"),
        ("unscented", "square-root"),
    ],
)
def test_a_linear_model_is_filtered_and_smoothed_exactly(kind, form):
    linear, own, (y, mask, u), (expected, expected_smooth) = linear_case()
    algorithm = {
        "extended": lambda: ExtendedKalman(own, form),
        "iterated": lambda: ExtendedKalman(own, form, iterations=4),
        "unscented": lambda: UnscentedKalman(own, form),
    }[kind]()
    path, smoothed = smooth(algorithm, y, mask, u)
    for name in PATH:
        np.testing.assert_allclose(getattr(path, name), getattr(expected, name), atol=1e-11)
    for name in ("mean", "cov", "lag"):
        result, wanted = getattr(smoothed, name), getattr(expected_smooth, name)
        np.testing.assert_allclose(result, wanted, atol=1e-11)
    ahead = eqx.filter_jit(lambda a: a.observe(a.predict(a.init(), u[1]), u[1]))
    predicted, wanted = ahead(algorithm), ahead(Kalman(linear))
    np.testing.assert_allclose(predicted.mean, wanted.mean, atol=1e-12)
    np.testing.assert_allclose(predicted.cov, wanted.cov, atol=1e-12)


def test_repeated_linearisation_does_not_count_the_prior_twice():
    """One observation of unit noise on a unit prior halves the variance, however often it is linearised."""
    model = LinearGaussian.create(ONE, ONE, ONE, ONE, m=np.zeros(1), P=ONE)
    for iterations in (1, 5):
        path = ExtendedKalman(model, iterations=iterations).run(jnp.ones((1, 1)), None)
        assert float(path.mean[0, 0]) == pytest.approx(0.5, abs=1e-14)
        assert float(path.cov[0, 0, 0]) == pytest.approx(0.5, abs=1e-14)


def test_iterations_lead_to_the_mode_of_the_posterior():
    model = NonlinearGaussian.create(
        lambda x, u, dt: x, lambda x, u: x**3, ONE, 0.1 * ONE, np.ones(1), 0.5 * ONE
    )
    grid = np.linspace(0, 3, 300_001)
    log_density = -((grid - 1) ** 2) / 1.0 - (4.0 - grid**3) ** 2 / 0.2
    mode = grid[np.argmax(log_density)]
    far, near = (
        float(ExtendedKalman(model, iterations=k).run(jnp.full((1, 1), 4.0), None).mean[0, 0])
        for k in (1, 12)
    )
    assert near == pytest.approx(mode, abs=1e-4)
    assert abs(far - mode) > 0.1


def textbook_unscented(model, ys, alpha, beta, kappa):
    """Weights and sums as in Wan and van der Merwe (2000)."""
    n, m, P = model.states, np.asarray(model.m), np.asarray(model.P)
    lam = alpha**2 * (n + kappa) - n
    w_mean = np.full(2 * n + 1, 1 / (2 * (n + lam)))
    w_cov = w_mean.copy()
    w_mean[0] = lam / (n + lam)
    w_cov[0] = w_mean[0] + 1 - alpha**2 + beta

    def points(m, P):
        L = np.linalg.cholesky(P) * np.sqrt(n + lam)
        return np.concatenate([m[None], m + L.T, m - L.T])

    for t, y in enumerate(ys):
        if t:
            F = np.asarray(model.transition_mean(jnp.asarray(points(m, P))))
            m = w_mean @ F
            P = (w_cov * (F - m).T) @ (F - m) + np.asarray(model.Q)
        X = points(m, P)
        Z = np.asarray(model.observation_mean(jnp.asarray(X)))
        mu = w_mean @ Z
        S = (w_cov * (Z - mu).T) @ (Z - mu) + np.asarray(model.R)
        K = (w_cov * (X - m).T) @ (Z - mu) @ np.linalg.inv(S)
        m, P = m + K @ (y - mu), P - K @ S @ K.T
        yield m, P


@pytest.mark.parametrize(
    ("form", "scale"),
    [
        ("covariance", (1.0, 0.0, 1.0)),
        ("square-root", (0.01, 2.0, 0.0)),
    ],
)
def test_sigma_points_give_the_textbook_moments(form, scale):
    model = curved()
    y = three_series()[0, :10]
    path = UnscentedKalman(model, form, *scale).run(jnp.asarray(y), None)
    means, covs = zip(*textbook_unscented(model, y, *scale), strict=True)
    np.testing.assert_allclose(path.mean, means, atol=1e-10)
    np.testing.assert_allclose(path.cov, covs, atol=1e-10)


def test_both_forms_agree_and_single_precision_is_near():
    model, kind = curved(), UnscentedKalman
    y, mask = gappy(40)
    one, other = (smooth(kind(model, form), y, mask) for form in FORMS)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
    single = jax.tree.map(lambda v: v.astype(jnp.float32) if eqx.is_array(v) else v, model)
    assert kind(single).arithmetic.__name__ == "RootForm"
    with jax.enable_x64(False):
        near = smooth(kind(single), y.astype(jnp.float32), mask)
    for a, b in zip(jax.tree.leaves(near), jax.tree.leaves(one), strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, atol=2e-4)


def grid_moments(y: np.ndarray, half: float = 6.0, size: int = 1201):
    """Filtered and smoothed moments, and the log-likelihood, of the model below by brute force."""
    x = np.linspace(-half, half, size)
    step = x[1] - x[0]
    density = lambda e, var: np.exp(-0.5 * e**2 / var) / np.sqrt(2 * np.pi * var)  # noqa: E731
    move = density(x[:, None] - (0.9 * x + 0.3 * np.sin(2 * x))[None, :], 0.1)
    seen = density(y[:, None] - (x + 0.05 * x**3)[None, :], 0.2)
    prior, alphas, total = density(x - 0.3, 0.5), [], 0.0
    for row in seen:
        alpha = prior * row
        mass = alpha.sum() * step
        total += np.log(mass)
        alphas.append(alpha / mass)
        prior = move @ alphas[-1] * step
    gammas, beta = [alphas[-1]], np.ones(size)
    for t in range(len(y) - 2, -1, -1):
        beta = move.T @ (seen[t + 1] * beta) * step
        gamma = alphas[t] * beta
        gammas.append(gamma / (gamma.sum() * step))
    first = lambda rows: np.array([(r * x).sum() * step for r in rows])  # noqa: E731
    second = lambda rows: np.array([(r * x * x).sum() * step for r in rows])  # noqa: E731
    gammas = gammas[::-1]
    return [(first(r), second(r) - first(r) ** 2) for r in (alphas, gammas)], total


def test_both_filters_come_near_a_dense_grid():
    """In units of the true posterior deviation; the unscented filter is the nearer one."""
    model = NonlinearGaussian.create(
        lambda x, u, dt: 0.9 * x + 0.3 * jnp.sin(2 * x),
        lambda x, u: x + 0.05 * x**3,
        0.1 * ONE,
        0.2 * ONE,
        np.array([0.3]),
        0.5 * ONE,
    )
    _, y = simulate(model, 80, jax.random.key(3))
    (filtered, smoothed), total = grid_moments(np.asarray(y[0, :, 0]))
    errors = {}
    for kind in (ExtendedKalman, UnscentedKalman):
        path, back = smooth(kind(model), y[0])
        rms = [
            np.sqrt(np.mean((np.asarray(result)[:, 0] - mean) ** 2 / var))
            for result, (mean, var) in ((path.mean, filtered), (back.mean, smoothed))
        ]
        spread = np.asarray(back.cov)[:, 0, 0] / smoothed[1]
        errors[kind] = rms
        assert max(rms) < 0.15
        assert 0.85 < spread.mean() < 1.15
        assert float(path.log_likelihood) == pytest.approx(total, abs=2.0)
    assert errors[UnscentedKalman][0] < errors[ExtendedKalman][0]


def test_directions_without_uncertainty_are_smoothed_too():
    """A known constant, and a state that is the past of another: no covariance can be inverted."""
    A = np.array([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [0.0, 1.0, 0.0]])
    Q, P = np.diag([0.0, 0.1, 0.0]), np.diag([0.0, 1.0, 0.0])
    C = np.array([[0.0, 1.0, 0.5]])
    linear = LinearGaussian.create(A, C, Q, 0.1 * ONE, P=P, m=np.array([1.0, 0.0, 0.0]))
    y, mask, _ = simulate_linear(random_linear(3, 1, 0, 0), 15, seed=2)
    expected = smooth(Kalman(linear), y, mask)
    for algorithm in (ExtendedKalman(linear, "covariance"), UnscentedKalman(linear, "square-root")):
        result = smooth(algorithm, y, mask)
        fields = ("mean", "cov", "prior_mean", "prior_cov", "log_evidence", "white")
        pairs = [(getattr(result[0], name), getattr(expected[0], name)) for name in fields]
        pairs += zip(jax.tree.leaves(result[1]), jax.tree.leaves(expected[1]), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-9)


def turning(wrapped: bool) -> NonlinearGaussian:
    """A hand that turns by 0.5 a step, and what it says of its direction."""
    turn = lambda angle: jnp.arctan2(jnp.sin(angle), jnp.cos(angle))  # noqa: E731
    own = {"state_residual": [0], "observation_residual": [0]} if wrapped else {}
    return NonlinearGaussian.create(
        lambda x, u, dt: jnp.stack([turn(x[0] + x[1]) if wrapped else x[0] + x[1], x[1]]),
        lambda x, u: x[:1],
        np.diag([0.01, 0.001]),
        0.02 * ONE,
        np.array([0.0, 0.5]),
        0.1 * np.eye(2),
        **own,
    )


@pytest.mark.parametrize(
    ("kind", "form"), [(ExtendedKalman, "square-root"), (UnscentedKalman, "covariance")]
)
def test_angles_are_filtered_as_if_they_had_been_unwound(kind, form):
    y = jnp.asarray(turns())
    short = jnp.arctan2(jnp.sin(y), jnp.cos(y))
    assert float(y.max()) > 10
    plain = turning(False)
    unwound, unwound_smooth = smooth(kind(plain, form), y)
    path, smoothed = smooth(kind(turning(True), form), short)
    compare = jax.vmap(angle_residual([0]))
    for a, b in ((path.mean, unwound.mean), (smoothed.mean, unwound_smooth.mean)):
        np.testing.assert_allclose(compare(a, b), 0, atol=1e-9)
    np.testing.assert_allclose(path.log_evidence, unwound.log_evidence, atol=1e-9)
    np.testing.assert_allclose(smoothed.cov, unwound_smooth.cov, atol=1e-9)
    np.testing.assert_allclose(smoothed.lag, unwound_smooth.lag, atol=1e-9)
    assert (
        float(smooth(kind(plain, form), short)[0].log_likelihood) < float(path.log_likelihood) - 100
    )


def test_particles_take_angles_too():
    """Velocities agree; a mean of wrapped positions does not, where the cloud lies across the seam."""
    y = jnp.asarray(turns()[:20])
    short = jnp.arctan2(jnp.sin(y), jnp.cos(y))
    run = lambda model, y: rekalman.smooth(  # noqa: E731
        rekalman.ParticleFilter(model, 100), Sequences.from_arrays(np.asarray(y))
    )
    a, b = run(turning(True), short), run(turning(False), y)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(a.mean[..., 1], b.mean[..., 1], atol=1e-9)


def test_residuals_of_angles():
    residual = angle_residual([1], period=360)
    result = residual(jnp.array([350.0, 350.0]), jnp.array([10.0, 10.0]))
    np.testing.assert_allclose(result, [340, -20])
    assert float(residual(jnp.array([0.0, 180.0]), jnp.zeros(2))[1]) == -180
    with pytest.raises(RekalError, match="period must be positive"):
        angle_residual([0], period=0)


@pytest.mark.parametrize(
    ("kind", "form"), [(ExtendedKalman, "covariance"), (UnscentedKalman, "square-root")]
)
def test_the_likelihood_can_be_differentiated(kind, form):
    model = curved()
    y, mask = gappy(10)

    @jax.jit
    @jax.value_and_grad
    def value(scale):
        noise = scale * 0.05 * jnp.eye(2), scale * model.R
        return (
            kind(eqx.tree_at(lambda m: (m.Q, m.R), model, noise), form).run(y, mask).log_likelihood
        )

    expected = (value(1.0 + 1e-5)[0] - value(1.0 - 1e-5)[0]) / 2e-5
    assert float(value(1.0)[1]) == pytest.approx(float(expected), rel=1e-5)


def test_whole_data_sets_are_filtered_and_smoothed():
    model = curved()
    data = Sequences.from_arrays(three_series())
    algorithm = ExtendedKalman(model)
    filtered, smoothed = rekalman.filter(algorithm, data), rekalman.smooth(algorithm, data)
    np.testing.assert_allclose(filtered.mean[:, -1], smoothed.mean[:, -1], atol=1e-9)
    assert smoothed.log_likelihood == pytest.approx(filtered.log_likelihood, abs=1e-9)
    assert float(np.mean(smoothed.var[:, :-1])) < 0.9 * float(np.mean(filtered.var[:, :-1]))


def test_a_jacobian_that_is_not_finite_is_named():
    model = NonlinearGaussian.create(
        lambda x, u, dt: jnp.sqrt(jnp.abs(x - 1.0)),
        lambda x, u: x,
        ONE,
        1e-12 * ONE,
        np.ones(1),
        ONE,
    )
    y = jnp.array([[0.5], [0.4], [1.0], [0.3]])
    exact = eqx.tree_at(lambda m: m.R, model, jnp.zeros((1, 1)))
    with pytest.raises(RekalError, match=r"Jacobian of the transition into step 3 .* at x = \[1"):
        ExtendedKalman(exact).run(y, None)
    data = Sequences.from_arrays(np.asarray(y))
    for verb in (rekalman.filter, rekalman.smooth):
        with pytest.raises(RekalError, match="Jacobian of the transition into step 3"):
            verb(ExtendedKalman(exact), data)
    with pytest.raises(RekalError, match=r"the observation at step 0 .* is not finite"):
        bad = eqx.tree_at(lambda m: m.h, model, lambda x, u: jnp.log(x - 2.0))
        ExtendedKalman(bad).smooth(y, None)


def test_what_is_refused():
    f, h = lambda x, u, dt: x, lambda x, u: x[:1]
    two = np.eye(2)
    good = {"f": f, "h": h, "Q": two, "R": ONE, "m": np.zeros(2), "P": two}
    for change, sentence in (
        ({"f": lambda x, u, dt: x[:1]}, r"f\(x, u, dt\) gives a result of shape \(1,\)"),
        ({"h": lambda x: x}, r"h\(x, u\) cannot be evaluated: TypeError"),
        ({"Q": ONE}, r"Q has shape \(1, 1\), but \(2, 2\) would fit"),
        ({"R": -ONE}, "R, the covariance of the observation noise"),
    ):
        with pytest.raises(RekalError, match=sentence):
            NonlinearGaussian.create(**{**good, **change})
    model = NonlinearGaussian.create(**good)
    driven = NonlinearGaussian.create(**good, inputs=1)
    for make, sentence in (
        (lambda: ExtendedKalman(model, "parallel"), "form must be"),
        (lambda: ExtendedKalman(model, iterations=0), "iterations must be at least 1"),
        (lambda: ExtendedKalman(driven).run(jnp.zeros((2, 1)), None, jnp.array([[0.0], [jnp.inf]])),
         "input 0 is inf at step 1"),
        (lambda: UnscentedKalman(model, alpha=0.0), "alpha must be positive"),
        (lambda: UnscentedKalman(model, kappa=-2.0), "kappa must be above -2"),
        (lambda: UnscentedKalman(model, kappa=-1.0), "can become indefinite"),
        (lambda: ExtendedKalman(LinearGaussian.create(two, two, two, two, initial="diffuse")),
         "diffuse start: use Kalman"),
    ):  # fmt: skip
        with pytest.raises(RekalError, match=sentence):
            make()
