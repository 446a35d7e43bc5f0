"""Series sampled at any times: exact filters, structures in continuous time, from data to report."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive_linear import Joint

import rekalman
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.total import groups_of, value_and_gradient
from rekalman.models.linear_model import Blocks
from rekalman.report import report_html

STEPS = 40


def moves(h: np.ndarray, q: float) -> tuple[np.ndarray, np.ndarray]:
    """Transition and noise of a point whose velocity is driven by white noise, in closed form."""
    one, zero = np.ones_like(h), np.zeros_like(h)
    A = np.array([[one, h], [zero, one]])
    Q = q * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
    return A.transpose(2, 0, 1), Q.transpose(2, 0, 1)


def drawn(steps: int = STEPS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times and positions of such a point, q = 0.5, noise of variance 0.25, some missing."""
    rng = np.random.default_rng(seed)
    h = rng.uniform(0.1, 2.0, steps)
    A, Q = moves(h, 0.5)
    x, y = np.zeros(2), []
    for t in range(steps):
        x = A[t] @ x + np.linalg.cholesky(Q[t]) @ rng.normal(size=2)
        y.append(x[0] + 0.5 * rng.normal())
    y = np.array(y)
    y[[3, 4, 20]] = np.nan
    return np.cumsum(h), y


@pytest.fixture(scope="module")
def data() -> rekalman.Sequences:
    times, y = drawn()
    return rekalman.Sequences.from_arrays(
        y, times=times, irregular=True, names=("x_m",), time_name="t_s", time_unit="s"
    )


def joint(data: rekalman.Sequences, q: float, r: float, P: np.ndarray | None) -> Joint:
    """The law of everything; without `P` the first state is flat."""
    A, Q = moves(np.asarray(data.dt)[0], q)
    C = np.array([[[1.0, 0.0]]])
    none, one = np.zeros((1, 2, 0)), np.full((1, 1, 1), r)
    blocks = Blocks(A, none, np.zeros((1, 2)), C, np.zeros((1, 1, 0)), np.zeros((1, 1)), Q, one)
    flat = (0, 1) if P is None else ()
    cov = np.zeros((2, 2)) if P is None else P
    return Joint(blocks, np.zeros(2), cov, data.values[0], data.mask[0], flat=flat)


def test_the_verbs_take_each_step_as_long_as_it_is(data):
    data = data.window(0, 15)  # over a longer time brute force loses digits
    P = np.array([[4.0, 0.3], [0.3, 2.0]])
    with jax.enable_x64(True):
        model = rekalman.LinearContinuous.create(
            np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 0.0]]), np.diag([0.0, 0.5]),
            0.25 * np.eye(1), P=P,
        )  # fmt: skip
        two = rekalman.Sequences.from_arrays(
            [np.where(data.mask[0], data.values[0], np.nan), data.values[0, 5:12]],
            dt=[data.dt[0], data.dt[0, 5:12]],
        )
        filtered = rekalman.filter(rekalman.Kalman(model), two)
        smoothed = rekalman.smooth(rekalman.Kalman(model), two)
    law = joint(data, 0.5, 0.25, P)
    mean, cov = law.given(15)
    np.testing.assert_allclose(smoothed.mean[0], mean, atol=1e-8)
    np.testing.assert_allclose(smoothed.var[0], [np.diag(cov[t, :, t]) for t in range(15)])
    np.testing.assert_allclose(filtered.mean[0, -1], mean[-1], atol=1e-8)
    assert filtered.log_evidence[0].sum() == pytest.approx(law.log_likelihood(), abs=1e-8)
    assert smoothed.log_likelihood == pytest.approx(filtered.log_likelihood, abs=1e-8)


EVERY = {
    "level": rekalman.local_level,
    "oscillator": lambda: rekalman.oscillator(period=7.0, damping=0.8),
    "velocity": lambda: rekalman.constant_velocity(0.5, 2),
    "acceleration": lambda: rekalman.constant_acceleration(0.5),
    "sum": lambda: rekalman.local_level() + rekalman.oscillator(period=4.0),
}


@pytest.mark.parametrize("name", EVERY)
def test_at_equal_steps_a_structure_is_the_same_in_continuous_time(name):
    with jax.enable_x64(True):
        structure = EVERY[name]()
        steps = structure.build()
        flow = structure.continuous(0.25).build()
        discrete = jax.jit(lambda: flow.discrete())()
        moved = ("A", "Q") if name not in ("velocity", "acceleration") else ()
        for block in (*moved, "C", "R", "P", "d"):
            np.testing.assert_allclose(
                getattr(discrete, block), getattr(steps, block), rtol=1e-9, atol=1e-9
            )
        if not moved:  # the state holds derivatives by the unit of time: a step of 0.5 s lasts 0.25
            np.testing.assert_allclose(discrete.A, steps.A, atol=1e-9)
            np.testing.assert_allclose(discrete.Q, steps.Q, atol=1e-9)
        assert flow.flat == steps.flat


def test_a_trend_in_continuous_time_adds_up_over_steps():
    with jax.enable_x64(True):
        flow = rekalman.local_linear_trend().continuous(1.0).build()
        one, two = flow.discrete(1.0), flow.discrete(2.0)
        np.testing.assert_allclose(one.A, [[1.0, 1.0], [0.0, 1.0]], atol=1e-12)
        np.testing.assert_allclose(one.A @ one.Q @ one.A.T + one.Q, two.Q, rtol=1e-9)


