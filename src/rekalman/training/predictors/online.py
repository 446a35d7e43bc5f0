"""Training of recurrent predictors online: passes chosen on held-out data, then all data."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.filters.innovations import Innovations
from rekalman.filters.learning.trained import TrainedOnline
from rekalman.fitting.progress import progress_bar
from rekalman.fitting.result import Fit
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.numerics.precision import modelling_dtype, modelling_precision
from rekalman.training.predictors.as_fit import innovations, noise_factor_of, predictor_fit

if TYPE_CHECKING:
    from rekalman.learners.online.learner import Online
    from rekalman.methods.networks.base import HiddenUnitsMethod
    from rekalman.methods.request import TrainingRequest

UNITS = 16
"""Of a network learned online unless said otherwise: a Kalman filter of its weights stays quick."""
ROWS, MOST_PASSES = 10_000, 50
"""So many rows are gone through at most where the number of passes is chosen, or one pass."""
PATIENCE = 5
"""Passes without a better one after which no more are tried."""


def train_online(method: HiddenUnitsMethod, request: TrainingRequest, standardiser: Any) -> Fit:
    """Learn a recurrent network forward through time.

    The number of passes is that after which the end of each series, which is not trained on, is predicted
    best; the errors there say how large the innovations are. Then the network is learned anew from all data
    with so many passes. Where the learner says how many passes, these are made.

    Args:
        method: the options.
        request: the series in raw units, and an `Online`.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: a filter was asked for, the rule is not defined for the network, or as for `Online.run`.
    """
    if request.filtering is not None:
        raise RekalError("a network is its own filter: leave filtering out")
    learner: Online = request.learner
    since, data = time.perf_counter(), request.data
    prepared = standardiser.rows(data).apply(data)
    head, tail = _without_end(prepared, method.hold_out)
    with progress_bar(request.progress, prefix=request.prefix) as report, modelling_precision():
        start = _start(method, prepared, request.seed)
        key = jax.random.key(request.seed)
        scores: list[float] = []
        best: list[RecurrentPredictor] = []

        def judge(network: RecurrentPredictor) -> bool:
            scores.append(_score(network, prepared, tail))
            if scores[-1] >= max(scores):
                best[:] = [network]
            return len(scores) - int(np.argmax(scores)) <= PATIENCE

        shown = lambda stage: None if report is None else functools.partial(report, stage)  # noqa: E731
        tried = learner
        if learner.passes is None:
            rows = int(np.asarray(data.lengths).sum())
            tried = dataclasses.replace(learner, passes=max(1, min(MOST_PASSES, ROWS // rows)))
        result, _ = tried.training(start, head, key, shown("held out"), judge)
        passes = len(scores) if learner.passes is not None else int(np.argmax(scores)) + 1
        judged = result.model if learner.passes is not None else best[0]
        noise = noise_factor_of(innovations(Innovations(judged), prepared), tail)
        stopped = result.stopped
        if stopped != "interrupted":
            final = dataclasses.replace(learner, passes=passes)
            result, prior = final.training(start, prepared, key, shown("all data"))
        else:
            result, prior = dataclasses.replace(result, model=judged), None
        network = eqx.tree_at(
            lambda each: each.noise_factor, result.model, jnp.asarray(noise, modelling_dtype())
        )
    return predictor_fit(
        network,
        request,
        standardiser,
        method.title(),
        since=since,
        filtering=lambda each: TrainedOnline(
            each, rule=learner.rule, update_rule=learner.update, prior=prior
        ),
        trials=tuple(
            (f"{i + 1} pass{'es' * (i > 0)}", score)
            for i, score in sorted(enumerate(scores), key=lambda pair: -pair[1])[:3]
        )
        if learner.passes is None
        else (),
        criteria=(("passes", float(passes)),),
        stopped=stopped,
    )


def _start(method: HiddenUnitsMethod, prepared: Sequences, seed: int) -> RecurrentPredictor:
    """The network with fresh weights; its readout sees the last row, too."""
    made = RecurrentPredictor.create(
        method.layer_class(),
        prepared.observations,
        units=method.units or UNITS,
        inputs=prepared.n_inputs,
        direct=True,
        key=jax.random.key(seed),
    )
    dtype = modelling_dtype()
    return jax.tree.map(lambda leaf: leaf.astype(dtype), made)


def _without_end(prepared: Sequences, share: float) -> tuple[Sequences, np.ndarray]:
    """The series with nothing observed in the last share of each, and where that is, `(batch, steps)`.

    Raises:
        RekalError: nothing is left to judge by, or to learn from.
    """
    lengths, mask = np.asarray(prepared.lengths), np.asarray(prepared.mask)
    steps = np.arange(mask.shape[1])
    begin = np.ceil(lengths * (1 - share)).astype(int)
    tail = (steps >= begin[:, None]) & (steps < lengths[:, None])
    if not (mask & tail[..., None]).any() or not (mask & ~tail[..., None]).any():
        raise RekalError(
            "too little is observed at the end or the beginning of the series: give longer series, or "
            "another hold_out"
        )
    return dataclasses.replace(prepared, mask=mask & ~tail[..., None]), tail


def _score(network: RecurrentPredictor, prepared: Sequences, tail: np.ndarray) -> float:
    """Log density of the held-out rows under their own best deviation, in nats per entry.

    The deviation of each column is that of the held-out errors, as in the fit to come, so that a network is
    judged by its predictions alone.
    """
    errors = innovations(Innovations(network), prepared)[tail]
    if not np.isfinite(errors[~np.isnan(errors)]).all():
        return -np.inf
    var = np.nanmean(np.square(errors), 0)
    return float(-0.5 * np.nanmean(np.log(2 * np.pi * var) + 1))
