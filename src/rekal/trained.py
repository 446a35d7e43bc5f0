"""What every way of training leaves for `rekal.fit` to wrap."""

from __future__ import annotations

from typing import NamedTuple

from rekal.filters.choice import Filtering
from rekal.learning.em import EMResult
from rekal.learning.uncertainty import Uncertainty


class Parameter(NamedTuple):
    """A parameter of a structure: its name, value and standard error (NaN where there is none)."""

    name: str
    value: float
    standard_error: float


class Trained(NamedTuple):
    """A trained model and how it was found.

    Attributes:
        result: the model, the log-likelihood by iteration, why it stopped, seconds.
        filtering: the filter that goes with it.
        trials: (name of the start, held-out log-likelihood per observed entry), best first.
        parameters: those of a structure with standard errors, in raw units.
        criteria: names and values of information criteria, of raw data.
        uncertainty: of the model, where the training worked it out.
    """

    result: EMResult
    filtering: Filtering
    trials: tuple[tuple[str, float], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    criteria: tuple[tuple[str, float], ...] = ()
    uncertainty: Uncertainty | None = None
