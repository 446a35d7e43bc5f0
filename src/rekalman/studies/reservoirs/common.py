"""What the parts of the study share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.learners.reservoir.harvest import run_freely, states_along
from rekalman.learners.reservoir.learned import Network, Prepared, learn_readout
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.studies.base import Row


def figure(
    system: str,
    metric: str,
    values: Sequence[float],
    *,
    better: Literal["lower", "higher"] = "lower",
    **rest: Any,
) -> Row:
    """The median, the worst and the spread over seeds; what is not finite is worst of all."""
    bad = np.inf if better == "lower" else -np.inf
    each = np.where(np.isfinite(values), values, bad)
    worst = float(each.max() if better == "lower" else each.min())
    with np.errstate(invalid="ignore"):
        spread = float(np.ptp(each))
    return Row(system, metric, float(np.median(each)), worst, spread, better, **rest)


def learned(
    predictor: Network,
    values: Float[np.ndarray, "steps obs"],
    washout: int,
    penalty: float | None,
    inputs: Float[np.ndarray, "steps input"] | None = None,
) -> Network:
    """A predictor with a readout that was learned from one standardised series."""
    u = None if inputs is None else inputs[None]
    series = Prepared(values[None], np.ones((1, *values.shape), bool), u, np.array([len(values)]))
    return learn_readout(predictor, series, washout, penalty)[0]


@eqx.filter_jit
def free_runs(
    predictor: LinearReadout,
    heads: Float[Array, "series steps obs"],
    steps: int,
    inputs: Float[Array, "series all input"] | None = None,
) -> Float[Array, "series ahead obs"]:
    """What a predictor says of the steps after the heads of some series, each prediction entering as its row.

    Args:
        predictor: trained.
        heads: the rows that are given.
        steps: how many follow.
        inputs: known inputs of heads and steps.
    """
    first = heads.shape[1]

    def one(head: Array, u: Array | None) -> Array:
        state = states_along(predictor, head, None, None if u is None else u[:first])[-1]
        state = predictor.advance(state, head[-1], None if u is None else u[first])
        after = None
        if u is not None:
            after = jnp.concatenate([u[first + 1 : first + steps], u[:1]])
        return run_freely(predictor, state, steps, after)

    return jax.vmap(one)(heads, inputs)
