"""Training of a network by evolution: on the head of each series, with its noise from what was held out."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.filters.innovations import Innovations
from rekalman.fitting.progress import progress_bar
from rekalman.fitting.result import Fit
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.evolution.evolino import Evolino
from rekalman.learners.evolution.readout import with_readout
from rekalman.networks.lstm import LSTM
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.numerics.precision import modelling_dtype, modelling_precision
from rekalman.training.predictors.as_fit import innovations, noise_factor_of, predictor_fit

if TYPE_CHECKING:
    from rekalman.methods.networks.evolino import Evolino as Method
    from rekalman.methods.request import TrainingRequest

MOST_ROWS = 4000
"""Rows that networks are bred on; of longer data the last ones of each series."""
WORK = 80_000
"""Rows of all generations: so many divided by the rows of the data are bred, within the bounds below."""
GENERATIONS = (30, 100)
"""At least and at most so many generations by default."""


def train_evolino(method: Method, request: TrainingRequest, standardiser: Any) -> Fit:
    """Evolve the units of an LSTM and fit its readout.

    1. Units are bred on the head of each series: the readout is fitted on its first part, and free runs over
       the rest of the head judge (`Evolino`).
    2. The readout of the best network is fitted on the whole head. Its innovations on the tail, which has
       taken no part so far, are the noise of the predictor.
    3. Then the readout is fitted on everything.

    Args:
        method: the options.
        request: the series, in raw units, and the learner.
        standardiser: from raw to standardised units.

    Raises:
        RekalError: the series are too short, or a column has too few values.
    """
    began = time.perf_counter()
    prepared = standardiser.rows(request.data).apply(request.data)
    with jax.enable_x64(True):
        batch = as_batch(prepared)
        head, tail = hide_after(batch, method.hold_out)
        learner = request.learner or usual_learner(method, int(np.asarray(head.valid).sum()))
        of_start, of_run = jax.random.split(jax.random.key(request.seed))
        start = RecurrentPredictor.create(
            LSTM,
            prepared.observations,
            units=method.units,
            inputs=prepared.n_inputs,
            direct=True,
            key=of_start,
        )
        with progress_bar(request.progress, prefix=request.prefix) as report:
            predictions = None if report is None else lambda progress: report("evolution", progress)
            result = learner.run(start, last_rows(head), key=of_run, callback=predictions)
        judged = with_readout(result.model, head, learner.penalty, learner.washout)
        noise = noise_factor_of(
            innovations(Innovations(judged), prepared), tail[:, : prepared.steps]
        )
        made = with_readout(result.model, batch, learner.penalty, learner.washout)
        made = dataclasses.replace(made, noise_factor=jnp.asarray(noise))
    made = in_modelling_precision(made)
    return predictor_fit(
        made,
        request,
        standardiser,
        method.title(),
        since=began,
        criteria=(
            ("error of free runs", float(np.sqrt(result.history.values[-1]))),
            ("generations", float(len(result.history.values))),
        ),
        stopped=result.history.stopped,
    )


def usual_learner(method: Method, rows: int) -> Evolino:
    """How many generations fit the data, unless the method says it.

    Args:
        method: the options.
        rows: of the data that are bred on.
    """
    least, most = GENERATIONS
    fitting = int(np.clip(WORK // max(min(rows, MOST_ROWS), 1), least, most))
    return method.default_learner(
        generations=method.generations or fitting, population=method.population
    )


def last_rows(batch: Batch) -> Batch:
    """The last rows of each series, so that there are not many more than `MOST_ROWS` of them."""
    lengths = np.asarray(batch.valid).sum(1)
    if lengths.sum() <= MOST_ROWS:
        return batch
    order = np.argsort(-lengths, kind="stable")
    many = max(1, MOST_ROWS // 200)  # series at most: of many some are enough
    taken = np.sort(order[:: max(1, -(-len(order) // many))])
    steps = min(int(lengths[taken].max()), -(-MOST_ROWS // len(taken)))
    begins = np.maximum(lengths[taken] - steps, 0)
    at = begins[:, None] + np.arange(steps)

    def cut(leaf: Any) -> Any:
        return jnp.asarray(np.asarray(leaf)[taken[:, None], np.minimum(at, leaf.shape[1] - 1)])

    return jax.tree.map(cut, batch)


def in_modelling_precision(predictor: RecurrentPredictor) -> RecurrentPredictor:
    """The same in the precision of models: double on a CPU."""
    with modelling_precision():
        dtype = modelling_dtype()
        return jax.tree.map(
            lambda leaf: (
                jnp.asarray(np.asarray(leaf), dtype) if eqx.is_inexact_array(leaf) else leaf
            ),
            predictor,
        )
