"""The experiment of the question "RNN or Kalman filter: learning the underlying dynamics?"."""

from __future__ import annotations

import time

from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.rnn_or_kalman.accuracy import accuracy
from rekalman.studies.rnn_or_kalman.distilled import distilled
from rekalman.studies.rnn_or_kalman.dynamics import dynamics
from rekalman.studies.rnn_or_kalman.nonlinear import nonlinear
from rekalman.studies.rnn_or_kalman.published import tables
from rekalman.studies.rnn_or_kalman.setting import QUICK, UNITS, Setting


def run(options: StudyOptions) -> StudyResult:
    """Run all parts."""
    began = time.perf_counter()
    setting = QUICK if options.quick else Setting()
    rows, figures, networks = accuracy(options, setting)
    more, read = dynamics(networks, setting.counts[-2:])
    last, taught = distilled(options, setting)
    known, published = tables(options, setting)
    curved, bent = nonlinear(options, setting)
    return StudyResult(
        study="rnn-or-kalman",
        rows=(*rows, *known, *more, *curved, *last),
        seeds=len(options.all_seeds),
        seconds=time.perf_counter() - began,
        config={
            **setting.to_dict(),
            "quick": options.quick,
            "units": UNITS,
            "accuracy": figures,
            "dynamics": read,
            "published": published,
            "nonlinear": bent,
            "distilled": taught,
        },
    )
