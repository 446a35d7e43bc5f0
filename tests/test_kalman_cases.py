"""Kalman filters beside other programs, and the mistakes that others made."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.data import Sequences
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.particle import ParticleFilter
from rekalman.foundation.errors import RekalError
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.time_varying import LinearTimeVarying
from rekalman.simulation.models import simulate

ONE = np.eye(1)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def seasonal(**start) -> LinearGaussian:
    """Level, slope and four seasons; variances 0.3, 0.02, 0.1 and 0.5 of the noise."""
    A = np.zeros((5, 5))
    A[:2, :2] = [[1, 1], [0, 1]]
    A[2, 2:] = -1
    A[3, 2] = A[4, 3] = 1
    C = np.array([[1.0, 0, 1, 0, 0]])
    return LinearGaussian.create(A, C, np.diag([0.3, 0.02, 0.1, 0, 0]), 0.5 * ONE, **start)


def quarters():
    t = np.arange(24)
    y = 10 + 0.3 * t + 2 * np.sin(np.pi * t / 2 + 0.4) + np.cos(1.7 * t * t)
    mask = np.ones((24, 1), bool)
    mask[[5, 6, 13]] = False
    return jnp.asarray(y[:, None]), jnp.asarray(mask)


def ahead(kalman: Kalman, path, steps: int):
    """Means and variances of the next observations, by the recursion on a belief."""

    @jax.jit
    def run(mean, cov):
        belief, result = kalman.belief(mean, cov, jnp.asarray(len(path.mean) - 1)), []
        for _ in range(steps):
            belief = kalman.predict(belief)
            result.append(kalman.observe(belief))
        return result

    result = run(path.mean[-1], path.cov[-1])
    return np.array([each.mean for each in result]), np.array([each.var for each in result])


def test_a_seasonal_model_with_gaps():
    """Values of statsmodels 0.15 (UnobservedComponents, the start known and exactly diffuse)."""
    y, mask = quarters()
    known = seasonal(m=np.array([10.0, 0, 0, 0, 0]), P=np.diag([4.0, 1, 2, 2, 2]))
    path, smoothed = Kalman(known, "covariance").smooth(y, mask)
    assert float(path.log_likelihood) == pytest.approx(-36.05642050995167, abs=1e-9)
    np.testing.assert_allclose(
        smoothed.mean[6],
        [11.745575940826203, 0.318635126962408, -0.302022352285372, 1.737921292018936, 0.641401226604579],
        rtol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        np.diag(smoothed.cov[6]),
        [0.407552692090996, 0.041949393084489, 0.239896822952044, 0.268497285765783, 0.18571140536932],
        rtol=1e-9,
    )  # fmt: skip
    kalman = Kalman(seasonal(initial="diffuse"), "covariance")
    path, smoothed = kalman.smooth(y, mask)
    # statsmodels counts the observations that determine the start with their log 2 pi, we without.
    constant = 2.5 * np.log(2 * np.pi)
    assert float(path.log_likelihood) - constant == pytest.approx(-32.557993067914396, abs=1e-8)
    np.testing.assert_allclose(
        smoothed.mean[6],
        [11.790278493180073, 0.326278540270848, -0.285106873753812, 1.821524896998054, 0.731623802888232],
        rtol=1e-8,
    )  # fmt: skip
    np.testing.assert_allclose(
        np.diag(smoothed.cov[6]),
        [0.410096918868087, 0.042360456907163, 0.254808459811404, 0.275189980599505, 0.198593875694179],
        rtol=1e-8,
    )  # fmt: skip
    mean, var = ahead(kalman, path, 3)
    np.testing.assert_allclose(
        mean[:, 0], [18.681068855781984, 20.017747893757072, 18.264976489879885], rtol=1e-9
    )
    np.testing.assert_allclose(
        var[:, 0], [2.152283914822557, 2.803939934134033, 3.737414549961732], rtol=1e-8
    )


def test_a_varma_model_with_missing_rows():
    """Values of statsmodels 0.15 (VARMAX of order (1, 1)): no observation noise, Q of rank two of four."""
    t = np.arange(20)
    y = np.stack(
        [np.sin(0.9 * t) + 0.3 * np.cos(t * t), np.cos(0.7 * t) + 0.2 * np.sin(t * t * 1.3)], 1
    )
    mask = np.ones(y.shape, bool)
    mask[3] = mask[8, 0] = mask[15:17] = False
    A = np.zeros((4, 4))
    A[:2] = [[0.5, 0.1, 0.3, -0.1], [-0.2, 0.4, 0.2, 0.25]]
    S = np.array([[1.0, 0.3], [0.3, 0.73]])
    model = LinearGaussian.create(
        A, np.eye(4)[:2], np.tile(S, (2, 2)), np.zeros((2, 2)),
        c=np.array([0.1, -0.2, 0, 0]), initial="stationary",
    )  # fmt: skip
    kalman = Kalman(model, "square-root")
    path, smoothed = kalman.smooth(jnp.asarray(y), jnp.asarray(mask))
    assert float(path.log_likelihood) == pytest.approx(-35.521504123353964, abs=1e-7)
    np.testing.assert_allclose(
        smoothed.mean[3],
        [0.035314049934148, -0.532550137923969, -0.472829322192863, -0.109311832031823],
        atol=1e-8,
    )
    np.testing.assert_allclose(
        np.diag(smoothed.cov[3]),
        [0.575458054500177, 0.492863613416227, 0.57541560789205, 0.492396040710101],
        atol=1e-8,
    )
    np.testing.assert_allclose(
        smoothed.mean[16],
        [0.43416029867744, -0.144142834508432, 0.253995814701586, 0.287516837598672],
        atol=1e-8,
    )
    mean, var = ahead(kalman, path, 2)
    np.testing.assert_allclose(
        mean, [[-0.692891310907417, 0.206876578094617], [-0.225757997644247, 0.02132889341933]],
        atol=1e-8,
    )  # fmt: skip
    np.testing.assert_allclose(
        var, [[1.00010672002828, 0.730720395651879], [1.640044284704335, 1.038527890920238]],
        rtol=1e-7,
    )  # fmt: skip


# What went wrong elsewhere.


def scalar(**more) -> LinearGaussian:
    return LinearGaussian.create(0.5 * ONE, ONE, ONE, ONE, **more)


def test_one_nan_does_not_poison_a_series():
    y = jnp.asarray([[1.0], [jnp.nan], [2.0]])
    with pytest.raises(RekalError, match="column 0 holds nan at step 1: say by the mask"):
        Kalman(scalar()).run(y, None)
    path = Kalman(scalar()).run(y, ~jnp.isnan(y))
    assert np.isfinite(path.mean).all() and np.isfinite(float(path.log_likelihood))
    assert float(path.log_evidence[1]) == 0


def test_a_forecast_begins_one_step_ahead():
    """The truth is 12.5, 6.25, 3.125, not the last filtered state first."""
    model = LinearGaussian.create(0.5 * ONE, ONE, 1e-12 * ONE, 1e-12 * ONE, m=np.array([25.0]))
    path = Kalman(model, "covariance").run(jnp.asarray([[25.0]]), None)
    mean, _ = ahead(Kalman(model, "covariance"), path, 3)
    np.testing.assert_allclose(mean[:, 0], [12.5, 6.25, 3.125], rtol=1e-9)


def test_inputs_are_never_ignored():
    """Without an offset, too: they drive the step into their row and the observation at it."""
    driven = scalar(B=2 * ONE, D=3 * ONE)
    assert driven.n_inputs == 1
    y, u = jnp.zeros((4, 1)), jnp.ones((4, 1))
    kalman = Kalman(driven, "covariance")
    assert not np.allclose(kalman.run(y, None, u).mean, kalman.run(y, None, 0 * u).mean)
    belief = kalman.predict(kalman.init(), jnp.ones(1))
    assert float(belief.mean[0]) == 2.0
    assert float(kalman.observe(belief, jnp.ones(1)).mean[0]) == 5.0
    for call in (
        lambda: kalman.run(y, None),
        lambda: kalman.predict(kalman.init()),
        lambda: kalman.observe(kalman.init()),
    ):
        with pytest.raises(RekalError, match="has 1 inputs, which every step must bring"):
            call()
    with pytest.raises(RekalError, match="takes no inputs, so leave them out"):
        Kalman(scalar()).run(y, None, u)


def test_a_shape_never_says_what_varies_in_time():
    """As many steps as observations, as many as states: a matrix is a matrix."""
    model = LinearGaussian.create(0.5 * np.eye(2), np.eye(2), np.eye(2), np.eye(2), d=np.ones(2))
    y = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    path = Kalman(model, "covariance").run(y, None)
    alone = LinearGaussian.create(0.5 * ONE, ONE, ONE, ONE, d=np.ones(1))
    for i in range(2):
        one = Kalman(alone, "covariance").run(y[:, i : i + 1], None)
        np.testing.assert_allclose(path.mean[:, i], one.mean[:, 0])


def test_a_covariance_that_changes_is_not_taken_at_its_first_step():
    R = np.array([1.0, 4.0, 1e12])[:, None, None]
    model = LinearTimeVarying.create(ONE, ONE, 0 * ONE, R, varying=("R",))
    path = Kalman(model, "covariance").run(jnp.ones((3, 1)), None)
    np.testing.assert_allclose(path.var[:, 0], [1 / 2, 1 / 2.25, 1 / 2.25], rtol=1e-9)


def test_a_stream_through_a_model_given_step_by_step_uses_each_step():
    R = np.array([1.0, 4.0, 9.0])[:, None, None]
    model = LinearTimeVarying.create(ONE, ONE, ONE, R, varying=("R",))
    kalman = Kalman(model, "covariance")
    y = jnp.asarray([[1.0], [2.0], [-1.0]])
    whole = kalman.run(y, None)
    belief = kalman.init()
    for t in range(3):
        belief = belief if t == 0 else kalman.predict(belief)
        belief, gain = kalman.update(belief, y[t])
        np.testing.assert_allclose(belief.mean, whole.mean[t])
        assert float(gain) == pytest.approx(float(whole.log_evidence[t]))
    with pytest.raises(RekalError, match="R has 3 steps, but the series has 4"):
        kalman.predict(belief)


def test_lagged_covariances_are_covariances():
    """Not second moments: a mean far from zero changes nothing."""
    near, far = (scalar(m=np.array([mean])) for mean in (0.0, 1e3))
    y = jnp.asarray([[0.3], [-0.2], [0.5]])
    lags = [Kalman(model, "covariance").smooth(y, None)[1].lag for model in (near, far)]
    np.testing.assert_array_equal(*lags)


def test_a_start_that_is_stationary_is_drawn_from_its_law():
    model = LinearGaussian.create(
        0.9 * ONE, ONE, 0.19 * ONE, ONE, c=np.array([1.0]), initial="stationary"
    )
    x, _ = simulate(model, 2, jax.random.key(0), batch=4000)
    np.testing.assert_allclose(x.mean((0, 2)), 10.0, atol=0.1)
    np.testing.assert_allclose(x.var((0, 2)), 1.0, rtol=0.1)
    with pytest.raises(RekalError, match="a diffuse start cannot be drawn from"):
        simulate(scalar(initial="diffuse"), 2, jax.random.key(0))


SHORT = np.ones((90, 1, 1))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: Kalman(LinearTimeVarying.create(ONE, SHORT, ONE, ONE, varying=("C",))).run(
                jnp.zeros((100, 1)), None
            ),
            "C has 90 steps, but the series has 100",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, SHORT, ONE, SHORT[:80], varying=("C", "R")),
            "the stacks differ in length: C has 90, R has 80 steps",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, SHORT, ONE, ONE, varying=()),
            r"C has shape \(90, 1, 1\), but .* \(1, 1\) would fit",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, ONE, ONE, ONE, varying=("C",)),
            r"C has shape \(1, 1\), but .* \(steps, 1, 1\) would fit",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, ONE, ONE, ONE, varying=("P",)),
            "varying names 'P', but what can change is A, B",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, ONE, ONE, ONE, varying=("B",)),
            "varying names 'B', which is left out",
        ),
        (
            lambda: LinearTimeVarying.create(ONE, ONE, ONE, -SHORT, varying=("R",)),
            "not positive semi-definite at step 0: its smallest eigenvalue is -1",
        ),
        (
            lambda: ParticleFilter(
                LinearTimeVarying.create(ONE, SHORT, ONE, ONE, varying=("C",)), 10
            ).encode(jnp.zeros((3, 1)), jnp.ones((3, 1), bool)),
            "cannot be run by particles",
        ),
        (
            lambda: Kalman(scalar()).run(jnp.zeros((3, 1)), None, None, jnp.ones(3)),
            "LinearGaussian runs in equal steps: use LinearContinuous",
        ),
        (
            lambda: Kalman(scalar()).run(jnp.zeros((3, 2)), None),
            r"the values have shape \(3, 2\), but the model observes 1 columns",
        ),
        (lambda: Kalman(scalar()).run(jnp.zeros((0, 1)), None), "the series has no steps"),
        (
            lambda: Kalman(LinearGaussian.create(ONE, ONE, ONE, ONE, B=ONE)).run(
                jnp.zeros((3, 1)), None, jnp.array([[1.0], [jnp.nan], [0.0]])
            ),
            "input 0 is nan at step 1: .* inputs may not, so fill them first",
        ),
        (
            lambda: rekalman.filter(Kalman(scalar()), Sequences.from_arrays(np.zeros((3, 2)))),
            "model has 1 observations and 0 inputs, but the data have 2 and 0",
        ),
        (
            lambda: rekalman.smooth(
                Kalman(scalar()), Sequences.from_arrays(np.zeros(3), inputs=np.zeros(3))
            ),
            "model has 1 observations and 0 inputs, but the data have 1 and 1",
        ),
        (
            lambda: LinearContinuous.create(ONE, ONE, ONE, ONE, initial="stationary"),
            "largest real part of an eigenvalue of F is 1",
        ),
        (
            lambda: LinearContinuous.create(ONE, ONE, ONE, ONE, interval=0),
            "interval must be a time above 0, but is 0",
        ),
        (lambda: scalar(flat=(0,)), "flat belongs to initial='diffuse'"),
    ],
)
def test_what_is_refused(call, sentence):
    with pytest.raises(RekalError, match=sentence):
        call()
