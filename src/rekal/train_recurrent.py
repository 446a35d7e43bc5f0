"""Training of networks on tables by name: RKN, LSTM, GRU and Elman, as forecasters of the next row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from rekal.errors import RekalError
from rekal.fit_network import NetworkFit
from rekal.forecast import Labels
from rekal.history import History
from rekal.learning.backprop import Backprop
from rekal.learning.checkpoints import check_checkpoints
from rekal.learning.em import Progress
from rekal.learning.pieces import pieces
from rekal.learning.training_bar import BackpropProgress, BackpropReport
from rekal.networks.decoders import GaussianHead
from rekal.networks.elman import Elman
from rekal.networks.encoders import DenseEncoder
from rekal.networks.gru import GRU
from rekal.networks.layer import Layer
from rekal.networks.lstm import LSTM
from rekal.networks.network import Network
from rekal.networks.rkn import RKN
from rekal.networks.table import TableNetwork, row_width
from rekal.sequences import Sequences
from rekal.sequences.standardiser import Standardiser

NETWORKS = ("rkn", "lstm", "gru", "elman")
BASELINES = {"lstm": LSTM, "gru": GRU, "elman": Elman}

USUAL = {"batch": 16, "rate": 3e-3, "blackouts": 0.3, "span_length": 6.0}
"""Settings of `Backprop` that fit tables: hidden spans teach how a forecast loses certainty."""

UPDATES = 1500  # steps of Adam that the default number of epochs comes to
LENGTH, WARM_UP = 64, 32  # steps of a piece that count, and that come before


@dataclasses.dataclass(frozen=True)
class RecurrentOptions:
    """What the training of a network by name can be told.

    Attributes:
        states: size of the latent observation.
        units: length of the hidden vector of LSTM, GRU and Elman; None = four for each state.
        hold_out: share at the end of each series that is not trained on, but chooses the epoch.
        checkpoint: folder to continue from, or None.
    """

    states: int = 10
    units: int | None = None
    hold_out: float = 0.2
    checkpoint: str | Path | None = None


def train_recurrent(
    data: Sequences,
    kind: str,
    learner: Backprop | None,
    options: RecurrentOptions,
    seed: int,
    progress: bool | Callable[[str, Progress], None],
) -> NetworkFit:
    """Train a network to tell each row before it comes.

    Args:
        data: in raw units.
        kind: one of `NETWORKS`.
        learner: how to train; default `usual_learner`.
        options: what the network is, and what is held out.
        seed: of its first weights, and of the default learner.
        progress: True shows a bar on stderr; a function is called after each epoch.

    Raises:
        RekalError: a part of the data is too short, or as for `Backprop.run`.
    """
    if options.checkpoint is not None:
        check_checkpoints(options.checkpoint)
    standardiser = Standardiser.of(data)
    prepared = standardiser.apply(data)
    interval = None
    if data.dt is not None:
        interval = float(data.interval or 1.0)
        prepared = dataclasses.replace(prepared, dt=np.asarray(data.dt) / interval)
    cut = 1 - options.hold_out
    shown = [pieces(prepared, a, b, LENGTH, WARM_UP) for a, b in ((0.0, cut), (cut, 1.0))]
    units = [_Units(part, standardiser) for part in shown]
    if learner is None:
        learner = usual_learner(shown[0].batch, seed)
    network = make_network(kind, data, options, jax.random.key(seed))
    found = learner.run(
        network,
        shown[0],
        shown[1],
        checkpoint=options.checkpoint,
        progress=progress if isinstance(progress, bool) else _each_epoch(progress, units[0]),
    )
    return NetworkFit(
        table=TableNetwork(found.network, data.observations, interval),
        standardiser=standardiser,
        history=History(
            log_likelihood=np.zeros(0),
            trials=(),
            stopped=found.stopped,
            seconds=found.seconds,
            entries=int(np.asarray(data.mask).sum()),
            trained=units[0].per_value(found.train),
            held_out=units[1].per_value(found.validation),
        ),
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
    )


def usual_learner(series: int, seed: int) -> Backprop:
    """What trains on so many pieces, where nothing else is asked for."""
    batches = -(-series // USUAL["batch"])
    return Backprop(**USUAL, epochs=max(10, round(UPDATES / batches)), seed=seed)


def make_network(kind: str, data: Sequences, options: RecurrentOptions, key: jax.Array) -> Network:
    """A network with fresh weights for the rows of some data.

    Raises:
        RekalError: a size that is none.
    """
    of_encoder, of_layer, of_decoder = jax.random.split(key, 3)
    latent, columns, timed = options.states, data.observations, data.dt is not None
    encoder = DenseEncoder((row_width(columns),), latent, (64,), normalise=None, key=of_encoder)
    # Flags of columns that are never missing in the training data stay without effect.
    weight = lambda tree: tree.body.layers[0].weight  # noqa: E731
    encoder = eqx.tree_at(weight, encoder, weight(encoder).at[columns:].set(0))
    layer: Layer
    if kind == "rkn":
        how = {"timed": "coefficients" if timed else "ignored"}
        layer = RKN.create(latent, inputs=data.n_inputs, key=of_layer, **how)
    else:
        layer = BASELINES[kind].create(
            latent, units=options.units, inputs=data.n_inputs, timed=timed, key=of_layer
        )
    mean, spread = layer.sizes
    decoder = GaussianHead(mean, spread, columns, (32,), "tanh", floor=1e-6, key=of_decoder)
    return Network(encoder, layer, decoder, told="prior")


class _Units:
    """From nats for each step of standardised pieces to nats for each value of raw data."""

    def __init__(self, part: Sequences, standardiser: Standardiser) -> None:
        known = np.isfinite(np.asarray(part.targets))
        if not known.any():
            raise RekalError(
                "too little is observed at the end or the beginning of the series: give longer series, or "
                "another hold_out"
            )
        self._steps = known.any(-1).sum() / known.sum()
        self._volume = (known * np.log(np.asarray(standardiser.scale))).sum() / known.sum()

    def per_value(self, loss: np.ndarray) -> np.ndarray:
        return -loss.astype(np.float64) * self._steps - self._volume


def _each_epoch(progress: Callable[[str, Progress], None], units: _Units) -> BackpropReport:
    def report(now: BackpropProgress) -> None:
        if now.batch == now.batches:
            told = units.per_value(np.array([now.train]))
            progress("training", Progress(now.epoch, now.epochs, float(told[0])))

    return report
