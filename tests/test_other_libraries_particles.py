"""Particle filters where no Gaussian filter will do, beside dense grids and particles 0.4.

One state: quadrature over 4,001 points, exact to the figures printed. Four states: SMC(Bootstrap(model, y),
N=300,000) of particles, the mean of four runs with seeds 0 to 3 and their spread. SMC with 100,000 particles
agrees with the grids to 0.02 (0.05 for `growth`).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from library_cases import double  # noqa: F401
from test_other_libraries_nonlinear import case as curved
from volatility import StochasticVolatility

import rekalman

t = np.arange(40)
NOISE = 1.3 * np.cos(1.3 * t * t)
OTHER = 1.3 * np.sin(0.7 * t * t + 1)
ONE = np.eye(1)


def growth():
    """Gordon, Salmond and Smith (1993); particles' Gordon_etal with its default parameters."""

    def move(x, u, dt=None):
        return 0.5 * x + 25 * x / (1 + x**2) + 8 * jnp.cos(1.2 * u)

    x, y = 0.1, np.zeros(40)
    for i in range(40):
        x = x if i == 0 else float(move(x, i - 1)) + np.sqrt(10) * NOISE[i]
        y[i] = 0.05 * x**2 + OTHER[i]
    model = rekalman.NonlinearGaussian.create(
        move, lambda x, u: 0.05 * x**2, 10 * ONE, ONE, np.zeros(1), 4 * ONE, inputs=1
    )
    return model, y, t - 1.0


def population():
    """particles' ThetaLogistic with its default parameters."""

    def move(x, u=None, dt=None):
        return x + 0.15 - 0.12 * jnp.exp(0.1 * x)

    x, y = 0.0, np.zeros(40)
    for i in range(40):
        x = x if i == 0 else float(move(x)) + 0.47 * NOISE[i]
        y[i] = x + 0.39 * OTHER[i]
    y[20:23] = np.nan
    model = rekalman.NonlinearGaussian.create(
        move, lambda x, u: x, 0.47**2 * ONE, 0.39**2 * ONE, np.zeros(1), ONE
    )
    return model, y, None


class LogNormalVolatility(StochasticVolatility):
    """particles' StochVol with its default parameters, the log variance measured from its mean."""

    phi: float = 0.9702
    scale: float = 0.178
    spread: float = 0.178 / np.sqrt(1 - 0.9702**2)
    level: float = -1.02

    def draw(self, key, steps, particles):
        return jax.random.normal(key, (steps, particles, 1))

    def log_transition(self, x_next, x, u, dt):
        return jax.scipy.stats.norm.logpdf(x_next, self.phi * x, self.scale).sum()

    def log_observation(self, evidence, x):
        y, mask = evidence
        logpdf = jax.scipy.stats.norm.logpdf(y, 0.0, jnp.exp((x + self.level) / 2))
        return jnp.where(mask, logpdf, 0.0).sum(-1)


def volatility():
    x, y = 0.5, np.zeros(40)
    for i in range(40):
        x = x if i == 0 else 0.9702 * x + 0.178 * NOISE[i]
        y[i] = np.exp((x - 1.02) / 2) * OTHER[i]
    return LogNormalVolatility(), y, None


