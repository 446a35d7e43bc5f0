r"""Held-out stretches of simulation, and when one simulation is clearly better than another on them.

A stretch is held out by masking it: the simulation runs through the whole series from its inputs, is trained
on what is not masked, and is scored on what is. Four blocks of each series take turns.

With squared errors `a_t` of a reference and `b_t` of a candidate, blocks of the differences `a_t - b_t` are
drawn again (the moving-block bootstrap, Kuensch 1989). The candidate is clearly better if its root mean
squared error is below `GAIN` of the reference's and the mean difference is positive in `SURE` of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from rekalman.learners.batch import Batch
from rekalman.learners.driven.linear_simulation import network_run
from rekalman.learners.driven.stability import responds, trial_inputs
from rekalman.models.stochastic_rnn import StochasticRNN

HELD_OUT = ((0.1, 0.325), (0.325, 0.55), (0.55, 0.775), (0.775, 1.0))
"""Of each series, one stretch after the other; what comes before the first always tells the first state."""
SURE = 0.95
GAIN = 0.95
DRAWS = 400
BLOCKS = 12  # about so many blocks make the held-out stretches


class Fold(NamedTuple):
    """One way to hold out.

    Attributes:
        train: the series with the held-out stretch masked.
        judged: what is scored `(batch, steps, obs)`.
    """

    train: Batch
    judged: np.ndarray


class Member(NamedTuple):
    """A model with the first state of each series, in double precision."""

    model: StochasticRNN
    firsts: np.ndarray


class Choice(NamedTuple):
    """What is delivered.

    Attributes:
        members: models whose simulations are averaged.
        weights: how, with the sum 1.
        errors: held-out root mean squared error of every candidate, by name.
        name: the candidate that was chosen.
        interrupted: whether Ctrl-C ended the search before all candidates were trained.
    """

    members: list[Member]
    weights: list[float]
    errors: dict[str, float]
    name: str
    interrupted: bool = False


def folds_of(batch: Batch) -> list[Fold]:
    """Every stretch held out in turn, the same in all series."""
    mask = np.asarray(batch.mask)
    lengths = np.asarray(batch.valid).sum(1)[:, None]
    at = np.arange(mask.shape[1])[None, :]
    folds = []
    for begin, end in HELD_OUT:
        hidden = (at >= np.floor(begin * lengths)) & (at < np.floor(end * lengths))
        rest, judged = mask & ~hidden[..., None], mask & hidden[..., None]
        if rest.any() and judged.any():
            folds.append(Fold(batch._replace(mask=jnp.asarray(rest)), judged))
    return folds


def outputs_of(member: Member, batch: Batch) -> np.ndarray:
    """Its simulation of the whole series."""
    inputs = np.asarray(batch.inputs, np.float64)
    return network_run(member.model, member.firsts, inputs)


def is_bounded(member: Member, batch: Batch) -> bool:
    """Whether its response to inputs of the range of training stays near the range of training."""
    trials = trial_inputs(batch)
    firsts = np.broadcast_to(np.asarray(member.model.m), (len(trials), member.model.states))
    return responds(network_run(member.model, firsts, trials), batch)


def squared(outputs: np.ndarray, batch: Batch, judged: np.ndarray) -> np.ndarray:
    """Squared errors of what is judged, in the order of time; infinite where they are no numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = (outputs - np.asarray(batch.values, np.float64))[judged] ** 2
    return np.where(np.isfinite(gaps), gaps, np.inf)


def held_out_errors(
    outputs: Sequence[np.ndarray], batch: Batch, folds: Sequence[Fold]
) -> np.ndarray:
    """Squared errors of all folds, given the simulation of each."""
    pairs = zip(outputs, folds, strict=True)
    return np.concatenate([squared(y, batch, fold.judged) for y, fold in pairs])


def root(errors: np.ndarray) -> float:
    """Root of the mean."""
    return float(np.sqrt(errors.mean()))


def clearly_better(errors: np.ndarray, reference: np.ndarray, seed: int) -> bool:
    """Whether squared errors are clearly less than those of a reference (see the module text)."""
    if not np.isfinite(errors).all() or not root(errors) < GAIN * root(reference):
        return False
    gains, count = reference - errors, len(errors)
    length = max(1, count // BLOCKS)
    random = np.random.default_rng(seed)
    starts = random.integers(0, count, size=(DRAWS, -(-count // length)))
    rows = (starts[:, :, None] + np.arange(length)) % count
    means = gains[rows.reshape(DRAWS, -1)].mean(1)
    return bool((means > 0).mean() >= SURE)
