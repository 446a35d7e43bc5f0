"""Angles of a pendulum from noisy frames: Becker et al. (ICML 2019), section 5.1.

24 x 24 frames, 75 of each series, 0.05 s apart, 2000 series to learn from and 1000 to score on, correlated
pixel noise that hides a frame wholly at times (`datasets/image_noise.py`). The target is sine and cosine of
the angle. Nothing of the test series enters training: the last epoch counts, as in the paper.

All candidates have the same encoder, patches behind tone curves that are chosen for each frame
(`networks/vision/tone_curves.py`), and are trained alike: on the series and their mirror images, so that an
epoch has 4000 series, with the pixels of some frames permuted (`Backprop.permute_probability`), and with a
moving average of the parameters.

Clear and blind frames (noise factor below 0.1) are told apart: on the first the encoder is measured, on the
second the learned dynamics.

Settings were chosen by the figures on the 1000 series. So every network is scored also on 5000 others, drawn
from other seeds and looked at after that choice only (`..._unseen`): on the first 1000 of them before the
other 4000 were drawn, because a few series make up much of the error on blind frames.
"""

from __future__ import annotations

import jax
import numpy as np

from rekalman.datasets.filmed import Filmed
from rekalman.datasets.tasks import pendulum_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.networks.network import Network
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.estimation import Estimation, Size
from rekalman.studies.films.networks import EncoderAndHeads, baselines, rich
from rekalman.studies.films.scores import scored

SOURCE = "Becker et al., ICLR 2019 submission, table of the pendulum: "
ORACLE = {"rmse": 0.0185, "rmse_blind": 0.043}
"""Angle known where the factor exceeds .05, else the best prediction by the true dynamics (500 series)."""
OURS = rich(15, bases=32)
LSTM, GRU, ELMAN = baselines(OURS)
UNSEEN = {101: 1, 1: 4}
"""Seeds of the unseen series, and how many there are for one to score on; all others are of seed 0."""


def scored_twice(network: Network, film: Filmed) -> dict[str, float]:
    """Figures on the films to score on, and on five times as many that no choice was made by."""
    more = scored(network, unseen(*film.frames.values.shape[:2]))
    return scored(network, film) | {f"{name}_unseen": value for name, value in more.items()}


def unseen(series: int, steps: int) -> Filmed:
    """The unseen films beside so many to score on."""
    parts = [pendulum_task(1, n * series, steps, seed).test for seed, n in UNSEEN.items()]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


STUDY = Estimation(
    study="pendulum",
    task=pendulum_task,
    size=Size(train=2000, test=1000, steps=75),
    candidates=(OURS, LSTM, GRU, ELMAN),
    learner=Backprop(epochs=40, batch=10, rate=3e-3, permute_probability=0.08, average=0.999),
    encoder_and_heads=EncoderAndHeads(widths=(32, 64, 128), tones=2),
    published={
        OURS.title: {"log_likelihood": (6.182, SOURCE + "RKN, m = 15, b = 3, K = 15")},
        LSTM.title: {"log_likelihood": (6.019, SOURCE + "LSTM, m = 6, the better of two")},
        GRU.title: {"log_likelihood": (6.051, SOURCE + "GRU, m = 8, the better of two")},
    },
    oracle=ORACLE,
    mirror=(-1, 1),  # sine and cosine: a pendulum does not know left from right
    score=scored_twice,
)


def run(options: StudyOptions) -> StudyResult:
    """All candidates with all seeds."""
    return STUDY.run(options)
