"""Every form of the Kalman filter and smoother against brute force: all kinds of linear model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from naive_linear import Joint, assert_equals_joint, random_model, random_series, random_varying

from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.filter import Kalman
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear_model import Blocks

FORMS = ("covariance", "square-root", "parallel")
STEPS = 7
SIZES = {1: 1, 2: 2, 3: 2, 4: 3}  # observations by states


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def joint_of(model, y, mask, u, blocks=None) -> Joint:
    m, P = model.initial_moments()
    return Joint(blocks or model.blocks(), m, P, y, mask, u, model.diffuse)


@pytest.mark.parametrize(
    ("states", "form"),
    [*((n, "covariance") for n in SIZES), *((n, form) for n in (1, 4) for form in FORMS[1:])],
)
def test_constant_models_of_all_sizes(states, form):
    """With gaps, padding at the end, inputs, offsets and a start away from zero."""
    for seed, length in ((0, STEPS), (1, 4)):
        model = random_model(states, SIZES[states], 1, seed)
        y, mask, u = random_series(model, STEPS, seed, 0.4 * seed, length)
        path, smoothed = Kalman(model, form).smooth(y, mask, u, None, length)
        assert_equals_joint(joint_of(model, y, mask, u), path, smoothed, length)


@pytest.mark.parametrize("form", FORMS)
def test_models_that_change_at_every_step(form):
    model = random_varying(3, 2, 1, STEPS, seed=3)
    y, mask, u = random_series(model, STEPS, 4)
    path, smoothed = Kalman(model, form).smooth(y, mask, u)
    assert_equals_joint(joint_of(model, y, mask, u), path, smoothed, STEPS)
    if form != "square-root":
        return
    steps = jax.jit(lambda y: GaussianFilter.run(Kalman(model, form), y, mask, u))(y)
    numbers = lambda tree: [leaf for leaf in jax.tree.leaves(tree) if leaf.dtype != bool]  # noqa: E731
    for one, other in zip(numbers(path), numbers(steps), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_a_diffuse_start_equals_least_squares(form):
    """Two of three coordinates are flat; the third has its own law, correlated with nothing."""
    model = random_model(3, 2, 1, 5, initial="diffuse", flat=(0, 2))
    length = 6
    y, mask, u = random_series(model, STEPS, 6, 0.3, length)
    path, smoothed = Kalman(model, form).smooth(y, mask, u, None, length)
    assert_equals_joint(joint_of(model, y, mask, u), path, smoothed, length, atol=1e-8)


def van_loan(F, Q, h):
    """A and Q of a step by the exponential of the block matrix (Van Loan 1978)."""
    n = len(F)
    E = scipy.linalg.expm(np.block([[-F, Q], [np.zeros((n, n)), F.T]]) * h)
    A = E[n:, n:].T
    return A, A @ E[:n, n:]


def continuous(**more) -> LinearContinuous:
    rng = np.random.default_rng(7)
    L = rng.normal(size=(2, 2))
    return LinearContinuous.create(
        np.array([[0.0, 1.0], [-2.0, -0.4]]), np.array([[1.0, 0.0]]), L @ L.T, np.array([[0.3]]),
        G=rng.normal(size=(2, 1)), g=rng.normal(size=2), D=rng.normal(size=(1, 1)),
        m=rng.normal(size=2), **more,
    )  # fmt: skip


def by_hand(model: LinearContinuous, dt) -> Blocks:
    """The blocks of every step, the effect of inputs by quadrature."""
    rows = []
    F, Q = np.asarray(model.F), np.asarray(model.Q)
    for h in np.asarray(dt):
        A, Qh = van_loan(F, Q, h)
        nodes, weights = np.polynomial.legendre.leggauss(20)
        grid = 0.5 * h * (nodes + 1)
        whole = sum(
            0.5 * h * w * scipy.linalg.expm(F * s) for s, w in zip(grid, weights, strict=True)
        )
        rows.append((A, whole @ model.G, whole @ model.g, Qh))
    A, B, c, Q = (np.stack(each) for each in zip(*rows, strict=True))
    C, D, d, R = (np.asarray(getattr(model, name))[None] for name in "CDdR")
    return Blocks(A, B, c, C, D, d, Q, R)


@pytest.mark.parametrize("form", ("covariance", "square-root"))
def test_irregular_sampling_of_a_model_in_continuous_time(form):
    model = continuous()
    y, mask, u = random_series(model, STEPS, 8)
    dt = jnp.asarray([1.0, 0.1, 2.5, 0.0, 0.4, 7.0, 0.03])
    path, smoothed = Kalman(model, form).smooth(y, mask, u, dt)
    joint = joint_of(model, y, mask, u, by_hand(model, dt))
    assert_equals_joint(joint, path, smoothed, STEPS)


def test_equal_steps_are_the_same_given_one_by_one():
    model = continuous(interval=0.7)
    y, mask, u = random_series(model, STEPS, 9)
    one = Kalman(model, "covariance").smooth(y, mask, u, jnp.full(STEPS, 0.7))
    joint = joint_of(model, y, mask, u, by_hand(model, [0.7]))
    assert_equals_joint(joint, *one, STEPS)
    other = Kalman(model.discrete(), "covariance").smooth(y, mask, u)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


@pytest.mark.parametrize("h", [0.0, 1e-9, 1e-3, 1.0, 30.0, 1e4])
def test_a_step_is_exact_whatever_its_length(h):
    """An oscillator with a slow and a fast decay: the block exponential overflows where this does not."""
    F = np.array([[-0.1, 2.0, 0.0], [-2.0, -0.1, 1.0], [0.0, 0.0, -50.0]])
    model = LinearContinuous.create(F, np.eye(3), np.diag([0.0, 1.0, 2.0]), np.eye(3), interval=1)
    step = model.discrete(h)
    np.testing.assert_allclose(step.A, scipy.linalg.expm(F * h), rtol=1e-11, atol=1e-15)
    stationary = scipy.linalg.solve_continuous_lyapunov(F, -np.asarray(model.Q))
    exact = stationary - step.A @ stationary @ step.A.T
    np.testing.assert_allclose(step.Q, exact, rtol=1e-9, atol=1e-14)
    assert np.linalg.eigvalsh(step.Q).min() >= -1e-18


def test_the_stationary_law_of_a_model_in_continuous_time():
    model = continuous(initial="stationary", interval=1e-3)
    m, P = model.initial_moments()
    np.testing.assert_allclose(
        P, scipy.linalg.solve_continuous_lyapunov(model.F, -np.asarray(model.Q)), rtol=1e-10
    )
    np.testing.assert_allclose(m, -np.linalg.solve(model.F, model.g), rtol=1e-10)


def test_particles_and_simulation_take_the_length_of_a_step():
    model = continuous(interval=0.5)
    x = jnp.asarray([[1.0, -1.0], [0.5, 2.0]])
    u, dt = jnp.asarray([0.3]), jnp.asarray(1.7)
    blocks = by_hand(model, [1.7])
    expected = x @ blocks.A[0].T + blocks.B[0] @ u + blocks.c[0]
    np.testing.assert_allclose(model.transition_mean(x, u, dt), expected, rtol=1e-12)
    noise = jnp.zeros_like(x)
    np.testing.assert_allclose(model.sample_transition(noise, x, u, dt), expected, rtol=1e-12)
    law = scipy.stats.multivariate_normal(expected[0], blocks.Q[0])

    @jax.jit
    def densities(x, u, dt):
        old, new = model.pair_tables(x[None], x[None], u[None], dt[None])
        one = lambda a, b: model.log_transition(b, a, u, dt)  # noqa: E731
        every = jax.vmap(lambda a: jax.vmap(lambda b: one(a, b))(x))(x)
        first = jax.tree.map(lambda leaf: leaf[0], (old, new))
        return model.log_pairs(*first), every

    pairs, every = densities(x, u, dt)
    assert float(every[0, 1]) == pytest.approx(law.logpdf(x[1]))
    np.testing.assert_allclose(np.diff(pairs, axis=0), np.diff(every, axis=0), rtol=1e-9)
