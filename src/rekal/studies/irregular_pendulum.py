"""Angles of a pendulum from noisy frames at irregular times: the regression of Schirmer et al. (ICML 2022).

The protocol and the exact seeds of Continuous Recurrent Units, as S5 (Smith et al., ICLR 2023) took it
over: 100 frames 0.01 s apart under correlated image noise, of which each series keeps 50; the target is
sine and cosine at every kept frame; 2000 series to learn from, 1000 to score on, and 1000 (seed 43) to
choose the epoch by, as in S5. The score is the mean squared error over all entries.

What is gained by the recursion and what by the encoder is told apart: the time step may enter the
coefficient network only (RKN-dt of the published table), or the recursion may run through the frames that
were not kept as well, which is exact, because the time stamps lie on a grid; and the paper's cell stands
beside the richer one.
"""

from __future__ import annotations

import time
from functools import partial

from rekal.datasets.tasks import irregular_task
from rekal.learning.backprop import Backprop
from rekal.studies.base import StudyOptions, StudyResult
from rekal.studies.film_contest import Contest, rows_of
from rekal.studies.film_networks import Contestant, Surroundings, network_of
from rekal.studies.film_scores import scored

SOURCE = "mean squared error, Smith et al. 2023 and Schirmer et al. 2022: "
RICH = (
    ("bases", 32),
    ("hidden", (128,)),
    ("activation", "tanh"),
    ("order", "update"),
    ("learn_start", True),
)
GRID = (
    Contestant("RKN on the grid, coefficient network with a hidden layer", "rkn", 15, options=RICH),
    Contestant("RKN on the grid, the paper's cell", "rkn", 15),
)
KEPT = (
    Contestant("RKN-dt, the paper's cell", "rkn", 15, options=(("timed", "coefficients"),)),
    Contestant("GRU with dt", "gru", 15, options=(("timed", True),)),
)
PUBLISHED = {
    GRID[0].title: (3.32e-3, "Xu et al. 2025 (RoMAE), the best published"),
    GRID[1].title: (5.09e-3, SOURCE + "RKN-dt"),
    KEPT[0].title: (5.09e-3, SOURCE + "RKN-dt"),
    KEPT[1].title: (5.44e-3, SOURCE + "GRU-dt"),
}
ORACLE = {"mse": 0.52e-3}
"""Particle filter with the true dynamics; .16e-3 if frames tell the angle down to a factor of .02."""
LEARNER = Backprop(epochs=100, batch=25, rate=5e-3, scrambles=0.15, average=0.998)
QUICK = Backprop(epochs=2, batch=20, rate=3e-3, clip=5.0)


def run(options: StudyOptions) -> StudyResult:
    """All contestants with all seeds; training is kept and continued."""
    began = time.perf_counter()
    sizes, learner = ((40, 20, 20), QUICK) if options.quick else ((2000, 1000, 1000), LEARNER)
    surroundings = Surroundings(widths=(32, 64, 128), tones=2)
    about = {"train": sizes[0], "test": sizes[1], "valid": sizes[2], **surroundings._asdict()}
    found: dict[str, list[dict[str, float]]] = {}
    for on_grid, contestants in ((True, GRID), (False, KEPT)):
        task = irregular_task(*sizes, on_grid=on_grid)
        assert task.valid is not None
        contest = Contest(
            study="irregular-pendulum",
            train=task.train.frames,
            valid=task.valid.frames,
            contestants=contestants,
            learner=learner,
            build=lambda who, seed: network_of(who, (24, 24, 1), (2,), surroundings, seed),
            score=partial(scored, film=task.test),
            about={**about, "on_grid": on_grid},
        )
        found |= contest.run(options)
    rows = [
        row
        for title, figures in found.items()
        for row in rows_of(title, figures, {"mse": PUBLISHED[title]}, ORACLE)
    ]
    return StudyResult(
        study="irregular-pendulum",
        rows=tuple(rows),
        seeds=options.seeds or 1,
        seconds=time.perf_counter() - began,
        config={
            "quick": options.quick,
            "seed": options.seed,
            **about,
            "learner": vars(learner),
            "all": found,
        },
    )
