"""What every way of training leaves for `rekalman.fit` to wrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rekalman.filters.choice import Filtering
from rekalman.learners.likelihood.uncertainty import Uncertainty
from rekalman.learners.protocol import TrainResult


class Parameter(NamedTuple):
    """A parameter of a structure, in raw units.

    Attributes:
        name: what it is called.
        value: its estimate.
        standard_error: of the estimate; NaN where there is none.
        boundary: whether it is a variance that is zero, as far as the data can say.
    """

    name: str
    value: float
    standard_error: float
    boundary: bool = False

    def __str__(self) -> str:
        if self.boundary:
            sure = "zero: at the boundary"
        elif np.isnan(self.standard_error):
            sure = "no standard error"
        else:
            sure = f"standard error {self.standard_error:.2g}"
        return f"{self.value:.6g} ({sure})"


class Trained(NamedTuple):
    """A trained model and how it was found.

    Attributes:
        result: the model, the log-likelihood by iteration, why it stopped, seconds.
        filtering: the filter that goes with it.
        trials: (name of the start, held-out log-likelihood per observed entry), best first.
        parameters: those of a structure with standard errors, in raw units.
        criteria: names and values of information criteria, of raw data.
        uncertainty: of the model, where the training worked it out.
        starts: (name, log-likelihood where its climb was left) of those of maximum likelihood, best first.
        warnings: what held-out data say against the model, a sentence each.
    """

    result: TrainResult
    filtering: Filtering
    trials: tuple[tuple[str, float], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    criteria: tuple[tuple[str, float], ...] = ()
    uncertainty: Uncertainty | None = None
    starts: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
