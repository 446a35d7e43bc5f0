r"""Linear models made of others: one beside the other, random walks, starts that fit any part of a series."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jaxtyping import Array, Float

from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.linear_model import LinearModel
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import precision_of

WIDE = 4.0
"""The variance of a start is so many times that of the series."""
SLIGHT = 1e-3
"""Observation noise of a random walk, as a share of the variance of a step."""


def side_by_side(models: Sequence[LinearModel]) -> LinearModel:
    """Independent models as one: their observations one after the other, the same inputs.

    Args:
        models: all in discrete or all in continuous time, with starts that are given.
    """
    first = cast(LinearGaussian | LinearContinuous, models[0])
    if len(models) == 1:
        return first
    stacked = ("B", "c", "D", "d", "m") if not first.continuous else ("G", "g", "D", "d", "m")
    blocks = ("F" if first.continuous else "A", "C", "Q", "R", "P")
    made = {name: jnp.concatenate([getattr(m, name) for m in models]) for name in stacked}
    made |= {
        name: jax.scipy.linalg.block_diag(*(getattr(m, name) for m in models)) for name in blocks
    }
    return dataclasses.replace(first, **made)


def random_walk(
    variance: Float[np.ndarray, " obs"], period: int, inputs: int, interval: float | None
) -> LinearModel:
    """The last value of each column is that of the next step, or that of a season ago.

    Args:
        variance: of what a column moves in a step, per unit of time where `interval` is given.
        period: steps of a season; 1 = the last value.
        inputs: number of inputs, which have no effect.
        interval: length of a step of a model in continuous time, else None; it has no seasons.
    """
    p = len(variance)
    if interval is not None:
        return LinearContinuous.create(
            np.zeros((p, p)),
            np.eye(p),
            np.diag(variance),
            SLIGHT * np.diag(variance),
            G=np.zeros((p, inputs)),
            P=WIDE * np.eye(p),
            interval=interval,
        )
    # The values of the last season, the latest first: the oldest comes again.
    turn = np.roll(np.eye(period), 1, 0)
    noise = np.zeros((period, period))
    noise[0, 0] = 1
    return LinearGaussian.create(
        np.kron(np.eye(p), turn),
        np.kron(np.eye(p), np.eye(period)[:1]),
        np.kron(np.diag(variance), noise),
        SLIGHT * np.diag(variance),
        B=np.zeros((p * period, inputs)),
        P=WIDE * np.eye(p * period),
    )


def started(model: LinearModel) -> LinearModel:
    """The model with a start that fits any part of the series that it was learned from.

    Not diffuse, so that there is a density of the first row, and series can be drawn: in standardised units a
    level that is known to no more than `WIDE` times the variance of the series, and so for every coordinate.

    Args:
        model: linear, of standardised series, each state of about unit variance or a part of the series.
    """
    states, dtype = model.C.shape[-1], np.asarray(model.C).dtype
    moments = {
        "m": placed(np.zeros(states, dtype)),
        "P": placed(WIDE * np.eye(states, dtype=dtype)),
    }
    return dataclasses.replace(model, **moments, initial="given", flat=())


def with_idle_states(model: LinearModel, states: int) -> LinearModel:
    """The same model with more states, which stay zero and are not observed."""
    more = states - model.C.shape[-1]
    square = ("F" if model.continuous else "A", "Q", "P")
    tall = ("G", "g", "m") if model.continuous else ("B", "c", "m")

    def padded(name: str, *more: tuple[int, int]) -> Array:
        block = np.asarray(getattr(model, name))
        with precision_of(model):
            return placed(np.pad(block, (*more, *[(0, 0)] * (block.ndim - len(more)))))

    made = {name: padded(name, (0, more), (0, more)) for name in square}
    made |= {name: padded(name, (0, more)) for name in tall}
    return dataclasses.replace(model, **made, C=padded("C", (0, 0), (0, more)))
