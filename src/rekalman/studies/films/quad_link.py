"""Angles of a quad-link pendulum from frames, clean and noisy: Becker et al. (ICML 2019).

48 x 48 frames, 150 of each series, 4000 series to learn from and 1000 to score on, eight targets. The
belief is carried over windows in training, as in the authors' script. Batches and windows are smaller than
there (10 series for 50, 30 steps for 75): the same frames give more steps of Adam, and 8 epochs do for its
300. LSTM and GRU take part twice: with the paper's 200 units, and with as many parameters as the RKN.
"""

from __future__ import annotations

from functools import partial

from rekalman.datasets.tasks import quad_link_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.estimation import Estimation, Size, side_by_side
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, baselines

SOURCE = "Becker et al., ICLR 2019 submission, table of the quad link, "
POSTER = "Becker et al., ICML 2019, poster: "
RKN = Candidate(
    "RKN",
    "rkn",
    100,
    options=(
        ("hidden", (128, 128)),
        ("activation", "tanh"),
        ("order", "update"),
        ("learn_start", True),
    ),
)
LSTM = Candidate("LSTM, the paper's size", "lstm", 50)
GRU = Candidate("GRU, the paper's size", "gru", 50)
EQUALS = tuple(each._replace(title=f"{each.title} as the RKN") for each in baselines(RKN))
CLEAN = {
    RKN.title: {
        "log_likelihood": (14.534, SOURCE + "clean, RKN, m = 100"),
        "rmse": (0.103, POSTER + "RKN"),
    },
    LSTM.title: {
        "log_likelihood": (11.960, SOURCE + "clean, LSTM, m = 50"),
        "rmse": (0.118, POSTER + "LSTM"),
    },
    GRU.title: {
        "log_likelihood": (10.346, SOURCE + "clean, GRU, m = 50"),
        "rmse": (0.121, POSTER + "GRU"),
    },
}
NOISY = {
    RKN.title: {"log_likelihood": (6.259, SOURCE + "noisy, RKN, m = 100")},
    LSTM.title: {"log_likelihood": (5.21, SOURCE + "noisy, LSTM, m = 50")},
    GRU.title: {"log_likelihood": (4.696, SOURCE + "noisy, GRU, m = 50")},
}


def estimation(noisy: bool) -> Estimation:
    """One of the two halves of the study."""
    return Estimation(
        study="quad-link-noisy" if noisy else "quad-link-clean",
        task=partial(quad_link_task, image_noise=noisy),
        size=Size(train=4000, test=1000, steps=150),
        candidates=(RKN, LSTM, GRU, *EQUALS),
        learner=Backprop(epochs=8, batch=10, rate=3e-3, clip=5.0, window=30),
        encoder_and_heads=EncoderAndHeads(
            widths=(32, 64, 64, 200), tones=2 if noisy else 0, head=(64, 64)
        ),
        published=NOISY if noisy else CLEAN,
        oracle={},
    )


def run(options: StudyOptions) -> StudyResult:
    """Clean frames, then noisy ones."""
    parts = {"clean": estimation(noisy=False), "noisy": estimation(noisy=True)}
    return side_by_side("quad-link", parts, options)
