"""Training of a nonlinear autoregression: its form, its readout, the noise of its innovations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.result import Fit
from rekalman.learners.reservoir.held_out import bound_of
from rekalman.learners.reservoir.learned import Prepared
from rekalman.learners.reservoir.nvar_search import Shape, search_shape, shapes_of
from rekalman.networks.predictors.nvar import NVAR as Autoregression
from rekalman.training.predictors.as_fit import predictor_fit
from rekalman.training.predictors.reservoir import drawing, latest, with_innovations

if TYPE_CHECKING:
    from rekalman.methods.request import TrainingRequest
    from rekalman.methods.reservoirs.nvar import NVAR

ALIKE = 0.5
"""Correlation of neighbouring rows from which increments are learned."""


def train_nvar(method: NVAR, request: TrainingRequest, standardiser: Standardiser | Panel) -> Fit:
    """Choose the form on the last fifth of each series, learn the readout, judge the innovations there.

    Args:
        method: the options.
        request: the series, in raw units.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: there are too few rows.
    """
    data, since = request.data, time.perf_counter()
    prepared = standardiser.rows(data).apply(data)
    series = Prepared.of(prepared)
    increment = alike(series) if method.increment is None else method.increment
    width = data.observations + data.n_inputs
    rows, longest = int(series.lengths.sum()), int(series.lengths.max())
    shapes = shapes_of(rows, longest, width, method.search_seconds, method.given)
    washout = max(each.reach for each in shapes)
    part = latest(series, washout, method.horizon)
    fitted = search_shape(part, shapes, increment=increment, penalty=method.penalty)
    shape = fitted.shape
    predictor = Autoregression.create(
        data.observations,
        inputs=data.n_inputs,
        increment=increment,
        bound=bound_of(series.values),
        **shape._asdict(),
    )
    return predictor_fit(
        with_innovations(predictor, prepared, series, shape.reach, fitted.penalty),
        request,
        standardiser,
        method.title(),
        since=since,
        filtering=drawing,
        trials=tuple((shown(each), score) for each, score in fitted.trials[:5]),
        criteria=(
            *((name, float(value)) for name, value in shape._asdict().items()),
            ("features", float(predictor.features)),
            ("penalty", fitted.penalty),
        ),
    )


def alike(series: Prepared) -> bool:
    """Whether the correlation of neighbouring rows is above one half, on average over the columns."""
    pairs = series.valid[:, 1:]
    before, after = series.values[:, :-1][pairs], series.values[:, 1:][pairs]
    before, after = before - before.mean(0), after - after.mean(0)
    size = np.sqrt((before**2).mean(0) * (after**2).mean(0))
    return bool(((before * after).mean(0) / np.where(size > 0, size, 1.0)).mean() > ALIKE)


def shown(shape: Shape) -> str:
    """A form in words."""
    every = "" if shape.stride == 1 else f" every {shape.stride} steps"
    return f"{shape.taps} taps{every}, order {shape.order}"
