"""Training of a network of one's own on films, as its learner says and in raw units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.learners.gradient.backprop import Backprop
from rekalman.networks.film import FilmNetwork
from rekalman.networks.network import Network
from rekalman.training.films import Units
from rekalman.training.recurrent import each_epoch

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
    units, progress = Units(data, raw), request.progress
    result = learner.run(
        network,
        data,
        checkpoint=request.checkpoint,
        progress=progress is True,
        callback=each_epoch(progress, units.per_value),
    )
    held_out = result.validation[np.isfinite(result.validation)]
    return Fit(
        algorithm=FilmNetwork.of(result.model, None if data.dt is None else 1.0),
        standardiser=raw,
        history=History(
            log_likelihood=np.zeros(0),
            trials=(),
            stopped=result.stopped,
            seconds=result.seconds,
            entries=int(np.asarray(data.mask).sum()),
            trained=units.per_value(result.train),
            held_out=units.per_value(held_out),
        ),
        seed=request.seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind="own",
    )
