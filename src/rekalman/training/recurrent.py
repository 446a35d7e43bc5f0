"""Training of networks on tables by name: RKN, LSTM, GRU and Elman, which correct a linear filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.data.scales.volume import log_volume
from rekalman.evaluation.baselines import move_variance
from rekalman.filters.corrected import CorrectedTable, shown_width
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.gradient.backprop import Backprop
from rekalman.learners.gradient.pieces import joined, pieces
from rekalman.learners.gradient.shuffling import spans
from rekalman.learners.gradient.spans import every_lead
from rekalman.learners.protocol import Progress
from rekalman.models.gaussian import LOG_2PI
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import DenseEncoder
from rekalman.networks.layer import Layer
from rekalman.networks.network import Network
from rekalman.training.calibration import NEAR, calibrate, shown_to
from rekalman.training.epochs import Units, each_epoch, history_of
from rekalman.training.linear_part import batch_of, linear_part
from rekalman.training.warnings import STRAY, behind_holding, learned_steps, leaves_range

UPDATES = 1500  # steps of Adam that the default number of epochs comes to
WAIT = 250  # steps of Adam without a better epoch after which the default learner stops
WAYS = 4  # ways of hiding steps in which every series is trained on, and judged
UNCALIBRATED = ("the calibration was interrupted, so that intervals may be too narrow: fit again",)
LENGTH, WARM_UP = 64, 32  # steps of a piece that count, and that come before


def train_recurrent(
    data: Sequences,
    kind: str,
    make: Callable[[jax.Array], Network],
    learner: Backprop | None,
    usual: Backprop,
    hold_out: float,
    standardiser: Standardiser | Panel,
    seed: int,
    progress: bool | Callable[[str, Progress], None],
    checkpoint: str | Path | None = None,
) -> Fit:
    """Train a network to correct what a linear filter says of each row before it comes.

    The linear part is learned first (`linear_part`), from the head of every series. The network starts from
    no correction and is trained on the head, with steps hidden as in forecasts; the tail chooses the epoch
    and calibrates what comes of it (`calibrate`). Then the linear part is learned again from everything.

    Args:
        data: in raw units.
        kind: name of the method.
        make: the network with fresh weights, from a random key.
        learner: how to train, or None for `usual` with as many epochs as fit the data.
        usual: settings that fit tables; hidden spans teach how a forecast loses certainty.
        hold_out: share at the end of each series that is not trained on, but chooses the epoch.
        standardiser: from raw to standardised units.
        seed: of its first weights, of the hidden steps, and of the default learner.
        progress: True shows a bar on stderr; a function is called after each epoch.
        checkpoint: folder to continue from, or None.

    Raises:
        RekalError: a part of the data is too short, or as for `Backprop.run`.
    """
    prepared = standardiser.apply(data)
    interval = None if data.dt is None else float(data.interval or 1.0)
    network = make(jax.random.key(seed))
    linear = linear_part(prepared, hold_out)
    with jax.enable_x64(True):
        batch = batch_of(prepared)
        tail = hide_after(batch, hold_out)[1]
    bounds = _bounds(batch, tail)
    table = CorrectedTable.of(network, linear.head, interval, bounds)
    volume = log_volume(standardiser.rows(data), data)
    parts = training_parts(table, prepared, batch, volume, hold_out, learner or usual, usual, seed)
    units = [_units_of(part) for part in parts]
    if learner is None:
        learner = with_epochs(usual, parts[0].pieces.batch, seed)
    result = dataclasses.replace(learner, mask_probability=0.0).run(
        network,
        parts[0].pieces,
        parts[1].pieces,
        checkpoint=checkpoint,
        progress=progress is True,
        callback=each_epoch(progress, units[0].per_value),
    )
    learned = learned_steps(prepared, hold_out)
    # Leads are counted in steps, whatever their length.
    each = move_variance(dataclasses.replace(prepared, dt=None), learned)
    known = np.isfinite(each)
    moved = np.where(known, each, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    tables, warnings = {}, UNCALIBRATED
    try:
        trained = CorrectedTable.of(result.model, linear.head, interval, bounds)
        calibration = calibrate(trained, batch, tail, moved)
    except KeyboardInterrupt:  # what was learned is not lost
        pass
    else:
        tables = {"gate": calibration.gate, "factor": calibration.factor}
        warnings = behind_holding(calibration.horizons)
    return Fit(
        algorithm=CorrectedTable.of(result.model, linear.whole, interval, bounds, **tables),
        standardiser=standardiser,
        history=history_of(
            result,
            data,
            units[0].per_value(result.train),
            units[1].per_value(result.validation),
            linear=linear.name,
            linear_score=float(units[1].per_value(np.array([no_correction(parts[1].pieces)]))[0]),
            warnings=warnings,
        ),
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
    )


class Part(NamedTuple):
    """A part of the data, as the network is trained or judged on it.

    Attributes:
        pieces: of the series, shown in several ways.
        volume: what to subtract from a log density of a whitened value to get that of a raw one, on average.
    """

    pieces: Sequences
    volume: float


def training_parts(
    table: CorrectedTable,
    prepared: Sequences,
    batch: Batch,
    volume: Float[np.ndarray, "batch steps obs"],
    hold_out: float,
    learner: Backprop,
    usual: Backprop,
    seed: int,
) -> tuple[Part, Part]:
    """The head of every series to train on, and its tail to judge by, with steps hidden in several ways.

    Args:
        table: the linear filter whose innovations the network is shown.
        prepared: standardised series.
        batch: the same as arrays.
        volume: of the raw series (`log_volume`).
        hold_out: share of each series that is held out.
        learner: says which share of the steps is hidden, and in spans of which mean length.
        usual: says which share is hidden where the learner hides none.
        seed: of the hidden steps of the head.
    """
    tail = hide_after(batch, hold_out)[1]
    share, mean = learner.mask_probability or usual.mask_probability, learner.span_length
    random = np.random.default_rng((seed, 0))
    trained = [spans(random, tail.shape, float(share), float(mean)) for _ in range(WAYS)]
    judged = [np.zeros_like(tail), *every_lead(tail, NEAR, WAYS - 1)]
    timed = prepared
    if prepared.dt is not None and table.interval is not None:
        timed = dataclasses.replace(prepared, dt=np.asarray(prepared.dt) / table.interval)
    cut, steps = 1 - hold_out, volume.shape[1]

    def part(ways: list[np.ndarray], begin: float, end: float, where: np.ndarray) -> Part:
        made, total, count = [], 0.0, 0
        counted = (np.asarray(batch.mask) & where[..., None])[:, :steps]
        for hidden in ways:
            shown, whitened = shown_to(table, batch, hidden)
            made.append(pieces(timed, begin, end, LENGTH, WARM_UP, shown))
            total += float((np.asarray(whitened.log_scale)[:, :steps] + volume)[counted].sum())
            count += int(counted.sum())
        return Part(joined(made), total / max(count, 1))

    return part(trained, 0.0, cut, ~tail), part(judged, cut, 1.0, tail)


def no_correction(part: Sequences) -> float:
    """The loss of whitened innovations under the linear part alone, in nats a step, as `Backprop` has it."""
    wanted = np.asarray(part.targets)
    known = np.isfinite(wanted)
    each = 0.5 * (LOG_2PI + np.where(known, wanted, 0.0) ** 2)
    return float(np.where(known, each, 0.0).sum() / max(known.any(-1).sum(), 1))


def _bounds(batch: Batch, tail: np.ndarray) -> np.ndarray:
    """Range of each column before the tail; 0 where the tail leaves it: then the network is shown none."""
    values, mask = np.asarray(batch.values), np.asarray(batch.mask)
    before = mask & ~tail[..., None]
    low = np.where(before, values, np.inf).min((0, 1))
    high = np.where(before, values, -np.inf).max((0, 1))
    stays = leaves_range(values, mask, tail) <= STRAY
    return np.where(stays & np.isfinite(low), np.stack([low, high]), 0.0)


def with_epochs(usual: Backprop, series: int, seed: int) -> Backprop:
    """The usual learner with as many epochs as that many pieces take."""
    batches = -(-series // usual.batch)
    epochs, patience = (max(5, round(updates / batches)) for updates in (UPDATES, WAIT))
    return dataclasses.replace(usual, epochs=epochs, patience=patience, seed=seed)


def make_network(
    make_layer: Callable[[jax.Array], Layer], data: Sequences, latent: int, key: jax.Array
) -> Network:
    """A network with fresh weights for the rows of some data.

    Args:
        make_layer: the recurrent layer, from a random key.
        data: whose rows it reads and forecasts.
        latent: size of the latent observation.
        key: randomness of the weights.

    Raises:
        RekalError: a size that is none.
    """
    of_encoder, of_layer, of_decoder = jax.random.split(key, 3)
    columns = data.observations
    encoder = DenseEncoder((shown_width(columns),), latent, (64,), normalise=None, key=of_encoder)
    # Flags of columns that are never missing in the training data stay without effect.
    weight = lambda tree: tree.body.layers[0].weight  # noqa: E731
    encoder = eqx.tree_at(weight, encoder, weight(encoder).at[2 * columns :].set(0))
    layer = make_layer(of_layer)
    mean, spread = layer.sizes
    decoder = GaussianHead(mean, spread, columns, (32,), "tanh", floor=0.0, key=of_decoder)
    # No correction to begin with: mean 0, variance 1.
    last = lambda head: (head.mean.weight, head.mean.bias, head.var.weight, head.var.bias)  # noqa: E731
    decoder = eqx.tree_at(last, decoder, jax.tree.map(jnp.zeros_like, last(decoder)))
    return Network(encoder, layer, decoder, decodes="prior")


def _units_of(part: Part) -> Units:
    """The units of the losses of a part.

    Raises:
        RekalError: nothing of it is known.
    """
    known = np.isfinite(np.asarray(part.pieces.targets))
    if not known.any():
        raise RekalError(
            "too little is observed at the end or the beginning of the series: give longer series, or "
            "another hold_out"
        )
    return Units.of(known, part.volume)
