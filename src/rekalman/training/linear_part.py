"""The linear part of a network on tables: a few linear models, the one that forecasts held-out data best.

The candidates are what any network has to beat: holding the last value (a random walk), holding that of a
season ago, a level with a trend and a season, each column by itself, and linear models with few states, all
columns together. Each is learned from the head of every series and scored on its tail, one to eight steps
ahead; the best one is learned again from all data.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.data.time.seasons import season_of
from rekalman.evaluation.holding import moves
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.whitening import innovations
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.em import EM
from rekalman.learners.em.priors import SAFEGUARD
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.gradient.spans import every_lead
from rekalman.learners.likelihood.likelihood import MaximumLikelihood
from rekalman.learners.start.n4sid import n4sid
from rekalman.models.gaussian import LOG_2PI
from rekalman.models.linear_model import LinearModel
from rekalman.models.structures.side_by_side import (
    random_walk,
    side_by_side,
    started,
    with_idle_states,
)
from rekalman.models.structures.structural import local_linear_trend, seasonal
from rekalman.models.structures.structures import Structure

STATES = (1, 2, 3, 4, 5, 6)
"""Numbers of states of the linear models that are tried."""
AHEAD = 8
"""Steps ahead that candidates are scored on."""
REGRESSORS = 3
"""Inputs up to which a structure is tried, where they act on the observation alone."""
ENOUGH = 2000
"""Steps that a structure is learned from: it has three or four parameters. Twice as many score."""
LINEAR = EM(
    iterations=200,
    tolerance=1e-6,
    process_noise="full",
    observation_noise="full",
    strength=SAFEGUARD,
)
"""How a linear model of all columns is learned."""


class Candidate(NamedTuple):
    """A linear model and how to learn it.

    Attributes:
        name: what it is, in words.
        sketch: learned quickly from the head, to be scored.
        learn: the model, learned with care from some series, beginning at another one.
    """

    name: str
    sketch: Callable[[], LinearModel]
    learn: Callable[[Batch, LinearModel], LinearModel]


class LinearPart(NamedTuple):
    """The candidate that was chosen.

    Attributes:
        name: what it is, in words.
        head: learned from the head of every series.
        whole: learned from all data.
        scores: of all candidates on the tails, nats per value of standardised data, best first.
    """

    name: str
    head: LinearModel
    whole: LinearModel
    scores: tuple[tuple[str, float], ...]


def linear_part(prepared: Sequences, hold_out: float) -> LinearPart:
    """Choose and learn the linear part.

    Args:
        prepared: standardised series; time steps in the unit of the data.
        hold_out: share of each series, at its end, that judges the candidates.

    Raises:
        RekalError: not even a random walk can be learned.
    """
    with jax.enable_x64(True):
        batch = batch_of(prepared)
        head, hidden = hide_after(batch, hold_out)
        sketched: list[tuple[Candidate, LinearModel]] = []
        for candidate in _candidates(prepared, head):
            with contextlib.suppress(
                RekalError
            ):  # too few data for it, or inputs that are of no use
                sketched.append((candidate, candidate.sketch()))
        if not sketched:
            raise RekalError(
                "the series are too short, or too little of them is observed, to learn from"
            )
        few, rows = _longest(batch, 2 * ENOUGH)
        scores = _scores([model for _, model in sketched], few, hidden[rows])
        order = np.argsort(-scores, kind="stable")
        best, model = sketched[order[0]]
        model = _or(lambda: best.learn(head, model), model)
        whole = _or(lambda: best.learn(batch, model), model)
        named = tuple((sketched[i][0].name, float(scores[i])) for i in order)
        return LinearPart(best.name, model, whole, named)


def batch_of(prepared: Sequences) -> Batch:
    """Arrays of the series, with the lengths of their steps."""
    batch = as_batch(dataclasses.replace(prepared, dt=None))
    if prepared.dt is None:
        return batch
    more = batch.values.shape[1] - prepared.steps
    dt = np.pad(np.asarray(prepared.dt), [(0, 0), (0, more)], mode="edge")
    return batch._replace(dt=jnp.asarray(dt, batch.values.dtype))


def _or(learn: Callable[[], LinearModel], model: LinearModel) -> LinearModel:
    """What is learned, or the model from which the learning began where it breaks down."""
    try:
        return learn()
    except RekalError:
        return model


def _candidates(prepared: Sequences, head: Batch) -> list[Candidate]:
    interval = None if prepared.dt is None else float(prepared.interval or 1.0)
    period = None if interval is not None else season_of(prepared, np.asarray(head.mask))

    def walk(period: int) -> Candidate:
        learn = lambda batch: _walk(prepared, batch, period, interval)  # noqa: E731
        name = "random walk" if period == 1 else f"random walk of each of {period} seasons"
        return Candidate(name, lambda: learn(head), lambda batch, _: learn(batch))

    candidates = [walk(1)]
    structure, name = local_linear_trend(), "level and trend"
    if period is not None:
        candidates.append(walk(period))
        structure, name = structure + seasonal(period), f"level, trend and {period} seasons"
    if prepared.n_inputs <= REGRESSORS:
        structure = structure if interval is None else structure.continuous(interval)
        if prepared.n_inputs:
            structure = structure.with_inputs(prepared.input_names)
        learn = _structured(structure)
        candidates.append(Candidate(name, lambda: learn(head), lambda batch, _: learn(batch)))
    if interval is None:
        candidates += [_linear(head, states) for states in STATES]
    return candidates


def _walk(prepared: Sequences, batch: Batch, period: int, interval: float | None) -> LinearModel:
    """Holding the last value, or that of a period ago."""
    values, mask = np.asarray(batch.values), np.asarray(batch.mask)
    if period == 1:
        shown = np.asarray(batch.mask)[:, : prepared.steps]
        moved, elapsed = moves(dataclasses.replace(prepared, mask=shown))
        squares = moved**2 / elapsed
    else:
        both = mask[:, period:] & mask[:, :-period]
        squares = np.where(both, (values[:, period:] - values[:, :-period]) ** 2, np.nan)
    count = np.isfinite(squares).sum((0, 1))
    variance = np.nansum(squares, (0, 1)) / np.maximum(count, 1)
    if not (count.all() and (variance > 0).all()):
        raise RekalError("a column is not seen often enough, or does not move")
    return random_walk(variance, period, prepared.n_inputs, interval)


def _structured(structure: Structure) -> Callable[[Batch], LinearModel]:
    """A structure for each column, by maximum likelihood."""
    before: dict[int, Structure] = {}

    def learn(batch: Batch) -> LinearModel:
        few, _ = _longest(batch, ENOUGH)
        models = []
        for j in range(batch.values.shape[-1]):
            column = few._replace(values=few.values[..., j : j + 1], mask=few.mask[..., j : j + 1])
            start = before.get(j)
            if start is None:
                longest = int(np.argmax(np.asarray(column.mask).sum((1, 2))))
                length = int(np.asarray(column.valid)[longest].sum())
                y = np.where(column.mask[longest], column.values[longest], np.nan)[:length]
                u = None if column.inputs is None else np.asarray(column.inputs)[longest, :length]
                start = structure.start(y, u)
            estimate = MaximumLikelihood(errors=False, iterations=100).run(start, column)
            before[j] = cast(Structure, estimate.structure)
            models.append(started(cast(LinearModel, estimate.model)))
        return side_by_side(models)

    return learn


def _linear(head: Batch, states: int) -> Candidate:
    """A linear model of all columns, by subspace identification; where it is chosen by EM."""

    def sketch() -> LinearModel:
        return started(
            n4sid(
                np.asarray(head.values),
                np.asarray(head.mask),
                states,
                inputs=None if head.inputs is None else np.asarray(head.inputs),
                lengths=np.asarray(head.valid).sum(1),
            )
        )

    def learn(batch: Batch, start: LinearModel) -> LinearModel:
        return started(cast(LinearModel, LINEAR.run(start, batch).model))

    return Candidate(f"linear, {states} state{'s' * (states > 1)}", sketch, learn)


def _longest(batch: Batch, enough: int) -> tuple[Batch, np.ndarray]:
    """The longest series, as many as have enough steps together, and their numbers."""
    lengths = np.asarray(batch.valid).sum(1)
    order = np.argsort(-lengths, kind="stable")
    count = int(np.searchsorted(np.cumsum(lengths[order]), enough)) + 1
    rows = np.sort(order[:count])
    return Batch(*(None if leaf is None else leaf[rows] for leaf in batch)), rows  # pyright: ignore


def _scores(models: list[LinearModel], batch: Batch, hidden: np.ndarray) -> np.ndarray:
    """Mean log density of the tails, each entry from 1 to `AHEAD` steps before.

    All models have as many states here, so that one compiled filter serves them.
    """
    counted = np.asarray(batch.mask) & hidden[..., None]
    most = max(model.states for model in models)
    totals = np.zeros(len(models))
    for i, model in enumerate(models):
        kalman = Kalman(with_idle_states(model, most))
        for blind in every_lead(hidden, AHEAD):
            tail = innovations(kalman, batch.values, batch.mask, batch.inputs, batch.dt, blind)
            white, log_scale = np.asarray(tail.white), np.asarray(tail.log_scale)
            density = -0.5 * (LOG_2PI + white**2) - log_scale
            totals[i] += density[counted].sum()
    scores = totals / max(AHEAD * int(counted.sum()), 1)
    return np.where(np.isfinite(scores), scores, -np.inf)
