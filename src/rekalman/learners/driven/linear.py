r"""The linear model that simulates best: ARX, output error or their mean, judged on held-out stretches.

Three candidates compete by their held-out simulation error (`held_out.py`):

* ARX by least squares (`arx.py`), its order chosen by that error;
* the output-error model, ARX with as many lags as states refined by least squares of the simulation
  (`simulation_error.py`), its number of states chosen by that error;
* the mean of both simulations, whose squared error is at most the mean of theirs. It is preferred unless
  one of the two is clearly better.

If none has less error than the training mean, the model without dynamics (`y = D u + d`, no lag) remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.driven.arx import Regressor, orders
from rekalman.learners.driven.linear_simulation import balanced_scale, linear_firsts
from rekalman.learners.driven.simulation_error import SimulationError, with_noise
from rekalman.learners.driven.stability import slowest, stable_linear
from rekalman.learners.em.held_out import (
    Choice,
    Fold,
    Member,
    clearly_better,
    held_out_errors,
    is_bounded,
    outputs_of,
    root,
)
from rekalman.models.stochastic_rnn import StochasticRNN

STATES = (1, 2, 3)
OUTPUT_ERROR = SimulationError(iterations=20, ridge=1e-6, tolerance=1e-4)
NAMES = {0.0: "ARX", 0.5: "ARX and output error", 1.0: "output error"}
"""The candidates by the weight of the output-error model."""
UNBOUNDED = (
    "no linear model of these series has a bounded response to their inputs: give longer series"
)


class Linear(NamedTuple):
    """The linear candidates, judged.

    Attributes:
        order: of ARX.
        states: of the output-error model; 0 if none is bounded.
        share: weight of the output-error model beside ARX: 0, 1/2 or 1.
        errors: squared held-out errors of the choice.
        outputs: its simulation in each fold.
        scores: root mean squared error of all three.
        bases: output-error models of each fold, by their number of states.
    """

    order: tuple[int, int]
    states: int
    share: float
    errors: np.ndarray
    outputs: list[np.ndarray]
    scores: dict[str, float]
    bases: dict[int, list[Member]]


def linear_member(model: StochasticRNN, batch: Batch) -> Member:
    """A linear model with the first states that explain what is observed, and its noise."""
    firsts = linear_firsts(model, batch)
    simulated: StochasticRNN = with_noise(model, jnp.asarray(firsts), batch)
    return Member(simulated, firsts)


def chosen_order(batch: Batch, folds: list[Fold]) -> tuple[int, int]:
    """The order of ARX with the least held-out error of simulation among those with bounded responses.

    The model of each fold must have one, and that of everything, which is what may be delivered.

    Raises:
        RekalError: the series are too short for any.
    """
    tried = orders(int(np.asarray(batch.valid).sum(1).max()))
    most = max(max(order) for order in tried)
    rows = [Regressor(fold.train, most) for fold in folds]
    best, choice = np.inf, None
    for na, nb in tried:
        try:
            models = [each.arx(na, nb) for each in rows]
        except RekalError:
            continue
        members = [Member(m, linear_firsts(m, f.train)) for m, f in zip(models, folds, strict=True)]
        total = held_out_errors([outputs_of(m, batch) for m in members], batch, folds).sum()
        if total < best and all(
            is_bounded(m, batch) for m in (*members, arx_member(batch, (na, nb)))
        ):
            best, choice = total, (na, nb)
    if choice is None:
        raise RekalError(UNBOUNDED)
    return choice


def arx_member(batch: Batch, order: tuple[int, int]) -> Member:
    """The ARX model of an order as a simulation."""
    return linear_member(Regressor(batch, max(order)).arx(*order), batch)


def output_error(batch: Batch, states: int, start: Member | None = None) -> Member:
    """The output-error model of an order, from ARX with as many lags or from a given model.

    Args:
        batch: series; masked entries take no part.
        states: number of states; a multiple of the observations where there are several.
        start: where to begin instead.
    """
    if start is None:
        lags = max(1, states // batch.values.shape[2])
        model = stable_linear(Regressor(batch, lags).arx(lags, lags), slowest(batch))
        start = linear_member(model, batch)
    scaled = balanced_scale(start.model, start.firsts, batch)
    begun = linear_member(scaled, batch)
    refined = OUTPUT_ERROR.minimise(begun.model, batch, firsts=jnp.asarray(begun.firsts))
    if refined.stopped == "interrupted":
        raise KeyboardInterrupt
    return Member(cast(StochasticRNN, refined.model), np.asarray(refined.firsts))


def best_linear(
    batch: Batch, folds: list[Fold], states: Sequence[int] = STATES, seed: int = 0
) -> Linear:
    """The mean of ARX and output error, or the one that is clearly better.

    Args:
        batch: series with inputs.
        folds: how they are held out.
        states: numbers of states of the output-error models.
        seed: of the bootstrap.

    Raises:
        RekalError: there is none with a bounded response.
    """
    order = chosen_order(batch, folds)
    by_arx = [outputs_of(arx_member(fold.train, order), batch) for fold in folds]
    bases: dict[int, list[Member]] = {}
    for n in states:
        try:
            bases[n] = [output_error(fold.train, n) for fold in folds]
        except RekalError:
            continue
    runs = {n: [outputs_of(m, batch) for m in each] for n, each in bases.items()}
    usable = [n for n, each in bases.items() if all(is_bounded(m, batch) for m in each)]
    totals = {n: root(held_out_errors(runs[n], batch, folds)) for n in usable}
    best = min(totals, key=lambda n: totals[n], default=0)
    candidates, share = {0.0: by_arx}, 0.0
    if best:
        mean = [0.5 * (a + b) for a, b in zip(by_arx, runs[best], strict=True)]
        candidates |= {0.5: mean, 1.0: runs[best]}
    errors = {share: held_out_errors(y, batch, folds) for share, y in candidates.items()}
    if best:
        single = 0.0 if errors[0.0].mean() < errors[1.0].mean() else 1.0
        share = single if clearly_better(errors[single], errors[0.5], seed) else 0.5
    scores = {NAMES[s]: root(e) for s, e in errors.items()}
    return Linear(order, best, share, errors[share], candidates[share], scores, bases)


def linear_choice(batch: Batch, linear: Linear) -> Choice:
    """The linear model of everything, without the output-error model if its response is not bounded."""
    refined = output_error(batch, linear.states) if linear.share > 0 else None
    share = linear.share if refined is not None and is_bounded(refined, batch) else 0.0
    members, weights = [], []
    if share < 1:
        members.append(arx_member(batch, linear.order))
        weights.append(1 - share)
    if share > 0 and refined is not None:
        members.append(refined)
        weights.append(share)
    return Choice(members, weights, linear.scores, NAMES[share])
