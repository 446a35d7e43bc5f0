"""Networks trained side by side on the series of several systems, one compiled call for all."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.learners.gradient.one_step import Rows, run_open
from rekalman.learners.gradient.prediction_error import PredictionError, SideBySide
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.networks.recurrent import Recurrent

HELD_OUT = 5
"""One series of so many chooses the epoch, two at least."""


class Trained(NamedTuple):
    """Networks side by side.

    Attributes:
        predictors: arrays have the networks as first axis.
        scales: standard deviation of each column of the series of each `(nets, obs)`.
        wanted: the same of what they were trained to say `(nets, out)`.
        seconds: that the training took.
    """

    predictors: Any
    scales: Float[np.ndarray, "nets obs"]
    wanted: Float[np.ndarray, "nets out"]
    seconds: float


def train(
    kind: type[Recurrent],
    units: int,
    learner: PredictionError,
    values: Float[np.ndarray, "nets series steps obs"],
    inputs: Float[np.ndarray, "nets series steps inputs"],
    targets: Float[np.ndarray, "nets series steps out"] | None = None,
    *,
    into: float = 1.0,
    direct: bool = True,
    seed: int = 0,
) -> Trained:
    """Train a network for each set of series, all in one compiled call.

    Args:
        kind: `Elman`, `GRU` or `LSTM`.
        units: length of the hidden vector.
        learner: how to train.
        values: the series, in raw units.
        inputs: their inputs.
        targets: what is to be said before each row, instead of the row.
        into: factor of the first weights of what is given to the units.
        direct: whether the readout sees the row before.
        seed: of the first weights.
    """
    nets, count = values.shape[:2]
    held = max(2, count // HELD_OUT)
    scales = values.std((1, 2))
    wanted = scales if targets is None else np.nanstd(targets, (1, 2))
    made = create(
        kind, units, values.shape[-1], inputs.shape[-1], wanted.shape[-1], nets, direct, seed
    )
    made = eqx.tree_at(lambda each: each.layer.into, made, into * made.layer.into)
    as_rows = lambda part: Rows(  # noqa: E731
        jnp.asarray(values[:, part] / scales[:, None, None], jnp.float32),
        None,
        jnp.asarray(inputs[:, part], jnp.float32) if inputs.shape[-1] else None,
        None
        if targets is None
        else jnp.asarray(targets[:, part] / wanted[:, None, None], jnp.float32),
    )
    seeds = range(seed, seed + nets)
    result: SideBySide = learner.run_many(
        made, as_rows(slice(held, None)), as_rows(slice(held)), tuple(seeds)
    )
    return Trained(result.predictors, scales, wanted, result.seconds)


def create(
    kind: type[Recurrent],
    units: int,
    columns: int,
    inputs: int,
    outputs: int,
    nets: int,
    direct: bool,
    seed: int,
) -> Any:
    """Fresh networks side by side; of other outputs than columns only the readout is another."""

    def one(key: Array) -> RecurrentPredictor:
        made = RecurrentPredictor.create(
            kind, columns, units=units, inputs=inputs, direct=direct, key=key
        )
        if outputs == columns:
            return made
        readout = jnp.zeros((made.readout.shape[0], outputs), made.readout.dtype)
        return dataclasses.replace(made, readout=readout, noise_factor=jnp.eye(outputs))

    return eqx.filter_vmap(one)(jax.random.split(jax.random.key(seed), nets))


def each(trained: Trained, which: int) -> RecurrentPredictor:
    """One of the networks."""
    return jax.tree.map(
        lambda leaf: leaf[which] if eqx.is_array(leaf) else leaf, trained.predictors
    )


@eqx.filter_jit
def _outputs(predictor: RecurrentPredictor, rows: Rows) -> Array:
    return jax.vmap(lambda one: jax.vmap(predictor.output)(run_open(predictor, one)))(rows)


def outputs(
    trained: Trained,
    which: int,
    values: Float[np.ndarray, "series steps obs"],
    inputs: Float[np.ndarray, "series steps inputs"],
) -> Float[np.ndarray, "series steps out"]:
    """What a network says before each row, in raw units.

    Args:
        trained: the networks.
        which: the number of one of them.
        values: series in raw units.
        inputs: their inputs.
    """
    rows = Rows(
        jnp.asarray(values / trained.scales[which], jnp.float32),
        None,
        jnp.asarray(inputs, jnp.float32) if inputs.shape[-1] else None,
    )
    return np.asarray(_outputs(each(trained, which), rows), float) * trained.wanted[which]
