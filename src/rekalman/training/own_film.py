"""Training of a network of one's own on films, as its learner says and in raw units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.learners.gradient.backprop import Backprop
from rekalman.learners.gradient.shuffling import held_out
from rekalman.networks.film import FilmNetwork
from rekalman.networks.network import Network
from rekalman.training.epochs import each_epoch, history_of
from rekalman.training.films import units_of

if TYPE_CHECKING:
    from rekalman.methods.request import TrainingRequest


def train_own_film(
    network: Network, request: TrainingRequest, learner: Backprop, raw: Standardiser
) -> Fit:
    """Train a network from the weights it has.

    Its distributions stay as it gives them: only its learner holds series out.

    Args:
        network: to begin with.
        request: films with targets, and where checkpoints go.
        learner: how to train.
        raw: the units of the targets, as they are.

    Raises:
        RekalError: as for `Backprop.run`.
    """
    data: Any = request.data
    learned = judged = data
    if learner.hold_out:
        learned, judged = (
            data.take(which) for which in held_out(data.batch, learner.hold_out, learner.seed)
        )
    units, progress = units_of(learned, raw), request.progress
    result = learner.run(
        network,
        data,
        checkpoint=request.checkpoint,
        progress=progress is True,
        callback=each_epoch(progress, units.per_value),
    )
    validation = result.validation[np.isfinite(result.validation)]
    return Fit(
        algorithm=FilmNetwork.of(result.model, None if data.dt is None else 1.0),
        standardiser=raw,
        history=history_of(
            result,
            data,
            units.per_value(result.train),
            units_of(judged, raw).per_value(validation),
        ),
        seed=request.seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind="own",
    )
