r"""Which linear model: state-space models of several orders, or a vector autoregression by ridge regression.

State-space models hold noise of the observations and few states; an autoregression holds long memory of
precise columns, for which EM would need many states and iterations. All are learned from the first part of
every series and judged by the log density of the rest, one step ahead.

1. Subspace models of several orders are scored in closed form (`learners/start/screening.py`), and the
   autoregression is.
2. Unless the autoregression leads by `LEAD` nats per value, which EM has not been seen to make up, the best
   few orders are trained by EM and the one with the least BIC stands for them.
3. The autoregression takes its place if it is better by `SURE` standard error of the mean difference of their
   log densities step by step (Diebold and Mariano 1995): among equals the one with fewer parameters, by the
   rule of one standard error (Breiman et al. 1984).

One column is quick: its orders are all trained. Of many series some are enough to choose by, spread evenly
over all; what is chosen is then trained on all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from rekalman.data import Sequences
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.start.order import choose_order
from rekalman.learners.start.ridge_ar import RidgeAR
from rekalman.learners.start.screening import screened
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.placing import placed
from rekalman.training.ridge_ar import chosen_autoregression, lags_of, model_of, series_of

HOLD_OUT = 0.2  # share of each series, at its end, that judges
ORDERS = (1, 2, 3, 4, 5, 6)
"""Numbers of states that are tried, beside that of the columns and half as many more."""
MOST_ORDER = 12  # states beyond which EM takes too long to be tried
TRAINED = 3  # numbers of states that EM is tried with, of several columns
LEAD = 0.15  # nats per value
SURE = 1.0
MANY, FEWEST = 50, 10
"""Steps that judge, at least, for a lead to settle the matter, and for a comparison of any kind."""


ENOUGH = 20_000
"""Samples of several series that are enough to choose by."""


class LinearChoice(NamedTuple):
    """What was chosen.

    Attributes:
        start: the state-space model that was, learned from the data it was chosen by; None where an
            autoregression is better.
        trials: candidates and their scores in nats per value of standardised data, first the chosen one.
    """

    start: LinearGaussian | None
    trials: tuple[tuple[str, float], ...]


def choose_linear(prepared: Sequences, batch: Batch) -> LinearChoice:
    """Choose a linear model of standardised data.

    Args:
        prepared: the data.
        batch: the same in double precision.

    Raises:
        RekalError: there are too few data for any.
    """
    if (which := _enough(np.asarray(prepared.lengths))) is not None:
        prepared = prepared.take(which)
        batch = jax.tree.map(lambda leaf: placed(np.asarray(leaf)[which]), batch)
    train, hidden = hide_after(batch, HOLD_OUT)
    entries = np.asarray(batch.mask) & hidden[..., None]
    series, observed = series_of(prepared)
    heads = np.asarray(train.valid).sum(1).tolist()
    ridge = _autoregression(batch, series, observed, heads)
    trials = []
    if ridge is not None:
        name = f"autoregression of {lags_of(ridge[0].lags)}"
        trials.append((name, float(ridge[1][hidden].sum()) / max(1, int(entries.sum()))))
    orders = ORDERS
    if prepared.observations > 1:
        best = screened(series, heads, _orders(prepared.observations))
        lead = trials[0][1] - best[0][1] if trials and best else 0.0
        if lead > LEAD and hidden.sum() >= MANY:
            starts = [(f"{_states(states)}, subspace", score) for states, score in best]
            return LinearChoice(None, (*trials, *starts))
        orders = tuple(states for states, _ in best[:TRAINED]) or ORDERS
    trained = choose_order(batch, orders, hold_out=HOLD_OUT)
    chosen = trained.bounded(int(np.asarray(batch.valid).sum(1).max()))
    others = sorted(trained.candidates, key=lambda each: (each is not chosen, -each.held_out))
    held = [(_states(each.states), each.held_out) for each in others]
    if ridge is not None and _better(ridge[1], _densities(chosen.blind, batch), hidden):
        return LinearChoice(None, (*trials, *held))
    return LinearChoice(chosen.model, (*held, *trials))


def _enough(lengths: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " some"] | None:
    """Series to choose by, evenly spread over all; None where all are needed."""
    total = int(lengths.sum())
    if len(lengths) == 1 or total <= ENOUGH:
        return None
    count = max(1, int(len(lengths) * ENOUGH / total))
    return np.linspace(0, len(lengths) - 1, count).round().astype(int)


def _orders(columns: int) -> tuple[int, ...]:
    """Numbers of states that are screened."""
    return tuple(sorted({*ORDERS, *(n for n in (columns, columns * 3 // 2) if n <= MOST_ORDER)}))


def _autoregression(
    batch: Batch, series: list, observed: list[np.ndarray], heads: list[int]
) -> tuple[RidgeAR, Float[np.ndarray, "batch steps"]] | None:
    """The autoregression of the heads and its log densities of every step; None of too few data."""
    cut = [(y[:head], u[:head]) for (y, u), head in zip(series, heads, strict=True)]
    seen = [rows[:head] for rows, head in zip(observed, heads, strict=True)]
    try:
        chosen, _ = chosen_autoregression(cut, seen)
    except RekalError:
        return None
    return chosen, _densities(model_of(chosen, cut), batch)


def _densities(model: LinearGaussian, batch: Batch) -> Float[np.ndarray, "batch steps"]:
    """One-step log densities of every step, in nats."""
    lengths = placed(np.asarray(batch.valid).sum(1))
    path = filter_batch(Kalman(model), batch.values, batch.mask, batch.inputs, lengths)
    return np.asarray(path.log_evidence, np.float64)


def _better(one: np.ndarray, other: np.ndarray, hidden: np.ndarray) -> bool:
    """Whether the first is surely better where the data were hidden."""
    gain = (one - other)[hidden]
    return len(gain) >= FEWEST and bool(gain.mean() > SURE * gain.std() / np.sqrt(len(gain)))


def _states(count: int) -> str:
    return f"{count} state{'' if count == 1 else 's'}"
