"""What the EM paper left open: how many particles, and how many hidden units (section 4.3)."""

from __future__ import annotations

import time

import numpy as np

from rekalman.studies.base import Row, StudyOptions, StudyResult
from rekalman.studies.oscillation import HORIZONS, Outcome, Setting, run_once

PARTICLES = (10, 30, 100, 300, 1000)
STATES = (2, 3, 5, 10)


def run(options: StudyOptions) -> StudyResult:
    """The experiment of section 4.1 at every number of particles, then of hidden units."""
    began = time.perf_counter()
    seeds = options.seeds or 1
    base = Setting(iterations=60, restarts=1)
    if options.quick:
        base = base._replace(iterations=20, test_steps=2000)
    settings = [(f"N = {n}", base._replace(particles=n)) for n in PARTICLES]
    settings += [(f"{s} hidden units", base._replace(states=s)) for s in STATES]
    if options.quick:
        settings = [pair for pair in settings if pair[1].particles <= 100]

    rows: list[Row] = []
    figures: dict[str, list] = {}
    for k, (system, setting) in enumerate(settings):
        outcomes: list[Outcome] = []
        for i in range(seeds):
            options.report(
                k * seeds + i, len(settings) * seeds, f"{system}, seed {options.seed + i}"
            )
            outcomes.append(run_once(options.seed + i, setting))
        rows.extend(_rows(system, outcomes))
        figures[system] = [o.ratio.tolist() for o in outcomes]
    return StudyResult(
        study="particles",
        rows=tuple(rows),
        seeds=seeds,
        seconds=time.perf_counter() - began,
        config={**base._asdict(), "quick": options.quick, "per_seed_ratio": figures},
    )


def _rows(system: str, outcomes: list[Outcome]) -> list[Row]:
    ratios = np.array([o.ratio for o in outcomes])
    gains = np.array([o.log_likelihood - o.true_log_likelihood for o in outcomes])
    seconds = np.array([o.seconds for o in outcomes])
    rows = [
        Row(
            system=system,
            metric="rmse_ratio",
            horizon=h,
            ours=float(np.median(ratios[:, j])),
            worst=float(ratios[:, j].max()),
            spread=float(np.ptp(ratios[:, j])),
            oracle=1.0,
        )
        for j, h in enumerate(HORIZONS)
    ]
    rows.append(
        Row(system, "log_likelihood_gain_per_step", float(np.median(gains)), float(gains.min()),
            float(np.ptp(gains)), "higher", oracle=0.0)
    )  # fmt: skip
    rows.append(
        Row(system, "seconds", float(np.median(seconds)), float(seconds.max()),
            float(np.ptp(seconds)))
    )  # fmt: skip
    return rows
