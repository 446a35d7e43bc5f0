r"""How well networks predict held-out rows, one and several steps ahead, in one compiled call.

The readout is learned on the first part of each series for every penalty; from steps of the last part the
network then runs freely. The score is a mean log density,

$$
-\frac{1}{h p} \sum_{k=1}^{h} \sum_{j=1}^{p} \left(\log s_{kj} + \tfrac12 \log 2 \pi e\right),
$$

with the root mean square $s_{kj}$ of the errors of column $j$ after $k$ steps: the Gaussian log-likelihood of
each horizon under its own variance, averaged over horizons. With `h = 1` it is the held-out one-step
likelihood; more steps matter where the dynamics are to be learned and not only the next value.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.learners.reservoir.harvest import regression_of, run_freely, states_along
from rekalman.learners.reservoir.ridge import spectrum_of
from rekalman.networks.predictors.linear_readout import LinearReadout

ORIGINS = 64
"""From so many held-out steps, at most, networks run freely."""
BEYOND = 1.5
"""Rows of free runs are held within so many times the largest absolute value of the data."""
LEAST_SQUARE = 1e-24
"""Mean square of an error that no score goes below, in standardised units."""


def bound_of(values: Float[np.ndarray, "batch steps obs"]) -> float:
    """How far a row that enters a predictor may go: half more than the largest absolute value of the data."""
    return BEYOND * float(np.abs(values).max(initial=1.0))


class Part(NamedTuple):
    """Series whose ends are held out.

    Attributes:
        values: standardised, gaps interpolated.
        mask: True where observed.
        inputs: known inputs, or None.
        counted: 1 for the rows that the readout learns from, 0 for others.
        origins: series and step of the rows from which the network runs freely.
        horizon: number of steps.
    """

    values: Float[np.ndarray, "batch steps obs"]
    mask: Bool[np.ndarray, "batch steps obs"]
    inputs: Float[np.ndarray, "batch steps input"] | None
    counted: Float[np.ndarray, "batch steps"]
    origins: Int[np.ndarray, "origins 2"]
    horizon: int


def parted(
    values: Float[np.ndarray, "batch steps obs"],
    mask: Bool[np.ndarray, "batch steps obs"],
    inputs: Float[np.ndarray, "batch steps input"] | None,
    lengths: Int[np.ndarray, " batch"],
    washout: int,
    share: float,
    horizon: int,
) -> Part:
    """Hold the last share of each series out.

    Args:
        values: standardised, gaps interpolated.
        mask: True where observed.
        inputs: known inputs.
        lengths: numbers of steps.
        washout: steps of each series that are not learned from.
        share: of each series that is held out.
        horizon: number of steps that are scored from each origin.
    """
    steps = np.arange(values.shape[1])
    heads = lengths - np.maximum(1, (share * lengths).astype(int))
    learned = (steps >= washout) & (steps < heads[:, None])
    late = (steps >= np.maximum(heads, washout)[:, None]) & (steps < lengths[:, None])
    origins = np.argwhere(late)
    every = max(1, math.ceil(len(origins) / ORIGINS))
    return Part(
        values, mask, inputs, (learned & mask.all(-1)).astype(float), origins[::every], horizon
    )


@eqx.filter_jit
def held_out_scores(
    networks: LinearReadout, part: Part, penalties: Float[Array, " penalties"]
) -> Float[Array, "networks penalties"]:
    """The score of each network under each penalty.

    Args:
        networks: a batch of a size (`harvest.stacked`).
        part: the series, arrays of JAX.
        penalties: of the readout, as shares of the number of rows.
    """
    arrays, rest = eqx.partition(networks, eqx.is_array)
    return jax.lax.map(lambda one: _scores(eqx.combine(one, rest), part, penalties), arrays)


def _scores(network: LinearReadout, part: Part, penalties: Array) -> Array:
    """Of one network under each penalty."""
    states = jax.vmap(lambda *series: states_along(network, series[0], None, series[1]))(
        part.values, part.inputs
    )
    rows = jax.vmap(lambda x, y: regression_of(network, x, y))(states, part.values)
    X, Y = (each.reshape(-1, each.shape[-1]) for each in rows)
    spectrum = spectrum_of(X, Y, part.counted.reshape(-1), singular=False)
    series, first = part.origins[:, 0], part.origins[:, 1]
    ahead = first[:, None] + jnp.arange(part.horizon)
    last = part.values.shape[1] - 1
    inside, at = ahead <= last, jnp.minimum(ahead, last)
    truth = part.values[series[:, None], at]
    counts = part.mask[series[:, None], at] & inside[..., None]
    after = None
    if part.inputs is not None:
        after = part.inputs[series[:, None], jnp.minimum(at + 1, last)]

    def of_penalty(penalty: Array) -> Array:
        trained = network.with_readout(spectrum.weights(penalty))
        run: Any = jax.vmap(lambda state, u: run_freely(trained, state, part.horizon, u))
        error = jnp.where(counts, run(states[series, first], after) - truth, 0.0)
        square = jnp.square(error).sum(0) / jnp.maximum(counts.sum(0), 1)
        square = jnp.where(jnp.isfinite(square), square, 1e12)
        nats = -0.5 * (jnp.log(square + LEAST_SQUARE) + math.log(2 * math.pi * math.e))
        return jnp.where(counts.any(0), nats, 0.0).sum() / jnp.maximum(counts.any(0).sum(), 1)

    return jax.vmap(of_penalty)(penalties)
