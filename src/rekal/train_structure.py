"""Training of structural models: starting values from the data, then maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rekal.errors import RekalError
from rekal.filters.choice import Filtering, chosen
from rekal.learning.batch import as_batch
from rekal.learning.em import EMResult, Progress
from rekal.learning.likelihood import MaximumLikelihood
from rekal.learning.uncertainty import estimated
from rekal.models.structural import (
    autoregression,
    constant_acceleration,
    constant_velocity,
    local_level,
    local_linear_trend,
    oscillator,
    seasonal,
)
from rekal.models.structures import Structure
from rekal.progress import Report
from rekal.sequences import Sequences
from rekal.trained import Parameter, Trained

STRUCTURES = (
    "local-level",
    "local-linear-trend",
    "seasonal",
    "oscillator",
    "constant-velocity",
    "constant-acceleration",
    "ar",
)


class StructureOptions(NamedTuple):
    """What the training of a structure by name can be told.

    Attributes:
        states: number of lags of "ar"; default 2.
        period: steps per season of "seasonal" (needed), or where the search of "oscillator" begins.
    """

    states: int | None = None
    period: float | None = None


def structure_of(name: str, data: Sequences, options: StructureOptions) -> Structure:
    """The structure that a name stands for.

    Raises:
        RekalError: an option is missing, or of no use to this structure.
    """
    if options.states is not None and name != "ar":
        raise RekalError(f"states is of no use to {name}, whose structure says how many there are")
    if options.period is not None and name not in ("seasonal", "oscillator"):
        raise RekalError(f"period is of no use to {name}: leave it out")
    if name == "seasonal":
        if options.period is None:
            raise RekalError("seasonal needs period, the number of steps after which it repeats")
        if options.period != int(options.period):
            raise RekalError(f"seasonal needs a whole number of steps, not {options.period:g}")
        return local_level() + seasonal(int(options.period))
    if name in ("constant-velocity", "constant-acceleration"):
        make = constant_velocity if name == "constant-velocity" else constant_acceleration
        return make(float(data.interval or 1.0), data.observations)
    if name == "oscillator":
        return oscillator(options.period)
    if name == "ar":
        return autoregression(2 if options.states is None else options.states)
    return local_level() if name == "local-level" else local_linear_trend()


def train_structure(
    shifted: Sequences,
    structure: Structure,
    learner: MaximumLikelihood | None,
    location: np.ndarray,
    filtering: str | Filtering | None,
    report: Report | None,
) -> Trained:
    """Find the parameters that make the data most likely.

    Args:
        shifted: data less `location`, otherwise in raw units.
        structure: what is fitted.
        learner: how; default `MaximumLikelihood()`.
        location: what was taken from each column; it is added to a mean.
        filtering: what filters the fitted model; default the Kalman filter.
        report: told after each iteration.

    Raises:
        RekalError: the series are sampled irregularly and the structure has no form in continuous time;
            the data have inputs or too few samples, or the likelihood is not finite.
    """
    if shifted.n_inputs:
        raise RekalError("a structure takes no inputs: use model 'linear', or leave the inputs out")
    if shifted.dt is not None and structure.interval is None:
        structure = structure.continuous(shifted.interval or 1.0)
    longest = int(np.argmax(np.asarray(shifted.lengths)))
    length = int(shifted.lengths[longest])
    values, mask = np.asarray(shifted.values)[longest], np.asarray(shifted.mask)[longest]
    start = structure.start(np.where(mask, values, np.nan)[:length])
    following = chosen(filtering, Filtering("kalman"))
    following.of(start.build())  # refused before the work, not after

    def told(progress: Progress) -> None:
        if report is not None:
            report("training", progress)

    learner = MaximumLikelihood() if learner is None else learner
    found = learner.run(start, as_batch(shifted, start.build()), told)
    shift = dict(zip(_means(len(location)), location, strict=True))
    rows = zip(found.names, found.estimates, found.standard_errors, strict=True)
    parameters = tuple(
        Parameter(name, float(value + shift.get(name, 0.0)), float(error))
        for name, value, error in rows
    )
    result = EMResult(found.model, np.asarray(found.log_likelihood), found.stopped, found.seconds)
    criteria = (("AIC", found.aic), ("AICc", found.aicc), ("BIC", found.bic))
    return Trained(result, following, (), parameters, criteria, estimated(found, shifted.interval))


def _means(columns: int) -> tuple[str, ...]:
    return ("mean",) if columns == 1 else tuple(f"mean {i + 1}" for i in range(columns))
