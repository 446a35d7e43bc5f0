"""The experiment of the paper's section 4.1, once: train on one series, score on a fresh one."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

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
    """Figures of one seed, arrays by horizon."""

    trained: np.ndarray
    true: np.ndarray
    coverage: np.ndarray
    true_coverage: np.ndarray
    log_likelihood: float
    true_log_likelihood: float
    seconds: float
    start: str

    @property
    def ratio(self) -> np.ndarray:
        """RMSE of the trained network over that of the true system, on the same test series."""
        return self.trained / self.true


def run_once(seed: int, setting: Setting) -> Outcome:
    """Simulate, train, and score the network and the true system on the same fresh series."""
    system = em_paper_system()
    train_key, test_key, filter_key, forecast_key = jax.random.split(jax.random.key(1000 + seed), 4)
    draw = lambda key, steps: np.asarray(  # noqa: E731
        simulate(system, steps, key, burn_in=200)[1], np.float64
    )
    train = Sequences.from_arrays(draw(train_key, setting.train_steps))
    if setting.missing > 0:
        train = train.drop_random(setting.missing, seed)
    test = Sequences.from_arrays(draw(test_key, setting.test_steps))

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
    trained_rmse, coverage = _score(ours, test)
    true_rmse, true_coverage = _score(best, test)
    return Outcome(
        trained=trained_rmse,
        true=true_rmse,
        coverage=coverage,
        true_coverage=true_coverage,
        log_likelihood=result.filter(test).log_likelihood / test.steps,
        true_log_likelihood=float(true_path.log_likelihood.sum()) / test.steps,
        seconds=result.history.seconds,
        start=result.history.trials[0][0] if result.history.trials else "only one",
    )


def _score(forecast: Forecast, test: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """RMSE of the paper's forecast and coverage of the 90 % interval, by horizon."""
    y, seen = pair(forecast, np.asarray(test.values), np.asarray(test.mask))
    pit = np.asarray(forecast.cdf(y))
    error = np.where(seen, np.asarray(forecast.path) - y, np.nan)
    inside = np.where(seen, np.abs(pit - 0.5) <= 0.45, np.nan)
    return np.sqrt(np.nanmean(error**2, (0, 2))), np.nanmean(inside, (0, 2))
