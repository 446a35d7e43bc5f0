"""Angles of a pendulum from noisy frames at irregular times: the regression of Schirmer et al. (ICML 2022).

The protocol and the exact seeds of Continuous Recurrent Units, as S5 (Smith et al., ICLR 2023) took it
over: 100 frames 0.01 s apart under correlated image noise, of which each series keeps 50; the target is
sine and cosine at every kept frame; 2000 series to learn from, 1000 to score on, and 1000 (seed 43) to
choose the epoch by, as in S5. The score is the mean squared error over all entries.

What is gained by the recursion and what by the encoder is told apart. The recursion: the time step enters
the coefficient network only (RKN-dt of the published table), or, because the time stamps lie on a grid, the
filter runs through the frames that were not kept as well, which is exact. The encoder: patches alone, or
behind tone curves that are chosen frame by frame (`networks/vision/tone_curves.py`). Each is changed while
the other stays.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

from rekalman.datasets.tasks import irregular_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.comparison import Comparison, rows_of
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, baselines, network_of, rich
from rekalman.studies.films.scores import scored
from rekalman.studies.known import taken_over

SOURCE = "mean squared error, Smith et al. 2023 and Schirmer et al. 2022: "
PLAIN = EncoderAndHeads(widths=(32, 64, 128))
TONES = EncoderAndHeads(widths=(32, 64, 128), tones=2)
DT = (("timed", "coefficients"),)
OURS = rich(15, bases=32)._replace(title="RKN on the grid")
RKN_DT = Candidate("RKN-dt, the paper's cell", "rkn", 15, options=DT)


class Part(NamedTuple):
    """Networks that share what they see and how they see it.

    Attributes:
        on_grid: whether they run through the frames that were not kept.
        encoder_and_heads: encoder and head.
        candidates: who they are.
    """

    on_grid: bool
    encoder_and_heads: EncoderAndHeads
    candidates: tuple[Candidate, ...]


PARTS = (
    Part(
        on_grid=True,
        encoder_and_heads=TONES,
        candidates=(OURS, *baselines(OURS, " on the grid")),
    ),
    Part(
        on_grid=False,
        encoder_and_heads=TONES,
        candidates=(RKN_DT, Candidate("GRU-dt", "gru", 15, options=(("timed", True),))),
    ),
    Part(True, PLAIN, (OURS._replace(title=f"{OURS.title}, patches alone"),)),
    Part(False, PLAIN, (RKN_DT._replace(title=f"{RKN_DT.title}, patches alone"),)),
)
PUBLISHED = {
    OURS.title: (3.32e-3, "Xu et al. 2025 (RoMAE), the best published"),
    RKN_DT.title: (5.09e-3, SOURCE + "RKN-dt"),
    "GRU-dt": (5.44e-3, SOURCE + "GRU-dt"),
}
ORACLE = {"mse": 0.52e-3}
"""Particle filter with the true dynamics; .16e-3 if frames tell the angle down to a factor of .02."""
LEARNER = Backprop(epochs=30, batch=25, rate=5e-3, permute_probability=0.15, average=0.998)
QUICK = Backprop(epochs=2, batch=20, rate=3e-3, clip=5.0)


def run(options: StudyOptions) -> StudyResult:
    """All candidates with all seeds; training is kept and continued."""
    began = time.perf_counter()
    about, learner = _protocol(options)
    known = taken_over(options.known, settings(options), options.all_seeds)
    result: dict[str, list[dict[str, float]]] = {}
    for on_grid, encoder_and_heads, candidates in PARTS:
        task = irregular_task(*about.values(), on_grid=on_grid)
        assert task.valid is not None
        comparison = Comparison(
            study="irregular-pendulum",
            train=task.train.frames,
            valid=task.valid.frames,
            candidates=candidates,
            learner=learner,
            build=partial(
                network_of, shape=(24, 24, 1), targets=(2,), encoder_and_heads=encoder_and_heads
            ),
            score=partial(scored, film=task.test),
            about={**about, **encoder_and_heads._asdict(), "on_grid": on_grid},
        )
        result |= comparison.run(options, known)
    rows = [
        row
        for title, figures in result.items()
        for row in rows_of(
            title, figures, {"mse": PUBLISHED[title]} if title in PUBLISHED else {}, ORACLE
        )
    ]
    return StudyResult(
        study="irregular-pendulum",
        rows=tuple(rows),
        seeds=options.seeds or 1,
        seconds=time.perf_counter() - began,
        config={**settings(options), "all": result},
    )


def settings(options: StudyOptions) -> dict[str, Any]:
    """What the result of the study tells beside its figures."""
    about, learner = _protocol(options)
    return {
        "quick": options.quick,
        "seed": options.seed,
        **about,
        "learner": vars(learner),
        "parts": [part._asdict() for part in PARTS],
    }


def _protocol(options: StudyOptions) -> tuple[dict[str, int], Backprop]:
    """Number of series to learn from, to score on and to choose the epoch by, and the learner."""
    sizes, learner = ((40, 20, 20), QUICK) if options.quick else ((2000, 1000, 1000), LEARNER)
    return dict(zip(("train", "test", "valid"), sizes, strict=True)), learner