GRIDS = {
    "growth": {
        "log_likelihood": -102.487864,
        "filtered": {0: (0.0, 2.213), 10: (-13.84, 0.7108), 21: (-8.075, 1.338), 39: (-4.291, 6.707)},
        "smoothed": {0: (1.992, 1.721), 10: (-13.78, 0.7122), 21: (-8.062, 1.19), 39: (-4.291, 6.707)},
    },
    "population": {
        "log_likelihood": -33.2419403,
        "filtered": {0: (0.3703, 0.3633), 10: (1.3, 0.3213), 21: (2.564, 0.7293), 39: (3.627, 0.3212)},
        "smoothed": {0: (0.4352, 0.3076), 10: (1.303, 0.2809), 21: (2.495, 0.5255), 39: (3.627, 0.3212)},
    },
    "volatility": {
        "log_likelihood": -54.0987091,
        "filtered": {0: (0.2331, 0.6048), 10: (0.5721, 0.4256), 21: (0.7895, 0.4081), 39: (0.5971, 0.4393)},
        "smoothed": {0: (0.5753, 0.4305), 10: (0.7108, 0.3526), 21: (0.7993, 0.3433), 39: (0.5971, 0.4393)},
    },
}  # fmt: skip
LARGE = {
    "radar": {
        "log_likelihood": 36.2376,  # spread 0.035
        "filtered": {
            0: ([20.21, 0.9987, 10.59, 0.2997], [0.4775, 0.9965, 0.4551, 0.998]),
            8: ([26.76, 0.7605, 14.16, 0.5589], [0.3791, 0.2184, 0.4094, 0.2233]),
            24: ([39.29, 0.8949, 22.55, 0.5721], [0.4309, 0.2256, 0.5402, 0.244]),
        },
    },
    "bearings_only": {
        "log_likelihood": 58.6978,  # spread 0.0074
        "filtered": {
            0: ([0.02, -0.0199, 0.9857, 1.023], [0.03161, 0.03164, 0.07206, 0.07423]),
            8: ([0.0401, -0.02427, 1.318, 0.8115], [0.03616, 0.02331, 0.2289, 0.1455]),
            24: ([0.06897, -0.03648, 2.485, 0.4108], [0.04728, 0.01922, 0.6735, 0.1211]),
        },
    },
}  # fmt: skip


def run(algorithm, y, u=None):
    y = np.asarray(y, float).reshape(1, len(y), -1)
    u = None if u is None else np.asarray(u, float).reshape(1, len(u), 1)
    return rekalman.filter(algorithm, rekalman.Sequences.from_arrays(y, inputs=u), seed=1)


@pytest.mark.parametrize(
    ("make", "proposal"),
    [(growth, "bootstrap"), (growth, "guided"), (population, "bootstrap"), (population, "guided"),
     (volatility, "bootstrap")],
)  # fmt: skip
def test_one_state_on_a_grid(make, proposal):
    model, y, u = make()
    right = GRIDS[make.__name__]
    path = run(rekalman.ParticleFilter(model, 4000, proposal=proposal), y, u)
    assert path.log_likelihood == pytest.approx(right["log_likelihood"], abs=0.4)
    for step, (mean, spread) in right["filtered"].items():
        assert path.mean[0, step, 0] == pytest.approx(mean, abs=0.15 * spread)
        assert path.cov[0, step, 0, 0] == pytest.approx(spread**2, rel=0.2)


@pytest.mark.parametrize("proposal", ("bootstrap", "guided"))
@pytest.mark.parametrize("name", ("radar", "bearings_only"))
def test_four_states_beside_many_particles(name, proposal):
    """Bearings only: two of four states are moved without noise."""
    model, y = curved.all[name]()
    right = LARGE[name]
    path = run(rekalman.ParticleFilter(model, 10_000, proposal=proposal), y)
    assert path.log_likelihood == pytest.approx(right["log_likelihood"], abs=0.5)
    for step, (mean, spread) in right["filtered"].items():
        assert (np.abs(path.mean[0, step] - mean) < 0.25 * np.asarray(spread)).all()


@pytest.mark.parametrize("make", (population,))
def test_smoothing_on_a_grid(make):
    model, y, _ = make()
    data = rekalman.Sequences.from_arrays(y.reshape(1, 40, 1))
    path = rekalman.smooth(rekalman.ParticleFilter(model, 400), data)
    for step, (mean, spread) in GRIDS[make.__name__]["smoothed"].items():
        assert path.mean[0, step, 0] == pytest.approx(mean, abs=0.3 * spread)


def test_gaussian_filters_of_the_population_come_near():
    """Its transition hardly bends: both are within a tenth of a deviation of the grid."""
    model, y, _ = population()
    right = GRIDS["population"]
    for kind in (rekalman.ExtendedKalman, rekalman.UnscentedKalman):
        path = run(kind(model), y)
        assert path.log_likelihood == pytest.approx(right["log_likelihood"], abs=0.05)
        for step, (mean, spread) in right["filtered"].items():
            assert path.mean[0, step, 0] == pytest.approx(mean, abs=0.1 * spread)
