"""Hidden frames of a pendulum filled in: Becker et al. (ICML 2019), section 5.1.

24 x 24 frames without noise, 75 of each series, 0.05 s apart, 2000 series to learn from and 1000 to score
on. Each frame but the first five is hidden with probability one half; every one, hidden or not, is wanted
back. Informed networks are told which frames are hidden, uninformed ones just see black. The figure is the
negative log-likelihood of a frame (`imputation_scores.py`), and the last epoch counts.

All candidates have the same encoder and decoder and are trained alike. An observed frame measures the
decoder, a hidden one also the learned dynamics. No published figure of this task could be verified, so none
stands beside them.

Windows of 15 steps, over which the belief is carried, make five updates of one pass over a series. Mirror
images are not trained on: the rod turns a fifth of a pixel off the middle, which a sharp image shows.
"""

from __future__ import annotations

from functools import partial

from rekalman.datasets.tasks import imputation_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.films.estimation import Estimation, Size, side_by_side
from rekalman.studies.films.imputation_scores import imputed
from rekalman.studies.films.networks import EncoderAndHeads, baselines, rich

HALVES = ("informed", "uninformed")
METRIC = "negative_log_likelihood"
ORACLE = {METRIC: 12.31, f"{METRIC}_hidden": 12.66, f"{METRIC}_observed": 12.01}
"""A Kalman filter with the true dynamics that reads angles to 1e-3 rad, on the test series.

The entropy of the pixels, lost even where every frame is known, is 11.97.
"""
RKN = rich(15, bases=32)


def imputation(informed: bool) -> Estimation:
    """One of the two halves of the study."""
    name = "informed" if informed else "uninformed"
    return Estimation(
        study=f"imputation-{name}",
        task=partial(imputation_task, informed=informed),
        size=Size(train=2000, test=1000, steps=75),
        candidates=(RKN, *baselines(RKN)),
        learner=Backprop(epochs=50, batch=25, rate=5e-3, window=15, average=0.998),
        encoder_and_heads=EncoderAndHeads(head=(64, 64, 48, 24)),
        published={},
        oracle=ORACLE,
        score=imputed,
    )


def run(options: StudyOptions) -> StudyResult:
    """Shown which frames are hidden, then not."""
    parts = {condition: imputation(condition == "informed") for condition in HALVES}
    return side_by_side("imputation", parts, options)