def test_the_likelihood_and_its_slope_are_exact(data):
    with jax.enable_x64(True):
        structure = rekalman.constant_velocity(float(data.interval)).continuous(
            float(data.interval)
        )
        parameters = named_parameters(structure)
        groups = groups_of(as_batch(data, structure.build()))

        def value(v: np.ndarray) -> tuple[float, np.ndarray]:
            result, slope = value_and_gradient(parameters, jnp.asarray(v), groups)
            return float(result), np.asarray(slope)

        at = np.log([0.5, 0.25])
        assert value(at)[0] == pytest.approx(joint(data, 0.5, 0.25, None).log_likelihood())
        for i, shift in enumerate(1e-5 * np.eye(2)):
            expected = (value(at + shift)[0] - value(at - shift)[0]) / 2e-5
            assert value(at)[1][i] == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def fitted(data) -> rekalman.Fit:
    return rekalman.fit(data, "constant-velocity", progress=False)


def test_a_structure_is_fitted_to_series_sampled_at_any_times(fitted, data):
    values = {each.name: each.value for each in fitted.parameters}
    best = fitted.history.log_likelihood[-1]
    law = joint(data, values["velocity noise"], values["noise variance"], None)
    shifted = dataclasses.replace(data, values=data.values - fitted.standardiser.location)
    assert best == pytest.approx(law.log_likelihood(), abs=1e-4)
    assert best >= joint(shifted, 0.5, 0.25, None).log_likelihood()
    assert fitted.identify().linear is not None


def test_forecasts_say_when(fitted, data):
    made = fitted.forecast(data, 2)
    last = float(data.times[0, -1])
    np.testing.assert_allclose(made.to_frame()["time"], last + data.interval * np.arange(1, 3))
    rolled = fitted.roll(data, [1, 3], origins=[5])
    np.testing.assert_allclose(rolled.to_frame()["time"], data.times[0, [6, 8]])
    path = fitted.paths(data)
    gap = float(data.times[0, 8] - data.times[0, 5])
    x = np.asarray(path.mean[0, 5])
    expected = fitted.standardiser.invert(np.array([x[0] + gap * x[1]]))[0]
    assert float(rolled.mean[0, 1, 0]) == pytest.approx(expected, rel=1e-4)


def test_file_stream_and_report(fitted, data, tmp_path):
    fitted.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    ahead = np.asarray(fitted.forecast(data, 2).mean)
    np.testing.assert_array_equal(again.forecast(data, 2).mean, ahead)
    stream = again.stream()
    for y, h in zip(np.where(data.mask[0], data.values[0], np.nan), data.dt[0], strict=True):
        stream.update(y, dt=float(h))
    np.testing.assert_allclose(stream.forecast(2).mean, ahead, rtol=1e-3)
    assert stream.log_likelihood == pytest.approx(fitted.filter(data).log_likelihood, abs=0.01)
    with pytest.raises(rekalman.RekalError, match="dt must be a time above 0"):
        stream.update([1.0], dt=0.0)
    assert "covariance of the noise that a unit of time adds" in report_html(fitted, data)


def test_ones_own_model_in_continuous_time_is_fitted(data):
    own = rekalman.LinearContinuous.create(
        -0.1 * np.eye(1), np.eye(1), np.eye(1), np.eye(1), initial="stationary"
    )
    learner = rekalman.MaximumLikelihood(freeze=("C", "g"), iterations=40)
    result = rekalman.fit(data, own, learner, progress=False)
    assert isinstance(result.model, rekalman.LinearContinuous)
    assert float(result.model.F[0, 0]) < 0
    assert result.history.log_likelihood[-1] > result.history.log_likelihood[0]
    with pytest.raises(rekalman.RekalError, match="no closed-form M-step: use MaximumLikelihood"):
        rekalman.fit(data, own, rekalman.EM(), progress=False)


def test_what_has_no_form_in_continuous_time_is_refused(data):
    for model, more, sentence in (
        ("seasonal", {"period": 4}, r"seasonal\(4\) has no form in continuous time"),
        ("ar", {}, r"ar\(2\) has no form in continuous time"),
        ("em-rnn", {}, "sampled irregularly, but this model runs in equal steps"),
        ("linear", {}, "sampled irregularly, but this model runs in equal steps"),
        ("rbf", {}, "sampled irregularly, but this model runs in equal steps"),
    ):
        with pytest.raises(rekalman.RekalError, match=sentence):
            rekalman.fit(data, model, progress=False, **more)
    one = np.eye(1)
    curved = rekalman.NonlinearGaussian.create(
        lambda x, u, dt: x, lambda x, u: x, one, one, np.zeros(1), one
    )
    with pytest.raises(rekalman.RekalError, match="sampled irregularly"):
        rekalman.filter(rekalman.ExtendedKalman(curved), data)
    level = rekalman.local_level().continuous(0.5)
    for make, sentence in (
        (lambda: level.continuous(2.0), "the steps of the structure are 0.5, not 2"),
        (lambda: level + rekalman.seasonal(4), "has no form in continuous time"),
        (lambda: rekalman.local_level().continuous(0.0), "interval must be a time above 0"),
    ):
        with pytest.raises(rekalman.RekalError, match=sentence):
            make()
