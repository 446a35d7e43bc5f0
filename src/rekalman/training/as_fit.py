"""From what a training of a state-space model leaves to a `Fit` that speaks raw units."""

from __future__ import annotations

import dataclasses

import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.scales.volume import log_volume
from rekalman.fitting.first_state import first_state
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.fitting.trained import Trained
from rekalman.forecasting import Labels


def nats_of_scales(standardiser: Standardiser | Panel, data: Sequences, diffuse: int = 0) -> float:
    """What to subtract from a log-likelihood of standardised data to have that of the raw ones.

    Args:
        standardiser: from raw to standardised units.
        data: in raw units.
        diffuse: directions of the first state that are diffuse.
    """
    return float(log_volume(standardiser.rows(data), data, diffuse).sum())


def as_fit(
    trained: Trained,
    data: Sequences,
    standardiser: Standardiser | Panel,
    diffuse: int,
    seed: int,
    kind: str,
) -> Fit:
    """The trained model with the scales and labels of its data.

    Args:
        trained: the model in standardised units.
        data: what it was trained on, in raw units.
        standardiser: from raw to standardised units.
        diffuse: directions of the first state that are diffuse.
        seed: of the training.
        kind: name of the method, or "own".
    """
    result, shift = trained.result, nats_of_scales(standardiser, data, diffuse)
    return Fit(
        algorithm=trained.filtering.of(result.model, seed),
        standardiser=standardiser,
        history=History(
            log_likelihood=result.history.log_likelihood - shift,
            trials=trained.trials,
            stopped=result.stopped,
            seconds=result.seconds,
            entries=int(np.asarray(data.mask).sum()),
            criteria=trained.criteria,
            starts=tuple((name, value - shift) for name, value in trained.starts),
            objective=result.history.penalised - shift,
            warnings=trained.warnings,
        ),
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
        parameters=trained.parameters,
        uncertainty=trained.uncertainty,
    )


def with_first_state(fit: Fit, data: Sequences) -> Fit:
    """The same with the law of the first state of its training data, where the model starts diffuse.

    Args:
        fit: what was trained.
        data: what it was trained on, in raw units.
    """
    if not fit.algorithm.unknown:
        return fit
    scales = fit.standardiser
    prepared = scales.rows(data).apply(data)
    first = first_state(fit.algorithm, prepared, isinstance(scales, Panel))
    return dataclasses.replace(fit, first=first)
