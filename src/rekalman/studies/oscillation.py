"""The experiment of the paper's section 4.1, once: train on one series, score on a fresh one.

Two forecasts of a network are scored: the paper's, which runs the filtered mean through the dynamics without
noise (`path`), and the mean of the predictive distribution, which has the least expected squared error of all
where the model is right. Of a linear model they are one and the same. Ratios are to the paper's forecast by
the true system.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from rekalman.data import Sequences
from rekalman.datasets.synthetic import em_paper_system
from rekalman.filters.particle import ParticleFilter
from rekalman.fitting.verbs import filter_paths
from rekalman.forecasting import Forecast, rolling_forecast
from rekalman.forecasting.scores import pair
from rekalman.learners.em.em import EM
from rekalman.simulation.models import simulate
from rekalman.verbs.fit import fit

HORIZONS = (1, 5, 10)
PAPER = (
    "Unkelbach, Sun, Schmidhuber 2009, section 4.1 (one run; its 'mean squared errors' are RMSE)"
)
PAPER_TRAINED = {1: 0.145, 5: 0.259, 10: 0.327}
PAPER_TRUE = {1: 0.142, 5: 0.240, 10: 0.307}


class Setting(NamedTuple):
    """What is varied: all else is as in the paper."""

    states: int = 5
    particles: int = 100
    missing: float = 0.0
    train_steps: int = 1000
    test_steps: int = 4000
    iterations: int = 150
    restarts: int = 3
    test_particles: int = 300


class Outcome(NamedTuple):
    """Figures of one seed, arrays by horizon.

    Attributes:
        trained: RMSE of the trained network, by the paper's forecast.
        true: the same of the true system.
        coverage: share inside the network's 90 % interval.
        true_coverage: share inside that of the true system.
        log_likelihood: of the test series per step, under the network.
        true_log_likelihood: under the true system.
        seconds: of training.
        start: which restart was taken.
        mean: RMSE of the network, by the mean of its predictive distribution.
        true_mean: the same of the true system.
    """

    trained: np.ndarray
    true: np.ndarray
    coverage: np.ndarray
    true_coverage: np.ndarray
    log_likelihood: float
    true_log_likelihood: float
    seconds: float
    start: str
    mean: np.ndarray
    true_mean: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """RMSE of the trained network over that of the true system, on the same test series."""
        return self.trained / self.true


class LinearOutcome(NamedTuple):
    """Figures of a linear model on the series of one seed, arrays by horizon."""

    rmse: np.ndarray
    coverage: np.ndarray
    log_likelihood: float
    seconds: float


def run_once(seed: int, setting: Setting) -> Outcome:
    """Simulate, train, and score the network and the true system on the same fresh series."""
    system = em_paper_system()
    train, test, filter_key, forecast_key = series_of(seed, setting)
    learner = EM(
        particles=setting.particles,
        iterations=setting.iterations,
        freeze=("c", "d"),  # the paper's network has no offsets
    )
    result = fit(
        train,
        "em-rnn",
        learner=learner,
        states=setting.states,
        restarts=setting.restarts,
        seed=seed,
        progress=False,
    )

    algorithm = ParticleFilter(system, setting.test_particles)
    true_path = filter_paths(algorithm, test, filter_key)
    best = rolling_forecast(algorithm, true_path, HORIZONS, forecast_key)
    ours = result.roll(test, HORIZONS)
    trained_rmse, mean, coverage = _score(ours, test)
    true_rmse, true_mean, true_coverage = _score(best, test)
    return Outcome(
        trained=trained_rmse,
        true=true_rmse,
        coverage=coverage,
        true_coverage=true_coverage,
        log_likelihood=result.filter(test).log_likelihood / test.steps,
        true_log_likelihood=float(true_path.log_likelihood.sum()) / test.steps,
        seconds=result.history.seconds,
        start=result.history.trials[0][0] if result.history.trials else "only one",
        mean=mean,
        true_mean=true_mean,
    )


def run_linear(seed: int, setting: Setting, states: int = 2) -> LinearOutcome:
    """Train a linear Gaussian model on the series of `run_once`, and score it on the same fresh one."""
    train, test, _, _ = series_of(seed, setting)
    result = fit(train, "linear", states=states, seed=seed, progress=False)
    _, mean, coverage = _score(result.roll(test, HORIZONS), test)
    likelihood = result.filter(test).log_likelihood / test.steps
    return LinearOutcome(mean, coverage, likelihood, result.history.seconds)


def series_of(seed: int, setting: Setting) -> tuple[Sequences, Sequences, Array, Array]:
    """The series to train on, the one to test on, and keys for filter and forecasts of the true system."""
    system = em_paper_system()
    train_key, test_key, filter_key, forecast_key = jax.random.split(jax.random.key(1000 + seed), 4)
    draw = lambda key, steps: np.asarray(  # noqa: E731
        simulate(system, steps, key, burn_in=200)[1], np.float64
    )
    train = Sequences.from_arrays(draw(train_key, setting.train_steps))
    if setting.missing > 0:
        train = train.drop_random(setting.missing, seed)
    test = Sequences.from_arrays(draw(test_key, setting.test_steps))
    return train, test, filter_key, forecast_key


def _score(forecast: Forecast, test: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RMSE of the paper's forecast and of the mean, coverage of the 90 % interval, by horizon."""
    y, seen = pair(forecast, np.asarray(test.values), np.asarray(test.mask))
    pit = np.asarray(forecast.cdf(y))
    inside = np.where(seen, np.abs(pit - 0.5) <= 0.45, np.nan)
    errors = (
        np.where(seen, np.asarray(point) - y, np.nan) for point in (forecast.path, forecast.mean)
    )
    path, mean = (np.sqrt(np.nanmean(error**2, (0, 2))) for error in errors)
    return path, mean, np.nanmean(inside, (0, 2))
