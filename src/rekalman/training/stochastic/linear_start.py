"""The linear model that a stochastic network starts from, and has to beat."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.filters.kalman.filter import Kalman
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.protocol import Iterations, TrainResult
from rekalman.learners.start.near_linear import near_linear, slope_at_zero
from rekalman.learners.start.order import choose_order
from rekalman.learners.start.screening import screened
from rekalman.models.activations import Activation
from rekalman.models.linear import LinearGaussian
from rekalman.training.ridge_ar import series_of
from rekalman.training.stochastic.selection import LinearStart

ORDERS = (1, 2, 3, 4, 5)
"""Numbers of states that are tried."""


def linear_start(
    prepared: Sequences,
    states: int | None,
    hold_out: float,
    *,
    activation: Activation,
    linear_observation: bool,
) -> LinearStart | None:
    """The linear model of the data as a network; None where there is none, or no such network.

    Args:
        prepared: standardised data.
        states: number of states, or None for the number with the least BIC of one column, and of several with
            the best score of its subspace start.
        hold_out: share of each series that is held out.
        activation: elementwise function of the hidden units.
        linear_observation: the outputs read `C x` instead of `C f(x)`.
    """
    if slope_at_zero(activation) is None:
        return None
    try:
        with jax.enable_x64(True):
            batch = as_batch(prepared)
            orders = (states,) if states is not None else _orders(prepared, batch, hold_out)
            chosen = choose_order(batch, orders, hold_out=hold_out).bounded(
                int(np.asarray(batch.valid).sum(1).max())
            )
            moments = [_second_moment(model, batch) for model in (chosen.blind, chosen.model)]
    except RekalError:
        return None
    shape = {"activation": activation, "linear_observation": linear_observation}
    blind, whole = (
        near_linear(model, moment, **shape)
        for model, moment in zip((chosen.blind, chosen.model), moments, strict=True)
    )
    history = Iterations.by_likelihood(
        np.array([chosen.log_likelihood]),
        "converged",
        entries=int(np.asarray(batch.mask).sum()),
    )
    name = f"linear, {chosen.states} state{'s' * (chosen.states > 1)}"
    return LinearStart(name, blind, TrainResult(whole, history), chosen.parameters)


def _orders(prepared: Sequences, batch: Batch, hold_out: float) -> tuple[int, ...]:
    """Numbers of states that are trained: all of one column, the best subspace start of several."""
    if prepared.observations == 1:
        return ORDERS
    series, _ = series_of(prepared)
    heads = np.asarray(hide_after(batch, hold_out)[0].valid).sum(1).tolist()
    return tuple(states for states, _ in screened(series, heads, ORDERS)[:1]) or ORDERS[:1]


def _second_moment(model: LinearGaussian, batch: Batch) -> Float[np.ndarray, "states states"]:
    """Mean of `x x'` of the filtered states."""
    path = Kalman(model).run_batch(batch.values, batch.mask, batch.inputs)
    x = np.asarray(path.mean)[np.asarray(batch.valid)]
    return x.T @ x / len(x)
