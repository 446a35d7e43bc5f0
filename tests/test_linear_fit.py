"""Linear and structural models through `rekalman.fit`, from data to forecast and back from a file."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from naive import JointGaussian, random_linear, simulate_linear

import rekalman
from rekalman.data import Sequences
from rekalman.identification import distance, responses
from rekalman.learners.batch import as_batch
from rekalman.models.linear import LinearGaussian

BLOCKS = ("A", "B", "c", "C", "D", "d", "Q", "R", "m", "P")


@pytest.fixture(scope="module")
def nile():
    return rekalman.load_example("nile")


@pytest.fixture(scope="module")
def level(nile):
    return rekalman.fit(nile, "local-level", progress=False)


@pytest.fixture(scope="module")
def free(nile):
    return rekalman.fit(nile, "linear", progress=False)


def linear(seed: int, **more) -> LinearGaussian:
    network = random_linear(3, 2, 1, seed)
    return LinearGaussian.create(**{name: getattr(network, name) for name in BLOCKS}, **more)


def test_a_structure_tells_its_parameters(level):
    """Durbin and Koopman (2012), section 2.2.5: 15099 and 1469.1, log-likelihood -632.546."""
    values = {each.name: each.value for each in level.parameters}
    assert values["noise variance"] == pytest.approx(15099, rel=2e-3)
    assert values["level variance"] == pytest.approx(1469.1, rel=5e-3)
    assert level.history.log_likelihood[-1] == pytest.approx(-632.546, abs=0.02)
    assert "standard error" in level.summary()
    assert "AIC" in level.summary()


def test_a_saved_structure_is_the_same(level, nile, tmp_path):
    level.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    assert again.parameters == level.parameters
    assert again.history.criteria == level.history.criteria
    assert again.kind == "local-level"
    np.testing.assert_array_equal(
        np.asarray(again.forecast(nile, 3).mean), np.asarray(level.forecast(nile, 3).mean)
    )


def test_a_stream_ends_where_the_filter_ends(level, nile):
    stream = level.stream()
    for y in np.asarray(nile.values)[0]:
        stream.update(y)
    whole = level.filter(nile)
    assert stream.log_likelihood == pytest.approx(whole.log_likelihood, abs=0.05)
    np.testing.assert_allclose(
        np.asarray(stream.forecast(4).mean), np.asarray(level.forecast(nile, 4).mean), rtol=1e-4
    )


def test_forecasts_of_a_random_walk_stay_and_widen(level, nile):
    made = level.forecast(nile, 10)
    mean, sd = np.asarray(made.mean)[0, :, 0], np.asarray(made.std)[0, :, 0]
    np.testing.assert_allclose(mean, mean[0], rtol=1e-4)
    steps = np.diff(sd**2)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-2)


def test_a_forecast_is_the_law_of_what_follows():
    """Means and covariances of the joint Gaussian, given the data up to the origin."""
    with jax.enable_x64(True):
        model = linear(1)
        y, mask, u = simulate_linear(model, 12, seed=2)
        known = mask & (np.arange(12) < 8)[:, None]
        joint = JointGaussian(model, y, known, u)
        mean, cov = joint.given(8)
        algorithm = rekalman.Kalman(model)
        path = algorithm.run(y[:8], mask[:8], u[:8])
        from rekalman.forecasting import forecast_from

        made = forecast_from(algorithm, path, 4, jax.random.key(0), future_inputs=u[8:])
        C, D, d, R = (np.asarray(getattr(model, name)) for name in ("C", "D", "d", "R"))
        for h in range(4):
            t = 8 + h
            expected = C @ mean[t] + D @ np.asarray(u[t]) + d
            np.testing.assert_allclose(np.asarray(made.mean)[0, h], expected, atol=1e-9)
            np.testing.assert_allclose(
                np.asarray(made.cov)[0, h], C @ cov[t, :, t] @ C.T + R, atol=1e-9
            )


def test_a_linear_model_by_name_learns_a_wave():
    rng = np.random.default_rng(0)
    t = np.arange(400)
    y = np.stack([np.sin(t / 4), np.cos(t / 4)], 1) + 0.1 * rng.normal(size=(400, 2))
    y[rng.random((400, 2)) < 0.2] = np.nan
    data = Sequences.from_arrays(y[None])
    fit = rekalman.fit(data, "linear", states=2, progress=False)
    result = fit.identify()
    assert result.linear is not None
    assert result.fixed_points[0].oscillation.period == pytest.approx(8 * np.pi, rel=0.01)
    scores = fit.roll(data, [1, 8], origins=range(100, 380)).score(y[None], np.isfinite(y)[None])
    assert scores["rmse"].max() < 0.25
    assert scores["coverage_90"].between(0.84, 0.98).all()


def test_a_linear_model_by_name_is_the_most_likely_one(nile, free):
    """Order selection and training climb the same hill, and no optimiser finds more on it."""
    path = np.asarray(free.history.log_likelihood)
    assert path[-1] > path[0] - 0.02
    assert np.diff(path).min() > -0.01
    assert free.filter(nile).log_likelihood == pytest.approx(path[-1], abs=0.01)
    learner = rekalman.MaximumLikelihood(errors=False)
    best = learner.run(free.model, as_batch(free.prepare(nile)))
    assert best.value - best.log_likelihood[0] < 0.1


def test_data_without_noise_leave_no_covariance_at_zero():
    """Their likelihood has no maximum: a safeguard keeps the model usable."""
    t = np.arange(200)
    y = np.stack([np.sin(t / 5), 2 * np.sin(t / 5)], 1)
    data = Sequences.from_arrays(y)
    fit = rekalman.fit(data, "linear", states=2, progress=False)
    assert np.linalg.eigvalsh(np.asarray(fit.model.R))[0] > 0
    assert np.isfinite(fit.filter(data).log_likelihood)
    np.testing.assert_allclose(
        fit.forecast(data, 1).mean[0, 0], [np.sin(40), 2 * np.sin(40)], atol=0.02
    )


def test_what_a_model_does_is_the_same_in_any_basis():
    with jax.enable_x64(True):
        model = linear(3)
        T = np.random.default_rng(0).normal(size=(3, 3)) + 2 * np.eye(3)
        inverse = np.linalg.inv(T)
        turned = LinearGaussian.create(
            T @ model.A @ inverse, model.C @ inverse, T @ model.Q @ T.T, model.R,
            B=T @ model.B, c=T @ model.c, D=model.D, d=model.d,
        )  # fmt: skip
        near = distance(model, turned)
        assert max(near) < 1e-9
        other = linear(4)
        assert distance(model, other).noise > 0.01
        assert distance(model, other) == distance(other, model)
        assert distance(model, other, "first") != distance(other, model, "first")
        nothing = LinearGaussian.create(
            model.A, 0 * model.C, model.Q, 0 * model.R, B=model.B, D=0 * model.D
        )
        assert distance(nothing, model, "both") == pytest.approx((1.0, 1.0))
        for one, other in zip(responses(model), responses(turned), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-7)


def test_responses_are_those_of_a_simulation():
    with jax.enable_x64(True):
        model = linear(5)
        result = responses(model, 60)
        steady = np.ones((60, 1))
        zero = LinearGaussian.create(model.A, model.C, model.Q, model.R, B=model.B, D=model.D)
        start = jnp.asarray(zero.B[:, 0])
        _, y = rekalman.simulate(
            zero, 60, jax.random.key(0), inputs=steady, noise=False, start=start
        )
        np.testing.assert_allclose(result.step[:, :, 0], y[0], atol=1e-9)
        np.testing.assert_allclose(result.gain[:, 0], y[0, -1], rtol=1e-2)


def test_hidden_modes_are_named():
    A, C = np.diag([0.9, 0.5]), np.array([[1.0, 0.0]])
    blind = LinearGaussian.create(A, C, np.diag([0.1, 0.1]), np.eye(1))
    idle = LinearGaussian.create(A, np.ones((1, 2)), np.diag([0.1, 0.0]), np.eye(1))
    assert "0.5 does not show in any output" in rekalman.identify(blind).summary()
    assert "0.5 is driven by no input and no noise" in rekalman.identify(idle).summary()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"model": "seasonal"}, "seasonal needs period"),
        ({"model": "local-level", "states": 3}, "states is of no use to the model local-level"),
        ({"model": "linear", "restarts": 3}, "restarts is of no use to the model linear"),
        ({"model": "linear", "period": 12}, "period is of no use to the model linear"),
        ({"model": "local-level", "learner": rekalman.EM()}, "use MaximumLikelihood"),
        ({"model": "em-rnn", "learner": rekalman.MaximumLikelihood()}, "no exact likelihood"),
    ],
)
def test_what_does_not_fit_is_refused(nile, arguments, sentence):
    with pytest.raises(rekalman.RekalError, match=sentence):
        rekalman.fit(nile, **arguments, progress=False)
