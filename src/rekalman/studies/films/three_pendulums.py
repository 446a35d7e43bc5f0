"""Angles of three pendulums that hide each other: Becker et al. (ICML 2019).

24 x 24 colour frames with a pendulum in each colour, noise drawn for each quarter of the image, six
targets. The number of series (2000 and 1000 of 75 frames) is that of the single pendulum; the paper does
not tell it.
"""

from __future__ import annotations

from rekalman.datasets.tasks import three_pendulums_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.estimation import Estimation, Reduced, Size
from rekalman.studies.films.networks import EncoderAndHeads, baselines, rich

SOURCE = "Becker et al., ICLR 2019 submission, table of three pendulums: "
RKN = rich(45, bases=15)
LSTM, GRU, ELMAN = baselines(RKN)

STUDY = Estimation(
    study="three-pendulums",
    task=three_pendulums_task,
    size=Size(train=2000, test=1000, steps=75),
    candidates=(RKN, LSTM, GRU, ELMAN),
    learner=Backprop(epochs=50, batch=10, rate=3e-3, permute_probability=0.08, average=0.999),
    encoder_and_heads=EncoderAndHeads(widths=(64, 96, 192), tones=2, regions=2),
    published={
        RKN.title: {"log_likelihood": (11.51, SOURCE + "RKN, m = 45, b = 3, K = 15")},
        LSTM.title: {"log_likelihood": (7.5224, SOURCE + "LSTM, m = 50, the better of two")},
        GRU.title: {"log_likelihood": (7.541, SOURCE + "GRU, m = 50, the better of two")},
    },
    oracle={},
    mirror=(-1, 1, -1, 1, -1, 1),
    reduced=Reduced(Size(train=2000, test=1000, steps=75), epochs=15),
)


def run(options: StudyOptions) -> StudyResult:
    """All candidates with all seeds."""
    return STUDY.run(options)
