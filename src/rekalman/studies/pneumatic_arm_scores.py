"""What is forecast of the pneumatic arm, from where, and how it is scored: the same for every method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rekalman.core.metrics import LOG_2PI
from rekalman.data import Sequences
from rekalman.datasets.pneumatic_arm import JOINTS
from rekalman.studies.films.scores import Z90

AHEAD = 10
HORIZONS = (1, 3, 5, 7, 10)
WARM_UP = 20  # steps of an episode that are seen before the first forecast
METRICS = ("rmse", "log_likelihood", "coverage_90", "anees")


class Forecasts(NamedTuple):
    """Forecasts of the joints, 1 to 10 steps ahead, in radians.

    Attributes:
        mean: `(windows, ahead, joints)`.
        var: their variances.
    """

    mean: Float[np.ndarray, "windows ahead joints"]
    var: Float[np.ndarray, "windows ahead joints"]


class Windows(NamedTuple):
    """Every step of every episode that has enough steps before and after it.

    Attributes:
        series: number of the episode.
        at: the step of the forecast, the last one that is seen.
        now: the joints there.
        truth: the joints of the steps ahead.
    """

    series: Int[np.ndarray, " windows"]
    at: Int[np.ndarray, " windows"]
    now: Float[np.ndarray, "windows 1 joints"]
    truth: Float[np.ndarray, "windows ahead joints"]

    @classmethod
    def of(cls, data: Sequences) -> Windows:
        """The windows of some episodes."""
        lengths = np.asarray(data.lengths)
        spans = [np.arange(WARM_UP, length - AHEAD) for length in lengths]
        series = np.repeat(np.arange(data.batch), [len(span) for span in spans])
        at = np.concatenate(spans)
        joints = np.asarray(data.values)[..., : len(JOINTS)]
        after = at[:, None] + np.arange(1, AHEAD + 1)
        return cls(series, at, joints[series, at][:, None], joints[series[:, None], after])


def scores(described: Forecasts, windows: Windows) -> dict[str, float]:
    """Figures of each of `METRICS` at each of `HORIZONS`, by names like "rmse 3".

    * rmse: over windows and joints, in rad.
    * log_likelihood: of the four joints, their correlation left out, mean over windows, in nats.
    * coverage_90: share of the joints inside their central 90 % interval.
    * anees: squared error divided by its variance, mean over windows and joints; 1 is right.
    """
    rows = np.array(HORIZONS) - 1
    error, var = (described.mean - windows.truth)[:, rows], described.var[:, rows]
    squared = error**2 / var
    result = (
        np.sqrt((error**2).mean((0, 2))),
        -0.5 * (squared + np.log(var) + LOG_2PI).sum(2).mean(0),
        (squared < Z90**2).mean((0, 2)),
        squared.mean((0, 2)),
    )
    return {
        f"{metric} {horizon}": float(figure)
        for metric, figures in zip(METRICS, result, strict=True)
        for horizon, figure in zip(HORIZONS, figures, strict=True)
    }
