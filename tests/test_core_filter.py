"""The recursion on a belief: what is written once agrees with what each filter does faster."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.core.filter import Filter
from rekalman.core.gaussian import DiagonalGaussian, Gaussian
from rekalman.core.row import observation_row
from rekalman.core.trajectory import Filtered
from rekalman.fitting.stream import Stream
from rekalman.forecasting import Labels, forecast_from, rolling_forecast
from rekalman.simulation.filters import simulate_filter

KEY = jax.random.key(0)


class Smoothing(Filter):
    """Simple exponential smoothing with Gaussian errors: the level moves by a share of each error."""

    share: Any
    var: Any
    observations: int = eqx.field(static=True, default=1)
    n_inputs: int = eqx.field(static=True, default=0)

    def init(self, key=None):
        return jnp.zeros(1), jnp.zeros(())

    def predict(self, belief, u=None, dt=None):
        level, steps = belief
        return level, steps + 1

    def observe(self, belief, u=None):
        level, steps = belief  # several steps without an observation: their errors add up
        grown = self.var * (1 + jnp.maximum(steps - 1, 0) * self.share**2)
        return DiagonalGaussian(level, jnp.full(1, grown))

    def update(self, belief, y, mask=None, u=None):
        values, seen, _ = observation_row(1, 0, jnp.float32, y, mask, u)
        level, steps = belief
        log_prob = self.observe(belief).log_prob(jnp.where(seen[0], values[0], jnp.nan))
        moved = jnp.where(seen[0], level + self.share * (values[0] - level), level)
        return (moved, jnp.where(seen[0].any(), 0.0, steps)), log_prob


def series() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = np.cumsum(rng.normal(size=(2, 30, 1)), 1).astype(np.float32)
    mask = rng.random(y.shape) > 0.2
    return y, mask


def linear(inputs: int = 0) -> rekalman.LinearGaussian:
    eye = np.eye(2)
    blocks = {"A": [[0.9, 0.3], [-0.3, 0.8]], "C": [[1.0, 0.0], [0.5, -1.0]], "Q": 0.2 * eye,
              "R": [[0.3, 0.1], [0.1, 0.2]], "m": [0.5, 0.5], "P": eye}  # fmt: skip
    if inputs:
        blocks |= {"B": [[1.0], [0.5]], "D": [[0.5], [0.0]]}
    return rekalman.LinearGaussian.create(**{name: np.asarray(v) for name, v in blocks.items()})


@pytest.mark.parametrize(
    "make",
    [rekalman.Kalman, rekalman.ExtendedKalman, rekalman.UnscentedKalman],
    ids=lambda f: f.__name__,
)
def test_the_recursion_written_once_gives_what_each_filter_gives_faster(make):
    with jax.enable_x64(True):
        algorithm = make(linear(1))
        rng = np.random.default_rng(0)
        y, u = (jnp.asarray(rng.normal(size=(12, n))) for n in (2, 1))
        mask = jnp.asarray(rng.random(y.shape) > 0.3).at[5].set(False)
        own = algorithm.run(y, mask, u)
        once = eqx.filter_jit(Filter.run)(algorithm, y, mask, u)
        assert isinstance(once, Filtered)
        np.testing.assert_allclose(once.log_evidence, own.log_evidence, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(once.belief.mean, own.mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(once.belief.cov, own.cov, rtol=1e-9, atol=1e-12)
        assert float(once.log_evidence[5]) == 0
        last = jax.tree.map(lambda leaf: leaf[-1], once.belief)
        expected = eqx.filter_jit(Filter.forecast)(algorithm, last, 3, u[:3])
        made = forecast_from(algorithm, own, 3, KEY, future_inputs=u[:3])
        np.testing.assert_allclose(made.mean[0], expected.mean, rtol=1e-9)
        np.testing.assert_allclose(made.std[0], expected.std, rtol=1e-9)


def test_log_prob_is_the_density_of_what_observe_says():
    algorithm = rekalman.Kalman(linear())
    with jax.enable_x64(True):
        belief = algorithm.predict(algorithm.init())
        for y in ([0.3, -1.0], [np.nan, 0.5], [np.nan, np.nan]):
            predicted = algorithm.observe(belief)
            assert isinstance(predicted, Gaussian)
            _, log_prob = algorithm.update(belief, y)
            np.testing.assert_allclose(log_prob, predicted.log_prob(jnp.asarray(y)), rtol=1e-10)


def test_particles_forecast_what_they_say_when_nothing_is_seen():
    """The mixture ahead has the moments of the exact forecast, within the error of 20,000 particles."""
    exact, cloud = rekalman.Kalman(linear()), rekalman.ParticleFilter(linear(), 20_000)
    after, _ = exact.update(exact.init(), [0.5, 0.2])
    clouds, log_prob = cloud.update(cloud.init(KEY), [0.5, 0.2])
    assert float(log_prob) == pytest.approx(
        float(exact.update(exact.init(), [0.5, 0.2])[1]), abs=0.03
    )
    ahead, wanted = cloud.forecast(clouds, 4, key=KEY), exact.forecast(after, 4)
    np.testing.assert_allclose(ahead.mean, wanted.mean, atol=0.04)
    np.testing.assert_allclose(ahead.cov, wanted.cov, atol=0.05)
    few = cloud.forecast(clouds, 4, key=KEY, particles=50)
    assert few.means.shape == (4, 50, 2)


def test_a_new_filter_is_run_forecast_followed_and_drawn_from():
    y, mask = series()
    algorithm = Smoothing(jnp.float32(0.6), jnp.float32(1.0))
    path = algorithm.run_batch(jnp.asarray(y), jnp.asarray(mask))
    level, last, total = 0.0, 0, 0.0
    for t in range(30):  # the recursion, plainly
        var = 1 + max(last - 1, 0) * 0.36
        if mask[0, t, 0]:
            error = y[0, t, 0] - level
            total -= 0.5 * (np.log(2 * np.pi * var) + error**2 / var)
            level, last = level + 0.6 * error, 0
        last += 1
    assert float(path.log_likelihood[0]) == pytest.approx(total, rel=1e-5)
    ahead = forecast_from(algorithm, path, 5, KEY)
    assert float(ahead.mean[0, 0, 0]) == pytest.approx(level, rel=1e-5)
    np.testing.assert_allclose(ahead.std[0, :, 0], np.sqrt(1 + np.arange(5) * 0.36), rtol=1e-5)
    rolled = rolling_forecast(algorithm, path, (1, 5), KEY)
    np.testing.assert_allclose(rolled.mean[29], ahead.mean[0, [0, 4]], rtol=1e-6)

    one = rekalman.Standardiser(np.zeros(1), np.ones(1))
    stream = Stream(algorithm, one, Labels.plain(1))
    for t in range(30):
        stream.update(y[0, t] if mask[0, t, 0] else None)
    assert stream.log_likelihood == pytest.approx(total, rel=1e-5)
    np.testing.assert_allclose(stream.forecast(5).mean, ahead.mean[:1], rtol=1e-5)

    drawn = np.asarray(simulate_filter(algorithm, 200, KEY, batch=300))
    moves = np.diff(drawn[..., 0])
    # y_t - y_{t-1} = e_t - (1 - share) e_{t-1}: an MA(1).
    assert moves.var() == pytest.approx(1 + 0.4**2, rel=0.03)
    assert np.mean(moves[:, 1:] * moves[:, :-1]) == pytest.approx(-0.4, abs=0.02)


def test_inputs_in_the_place_of_the_mask_are_refused():
    algorithm = rekalman.Kalman(linear(1))
    with pytest.raises(rekalman.RekalError, match="mask is of booleans"):
        algorithm.update(algorithm.init(), [0.0, 1.0], [0.5, 0.5])
