r"""Training of networks that watch films: RKN, LSTM, GRU and Elman tell the targets of each step from frames.

Of five series and more some are held out whole, of fewer the end of each. What is held out chooses the epoch,
and how wide the distributions are: with errors $e$ and standard deviations $s$ of the network, a target's
deviations are multiplied by

$$w = q_{0.9}(|e| / s) / \Phi^{-1}(0.95),$$

after which the 90 % interval holds 90 % of the held-out targets; of a factor below 1 only the square root is
taken, since an interval that is too narrow costs more than one that is too wide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from rekalman.data.filmed import FilmedSequences
from rekalman.data.scales.panel import Panel
from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.result import Fit
from rekalman.fitting.verbs import filter_paths, one_step
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.backprop import Backprop
from rekalman.learners.gradient.shuffling import held_out
from rekalman.learners.protocol import Progress
from rekalman.networks.film import FilmNetwork
from rekalman.networks.network import Network
from rekalman.training.epochs import Units, each_epoch, history_of
from rekalman.training.recurrent import UNCALIBRATED, with_epochs

ENOUGH = 5
"""With so many series whole ones are held out, with fewer the end of each."""
FEWEST = 20
"""Held-out values of a target from which its intervals are calibrated."""


class Split(NamedTuple):
    """Films to train on, and films to judge by."""

    train: Any
    judged: Any


def train_on_films(
    data: Any,
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
    """Train a network to tell the targets of each step from the frames so far.

    Args:
        data: `FilmedSequences`, in raw units.
        kind: name of the method.
        make: the network with fresh weights, from a random key.
        learner: how to train, or None for `usual` with as many epochs as fit the films.
        usual: settings that fit most films; hidden spans teach how a forecast loses certainty.
        hold_out: share that is not trained on, but chooses the epoch.
        standardiser: from raw to standardised units.
        seed: of the first weights, of what is held out, and of the default learner.
        progress: True shows a bar on stderr; a function is called after each epoch.
        checkpoint: folder to continue from, or None.

    Raises:
        RekalError: no target is known in a part, or as for `Backprop.run`.
    """
    prepared, interval = standardiser.apply(data), None
    if data.dt is not None:  # the network knows the usual step as 1
        interval = float(data.interval or 1.0)
        prepared = dataclasses.replace(prepared, dt=np.asarray(data.dt) / interval)
    split = split_films(prepared, hold_out, seed)
    _check_known(split)
    if learner is None:
        learner = with_epochs(usual, split.train.batch, seed)
    units = [units_of(part, standardiser) for part in split]
    result = learner.run(
        make(jax.random.key(seed)),
        split.train,
        split.judged,
        checkpoint=checkpoint,
        progress=progress is True,
        callback=each_epoch(progress, units[0].per_value),
    )
    judged = split.judged if interval is None else _timed(split.judged, interval)
    algorithm, figures, warnings = FilmNetwork.of(result.model, interval), (), UNCALIBRATED
    try:
        algorithm = calibrated(algorithm, judged)
        figures, warnings = held_out_figures(algorithm, judged, standardiser), ()
    except KeyboardInterrupt:  # what was learned is not lost
        pass
    return Fit(
        algorithm=algorithm,
        standardiser=standardiser,
        history=history_of(
            result,
            data,
            units[0].per_value(result.train),
            units[1].per_value(result.validation),
            criteria=figures,
            warnings=warnings,
        ),
        seed=seed,
        labels=Labels.of(data),
        input_names=data.input_names,
        kind=kind,
    )


def split_films(data: Any, hold_out: float, seed: int) -> Split:
    """Whole series held out where there are enough of them, else the end of each.

    Args:
        data: `FilmedSequences`.
        hold_out: share of the series, or of the steps of each.
        seed: of which series are held out.
    """
    if data.batch >= ENOUGH:
        parts = [data.take(which) for which in held_out(data.batch, hold_out, seed)]
        return Split(*parts)
    train, _ = data.split(1 - hold_out)
    before = np.arange(data.steps) < np.asarray(train.lengths)[:, None]
    tail = np.asarray(data.mask) & ~before[..., None]
    return Split(train, dataclasses.replace(data, mask=tail))


def _check_known(split: Split) -> None:
    """Refuse a split that leaves nothing to learn a target from, or nothing to choose the epoch by.

    Raises:
        RekalError: it does.
    """
    names, known = split.train.names, np.asarray(split.train.mask).any((0, 1))
    if not known.all():
        raise RekalError(
            f"no value of the target '{names[int(np.argmin(known))]}' is left to learn from, since others "
            "are held out: give another hold_out or seed, or more targets"
        )
    if not np.asarray(split.judged.mask).any():
        raise RekalError(
            "nothing is known of the targets that are held out to choose the epoch: give another hold_out "
            "or seed, or more targets"
        )


def calibrated(trained: FilmNetwork, judged: FilmedSequences) -> FilmNetwork:
    """The same with intervals that hold what they promise on held-out films.

    Args:
        trained: with the deviations of the network.
        judged: held-out films in standardised units.
    """
    if trained.binary:
        return trained
    z = _errors(trained, judged)
    factor = np.ones(trained.observations, np.float32)
    for k in range(len(factor)):
        each = np.abs(z[..., k][np.isfinite(z[..., k])])
        if len(each) >= FEWEST:
            ratio = float(np.quantile(each, 0.9) / ndtri(0.95))
            factor[k] = ratio if ratio > 1 else np.sqrt(max(ratio, 1e-2))
    return dataclasses.replace(trained, widening=jax.numpy.asarray(factor))


def held_out_figures(
    algorithm: FilmNetwork, judged: FilmedSequences, standardiser: Any
) -> tuple[tuple[str, float], ...]:
    """What the network is worth on held-out films, in raw units, for the summary."""
    mean, var, _ = one_step(_path(algorithm, judged), judged)
    error = np.where(np.asarray(judged.mask), np.asarray(judged.values) - mean, np.nan)
    raw = error * np.asarray(standardiser.scale)
    if algorithm.binary:
        return (("held-out RMSE of a pixel", float(np.sqrt(np.nanmean(raw**2)))),)
    inside = np.abs(error) <= ndtri(0.95) * np.sqrt(var)
    figures = []
    for k, name in enumerate(judged.names):
        known = np.isfinite(error[..., k])
        if known.any():
            figures += [
                (f"held-out RMSE of {name}", float(np.sqrt(np.mean(raw[..., k][known] ** 2)))),
                (f"held in 90 % of {name}", float(inside[..., k][known].mean())),
            ]
    return tuple(figures)


def _errors(trained: FilmNetwork, judged: FilmedSequences) -> Float[np.ndarray, "batch steps obs"]:
    """Errors in units of the standard deviations; NaN where a target is not known."""
    mean, var, _ = one_step(_path(trained, judged), judged)
    error = (np.asarray(judged.values) - mean) / np.sqrt(var)
    return np.where(np.asarray(judged.mask), error, np.nan)


def _path(algorithm: FilmNetwork, films: FilmedSequences) -> Any:
    return filter_paths(algorithm, films, jax.random.key(0))


def _timed(films: Any, interval: float) -> Any:
    """The same with steps in the unit of the data again."""
    return dataclasses.replace(films, dt=np.asarray(films.dt) * interval)


def units_of(part: FilmedSequences, standardiser: Any) -> Units:
    """The units of the losses of some films.

    Args:
        part: films whose loss is counted.
        standardiser: of their targets.
    """
    mask = np.asarray(part.mask)
    volume = np.sum(mask * np.log(np.asarray(standardiser.scale))) / max(int(mask.sum()), 1)
    return Units.of(mask, float(volume))
