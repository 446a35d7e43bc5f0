"""A linear model as a stochastic network, and which of the two a training keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.core.gaussian import Gaussian
from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.learners.batch import as_batch
from rekalman.learners.start.near_linear import near_linear, slope_at_zero
from rekalman.training.stochastic.held_out import FACTORS, HeldOut, Noise
from rekalman.training.stochastic.linear_start import linear_start
from rekalman.training.stochastic.selection import FEWEST, Judged, LinearStart, surely_better


def oscillation(steps, seed=0, noise=0.3):
    """A damped oscillation of two states with inputs, and its series."""
    rng = np.random.default_rng(seed)
    angle = 0.4
    A = 0.95 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    model = rekalman.LinearGaussian.create(
        A=A, C=np.array([[1.0, 0.5]]), Q=0.2 * np.eye(2), R=noise * np.eye(1), B=np.ones((2, 1))
    )
    u = rng.normal(size=(steps, 1))
    x, rows = np.zeros(2), []
    for t in range(steps):
        x = A @ x + u[t] + np.sqrt(0.2) * rng.normal(size=2)
        rows.append([x[0] + 0.5 * x[1] + np.sqrt(noise) * rng.normal()])
    return model, np.array(rows), u


@pytest.mark.parametrize("activation", ["tanh", "erf", "softsign", "identity"])
@pytest.mark.parametrize("linear_observation", [False, True])
def test_the_network_is_the_linear_model(activation, linear_observation):
    model, y, u = oscillation(120)
    values, mask, inputs = jnp.asarray(y)[None], jnp.ones((1, 120, 1), bool), jnp.asarray(u)[None]
    path = rekalman.Kalman(model).run_batch(values, mask, inputs)
    x = np.asarray(path.mean)[0]
    network = near_linear(
        model,
        x.T @ x / len(x),
        activation=activation,
        linear_observation=linear_observation,
        scale=1e-3,
    )
    bend = 0.1 if activation == "softsign" else 0.02  # which bends like |x| at once
    same = rekalman.ExtendedKalman(network).run_batch(values, mask, inputs)
    np.testing.assert_allclose(same.log_evidence[0, 5:], path.log_evidence[0, 5:], atol=bend)
    assert np.allclose(network.Q, np.diag(np.diagonal(network.Q)))


def test_correlated_noise_stays_correlated():
    R = np.array([[1.0, 0.9], [0.9, 1.0]])
    model = rekalman.LinearGaussian.create(A=0.8 * np.eye(2), C=np.eye(2), Q=0.2 * np.eye(2), R=R)
    assert np.allclose(near_linear(model, np.eye(2)).R, R, atol=1e-4)


def test_bent_activations_have_no_linear_start():
    assert slope_at_zero("erf") == pytest.approx(2 / np.sqrt(np.pi), abs=1e-3)
    assert [slope_at_zero(name) for name in ("relu", "softplus", "sigmoid")] == [None] * 3
    model, y, _ = oscillation(60)
    assert near_linear(model, np.eye(2), activation="sigmoid") is None
    data = Sequences.from_arrays(y)
    assert linear_start(data, 2, 0.2, activation="relu", linear_observation=False) is None


def batch_of(y):
    """Standardised data as a batch."""
    return as_batch(Sequences.from_arrays((y - y.mean(0)) / y.std(0)))


def walk(R):
    """A slow level as a linear model."""
    one = np.eye(1)
    return rekalman.LinearGaussian.create(A=0.9 * one, C=one, Q=0.1 * one, R=R * one)


def test_leads_show_every_so_many_held_out_steps():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(60, 1))
    batch = batch_of(y)
    held_out = HeldOut.of(batch, 0.25, Filtering("kalman"), jax.random.key(0))
    model = walk(1.0)
    densities = held_out.densities(model)
    assert [len(each) for each in densities] == [15, 7, 3]
    z = np.asarray(batch.values)[0, :60]
    for lead, got in zip((1, 2, 4), densities, strict=True):
        kalman, want = rekalman.Kalman(model), []
        belief = kalman.init()
        for t in range(60):
            belief = belief if t == 0 else kalman.predict(belief)
            shown = t < 45 or (t - 44) % lead == 0
            ahead = kalman.observe(belief)
            belief, log_prob = kalman.update(
                belief, jnp.asarray(z[t]) if shown else jnp.full(1, jnp.nan)
            )
            if t >= 45 and shown:
                assert isinstance(ahead, Gaussian)
                want.append(float(log_prob))
        np.testing.assert_allclose(got, want, rtol=1e-4)


def test_noise_that_is_too_small_is_enlarged_and_never_reduced():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(200, 1))
    held_out = HeldOut.of(batch_of(y), 0.2, Filtering("kalman"), jax.random.key(0))
    one = np.eye(1)
    flat = lambda R: rekalman.LinearGaussian.create(A=0 * one, C=one, Q=1e-6 * one, R=R * one)  # noqa: E731
    assert (
        held_out.noise(flat(0.25), Noise()).observation in FACTORS[3:6]
    )  # a quarter of the variance of y
    assert held_out.noise(flat(4.0), Noise()) == Noise(1.0, 1.0)
    scaled = Noise(2.0, 3.0).of(flat(0.5))
    assert float(scaled.R[0, 0]) == pytest.approx(1.5) and float(scaled.Q[0, 0]) == pytest.approx(
        2e-6
    )


def test_final_prediction_error_is_that_of_least_squares():
    """Akaike (1969): residuals of k coefficients from n rows, against fresh noise on the same rows."""
    rng, n, k = np.random.default_rng(0), 40, 8
    errors, X = [], rng.normal(size=(n, k))
    for _ in range(600):
        y, later = rng.normal(size=n), rng.normal(size=n)
        w = np.linalg.lstsq(X, y, rcond=None)[0]
        errors.append([((each - X @ w) ** 2).mean() for each in (later, y)])
    start, (fresh, fitted) = LinearStart("linear", None, None, k), np.mean(errors, 0)
    assert start.final_prediction_error(n) == pytest.approx(fresh / fitted, rel=0.05)


def test_a_network_must_be_surely_better():
    rng = np.random.default_rng(0)
    gain = rng.normal(0.3, 1.0, 40)

    def judged(densities):
        return Judged("", None, Noise(), float(densities.mean()), densities, 0.0)

    linear = judged(np.zeros(40))
    assert surely_better(judged(gain), linear, 40)
    assert not surely_better(judged(gain - gain.mean() + 0.01), linear, 40)
    assert not surely_better(judged(gain), linear, FEWEST - 1)


def test_short_series_start_from_the_linear_model_and_intervals_hold():
    """A level in noise: a network of five states from a random start holds about half of the test."""
    held, total = 0, 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y = 50 + np.cumsum(0.4 * rng.normal(size=100)) + 1.2 * rng.normal(size=100)
        fit = rekalman.fit(Sequences.from_arrays(y[:75, None]), "em-rnn", progress=False)
        assert fit.history.trials[0][0].startswith("linear")
        data = Sequences.from_arrays(y[:, None])
        ahead = fit.roll(data, (1, 4), origins=np.arange(74, 96))
        low, high = map(np.asarray, ahead.interval(0.9))
        truth = y[np.arange(74, 96)[:, None] + np.array([1, 4])]
        held += ((truth > low[..., 0]) & (truth < high[..., 0])).sum()
        total += truth.size
    assert held / total > 0.75
