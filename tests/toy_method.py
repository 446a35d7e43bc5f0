"""Exponential smoothing as a method of one's own: what a user writes to add one, in 40 lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import rekalman
from rekalman.filters.kalman.filter import Kalman
from rekalman.fitting.trained import Trained
from rekalman.learners.protocol import Iterations, TrainResult
from rekalman.methods import StateSpaceMethod, option, register


@register("exponential-smoothing")
@dataclass(frozen=True, kw_only=True)
class ExponentialSmoothing(StateSpaceMethod):
    """A level that moves by a share of each error: a random walk whose settled Kalman gain is that share."""

    summary = "a level that follows the last values"
    needs = "one column"
    inputs = False

    alpha: int | float = option(
        0.3, help="Share of an error that moves the level.", above=0, below=1
    )

    def learn(self, prepared: Any, request: Any, scales: Any, report: Any) -> Trained:
        """Take the variances from the errors of one step."""
        errors, level = [], 0.0
        for y in np.asarray(prepared.values)[np.asarray(prepared.mask)]:
            errors.append(y - level)
            level += self.alpha * errors[-1]
        S, one = float(np.mean(np.square(errors))), np.eye(1)
        R, Q = (1 - self.alpha) * S, self.alpha**2 * S
        model = rekalman.LinearGaussian.create(one, one, Q * one, R * one, P=one)
        nats = np.array([np.sum(rekalman.filter(Kalman(model), prepared).log_likelihood)])
        return Trained(TrainResult(model, Iterations.by_likelihood(nats)), self.filtering(request))
