"""Section 4.2 on real chest markers: nine records at 10 Hz, causal, beside linear forecasters.

Split of all published results, per record: train up to 30 s, validation to 60 s, test the rest. Networks
are trained on the first 30 s (forecasts issued from 30 to 60 s) and again on the first 60 s; what goes on
learning after that are the readouts, as RLS does. `docs/breathing.md` discusses the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from rekalman.datasets.breathing import load_breathing
from rekalman.evaluation.intervals import LEVELS, RunningIntervals
from rekalman.filters.particle import ParticleFilter
from rekalman.fitting.adaptive import AdaptiveForecaster, AdaptiveRun
from rekalman.forecasting import rolling_forecast
from rekalman.learners.online.tracked import TRAINING
from rekalman.studies import breathing_baselines as baselines
from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.breathing_ablations import LINEAR, ablation_forecasts, adaptive_mean
from rekalman.studies.breathing_noise import noise_rows
from rekalman.studies.breathing_pooled import pooled_change
from rekalman.studies.breathing_recurrent import follow_lags_and
from rekalman.studies.breathing_recurrent_training import Training, mean_change
from rekalman.studies.breathing_scores import HORIZONS, TRAIN, VALIDATED, make_rows, score

OWN = "this project's own causal reproduction (nothing causal is published)"
NO_PREDICTION = (0.584, 1.090, 2.466, 4.374, 7.016)
LEAST_SQUARES = (0.442, 0.910, 2.678, 6.339, 10.508)
LMS = (1.292, 1.197, 2.321, 3.763, 4.096)
RLS = (0.341, 0.632, 1.484, 2.758, 4.049)
PROTOCOL = (
    "this project's reproduction; its means over all horizons equal those of Pohl et al. 2025 "
    "(arXiv 2403.01607)"
)
REFERENCES = {
    "no prediction": (NO_PREDICTION, PROTOCOL),
    "OLS": (LEAST_SQUARES, PROTOCOL),
    "LMS": (LMS, OWN),
    "RLS": (RLS, OWN),
}
AGAINST_RLS = (RLS, f"RLS, {OWN}")
SINGLE = (12, 0.998)
"""States and forgetting of the one network that stands for itself."""

Scores = dict[str, np.ndarray]


def run(options: StudyOptions) -> StudyResult:
    """Score all forecasters on all records (the shortest, and two sizes, if quick)."""
    began = time.perf_counter()
    seeds = options.seeds or 1
    data = load_breathing(options.data)
    names = ("seq7",) if options.quick else data.series_names
    sizes = (8, 12) if options.quick else (8, 12, 16, 24)
    series = {name: data.series(name) for name in data.series_names}
    whole = {
        name: np.asarray(one.values)[0, : int(np.asarray(one.lengths)[0])]
        for name, one in series.items()
    }
    records = [whole[name] for name in names]
    linear: list[np.ndarray] = []
    total = len(records) * (2 * seeds + 1) + 1
    done = 0

    scores: dict[str, list[list[Scores]]] = {}
    seconds: dict[str, float] = {}

    def add(system: str, seed: int, made: Scores) -> None:
        scores.setdefault(system, [[] for _ in range(seeds)])[seed].append(made)

    plain = AdaptiveForecaster(HORIZONS, TRAIN, (VALIDATED,), sizes=sizes)
    for name, values in zip(names, records, strict=True):
        options.report(done, total, f"linear forecasters, {name}")
        forecasts = ablation_forecasts(plain, values, seconds)
        alike = linear_scores(values, seconds)
        alike |= {system: around(plain, mean, values) for system, mean in forecasts.items()}
        linear.append(forecasts[LINEAR])
        for system, made in alike.items():  # nothing in them is random
            for i in range(seeds):
                add(system, i, made)
        done += 1
    for i in range(seeds):
        forecaster = AdaptiveForecaster(
            HORIZONS, TRAIN, (VALIDATED,), sizes=sizes, seed=options.seed + i
        )
        for name, values in zip(names, records, strict=True):

            def notify(what: str, name: str = name, done: int = done) -> None:
                options.report(done, total, f"{name}, {what}")

            for system, made in network_scores(forecaster, values, seconds, notify).items():
                add(system, i, made)
            done += 1

        for k, (name, values) in enumerate(zip(names, records, strict=True)):
            options.report(done, total, f"{name}, recurrent networks of the others")
            others = [other for own, other in whole.items() if own != name]
            made = recurrent_scores(plain, values, others, linear[k], options, i, seconds)
            for system, each in made.items():
                add(system, i, each)
            done += 1

    rows: list[Row] = []
    for system, each in scores.items():
        # The references are means over all nine records.
        reference = (None, None) if options.quick else REFERENCES.get(system, AGAINST_RLS)
        rows.extend(make_rows(system, each, *reference))
    demonstration = "seq7" if options.quick else "seq2"
    options.report(done, total, f"observation noise, {demonstration}")
    iterations = 20 if options.quick else 100
    first = records[names.index(demonstration)][:VALIDATED]
    more, noise = noise_rows(first, demonstration, iterations, options.seed)
    rows.extend(more)
    return StudyResult(
        study="breathing",
        rows=tuple(rows),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={
            "records": names,
            "hz": 10,
            "horizons_s": [h / 10 for h in HORIZONS],
            "train_s": TRAIN / 10,
            "refit_s": VALIDATED / 10,
            "sizes": sizes,
            "forgetting": AdaptiveForecaster(HORIZONS, TRAIN).forgetting,
            "particles_training": TRAINING.particles,
            "particles_filter": AdaptiveForecaster(HORIZONS, TRAIN).particles,
            "iterations": TRAINING.iterations,
            "recurrent": Training()._asdict(),
            "quick": options.quick,
            "seed": options.seed,
            "ours": "RMSE and CRPS: mean over records; coverage: pooled; median over seeds",
            "seconds": seconds,
            "noise": {"iterations": iterations, **noise},
            "per_record": {
                system: {
                    metric: [[record[metric] for record in seed] for seed in each]
                    for metric in ("rmse", "crps", "coverage_50", "coverage_90")
                }
                for system, each in scores.items()
            },
        },
    )


def linear_scores(values: np.ndarray, seconds: dict[str, float]) -> dict[str, Scores]:
    """The baselines on one record; adds to `seconds` what each takes."""
    forecaster = AdaptiveForecaster(HORIZONS, TRAIN)
    made = {
        "no prediction": _timed(seconds, "no prediction", baselines.no_prediction, values),
        "OLS": _timed(seconds, "OLS", baselines.least_squares, values),
        "LMS": _timed(seconds, "LMS", baselines.lms, values),
    }
    made["RLS"], made["RLS, all settings averaged and clipped"] = _timed(
        seconds, "RLS", baselines.rls, values
    )
    return {system: around(forecaster, issued, values) for system, issued in made.items()}


def recurrent_scores(
    forecaster: AdaptiveForecaster,
    values: np.ndarray,
    others: list[np.ndarray],
    linear: np.ndarray,
    options: StudyOptions,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Scores]:
    """Networks trained on the other records, alone, beside lags, and averaged with `linear`; a control."""
    training = Training(iterations=20, copies=30) if options.quick else Training()
    change = _timed(seconds, "GRU", mean_change, others, values, options.seed + seed, training)
    beside = adaptive_mean(follow_lags_and(change), forecaster, values)
    pooled = pooled_change(others, values, options.seed + seed)
    forecasts = {
        "GRUs of other records, no readout": values[:, None] + change,
        "lags and GRUs of other records adaptive": beside,
        "lags and linear autoregression of other records adaptive": adaptive_mean(
            follow_lags_and(pooled), forecaster, values
        ),
        "linear model adaptive and lags with GRUs adaptive, averaged": 0.5 * (linear + beside),
    }
    return {system: around(forecaster, mean, values) for system, mean in forecasts.items()}


def around(forecaster: AdaptiveForecaster, mean: np.ndarray, values: np.ndarray) -> Scores:
    """Scores of point forecasts of a complete record, with running intervals."""
    return score(forecaster.with_intervals(mean, values, np.ones(values.shape, bool)), values)


def network_scores(
    forecaster: AdaptiveForecaster,
    values: np.ndarray,
    seconds: dict[str, float],
    report: Callable[[str], None],
) -> dict[str, Scores]:
    """The EM-trained networks on one record."""
    mask = np.ones(values.shape, bool)
    whole = _timed(seconds, "EM networks", forecaster.run, values, mask, report)
    fixed = _timed(seconds, "fixed forecasts", own_intervals, whole, values, forecaster)
    return {
        "EM network fixed, its own intervals (overconfident)": score(fixed, values),
        "EM network fixed, running intervals": around(forecaster, fixed.mean, values),
        "EM network adaptive, one network": around(forecaster, whole.members[SINGLE], values),
        "EM network adaptive": score(whole.intervals, values),
    }


def own_intervals(
    run: AdaptiveRun, values: np.ndarray, forecaster: AdaptiveForecaster
) -> RunningIntervals:
    """The last network of 12 states without readout: its path, and the spread of its particles.

    The spread is that of particles pushed through the noisy dynamics plus the observation noise, as a
    Gaussian. Forecasts issued before 60 s are in-sample; the errors of those from 30 s on only start the
    running scale, and the first test targets need the last of them.
    """
    network = run.networks[SINGLE[0]][-1]
    location, scale = network.location, network.scale
    first = TRAIN
    filter_key, key = jax.random.split(jax.random.key(forecaster.seed + 2))
    z = jnp.asarray((values - location) / scale, network.model.A.dtype)
    filtering = ParticleFilter(network.model, TRAINING.particles)
    path = filtering.run(z, jnp.ones(z.shape, bool), None, None, filter_key)
    origins = np.arange(first, len(values))
    forecast = rolling_forecast(filtering, path, HORIZONS, key, origins=origins)
    shape = (len(values), len(HORIZONS), values.shape[1])
    mean, spread = np.full(shape, np.nan), np.full(shape, np.nan)
    mean[first:] = np.asarray(forecast.path) * scale + location
    spread[first:] = np.asarray(forecast.std) * scale
    standard = np.broadcast_to(ndtri(LEVELS), (*shape[:2], len(LEVELS)))
    return RunningIntervals(mean, spread, standard, LEVELS, HORIZONS)


def _timed(seconds: dict[str, float], name: str, function: Callable[..., Any], *args: Any) -> Any:
    began = time.perf_counter()
    made = function(*args)
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
    return made
